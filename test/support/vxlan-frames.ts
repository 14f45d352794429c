/** VXLAN and ESP in captures of the laboratory's switch. */
import { segmentOf } from "../../src/lab/frames.ts";

export interface Tunnelled {
  readonly vni: number;
  /** Of the whole frame outside, Ethernet header included. */
  readonly outerBytes: number;
  /** The frame inside. */
  readonly inner: Buffer;
}

const VXLAN_HEADER_BYTES = 8;
const ESP = 50;

/** `undefined` for frames that are no VXLAN to this port. */
export function tunnelledIn(frame: Buffer, port = 4789): Tunnelled | undefined {
  const segment = segmentOf(frame);
  if (segment?.transport !== "udp" || segment.destinationPort !== port) return undefined;
  if (segment.payload.length < VXLAN_HEADER_BYTES) return undefined;
  const vni = segment.payload.readUIntBE(4, 3);
  return { vni, outerBytes: frame.length, inner: segment.payload.subarray(VXLAN_HEADER_BYTES) };
}

export function isEsp(frame: Buffer): boolean {
  const type = frame.length > 34 ? frame.readUInt16BE(12) : 0;
  return (type === 0x0800 && frame[23] === ESP) || (type === 0x86dd && frame[20] === ESP);
}
