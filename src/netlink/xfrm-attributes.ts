/** Attributes that associations and policies share. Source: include/uapi/linux/xfrm.h of Linux. */
import { attribute } from "./attributes.ts";
import { structView, viewOf } from "./xfrm-structs.ts";
import { type Mark, noMark } from "./xfrm-values.ts";

export const XFRMA = {
  templates: 5,
  association: 6,
  policy: 7,
  replay: 10,
  source: 13,
  lastUsed: 15,
  policyType: 16,
  aead: 18,
  mark: 21,
  replayEsn: 23,
  setMark: 29,
  setMarkMask: 30,
} as const;

const LITTLE = true;

export function markAttribute({ value, mask }: Mark): Uint8Array[] {
  if (mask === 0) return [];
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, value, LITTLE);
  viewOf(bytes).setUint32(4, mask, LITTLE);
  return [attribute(XFRMA.mark, bytes)];
}

export function markIn(attributes: ReadonlyMap<number, Uint8Array>): Mark {
  const bytes = attributes.get(XFRMA.mark);
  if (bytes === undefined) return noMark;
  const view = structView(bytes, 8);
  return { value: view.getUint32(0, LITTLE), mask: view.getUint32(4, LITTLE) };
}

export function outputMarkAttributes({ value, mask }: Mark): Uint8Array[] {
  if (mask === 0) return [];
  return [attribute(XFRMA.setMark, word(value)), attribute(XFRMA.setMarkMask, word(mask))];
}

export function outputMarkIn(attributes: ReadonlyMap<number, Uint8Array>): Mark {
  const value = attributes.get(XFRMA.setMark);
  if (value === undefined) return noMark;
  const mask = attributes.get(XFRMA.setMarkMask);
  return { value: wordIn(value), mask: mask === undefined ? 0xffff_ffff : wordIn(mask) };
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, LITTLE);
  return bytes;
}

function wordIn(bytes: Uint8Array): number {
  return structView(bytes, 4).getUint32(0, LITTLE);
}
