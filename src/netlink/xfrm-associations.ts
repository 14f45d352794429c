/**
 * Security associations of the kernel: the verbs as requests, and what it answers as values.
 *
 * A body with a key in it is a `SecretBytes`, so that no log or error shows it. Nothing here talks to the kernel.
 * Source: net/xfrm/xfrm_user.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { KeyMaterial } from "../model/key-material.ts";
import { concatBytes } from "../wire/bytes.ts";
import { attribute, parseAttributes } from "./attributes.ts";
import { type Message, NLM, type Request } from "./message.ts";
import { SecretBytes } from "./secret-bytes.ts";
import { markAttribute, markIn, outputMarkAttributes, outputMarkIn, XFRMA } from "./xfrm-attributes.ts";
import {
  ESP,
  familyOf,
  getAddress,
  getLimits,
  getUsage,
  modeNumber,
  modeOf,
  number,
  putAddress,
  putIdentity,
  putLimits,
  sizes,
  structView,
  viewOf,
} from "./xfrm-structs.ts";
import type { Association, AssociationId, AssociationState, IcvBits, Sequence } from "./xfrm-values.ts";

export const associationMessages = {
  new: 0x10,
  delete: 0x11,
  get: 0x12,
  expire: 0x18,
  update: 0x1a,
  flush: 0x1c,
} as const;

export const ALGORITHM = "rfc4106(gcm(aes))";
const ALGORITHM_NAME_BYTES = 64;
const ALGORITHM_HEAD_BYTES = ALGORITHM_NAME_BYTES + 8;
/** Keys of AES with their salts. */
const KEY_BYTES: readonly number[] = [20, 28, 36];
/** The kernel's own (XFRMA_REPLAY_ESN_MAX). */
export const REPLAY_WINDOW_MAX = 4_096;
/** Wider windows, and sequence numbers of 64 bits, need the newer form of replay state. */
const SHORT_WINDOW_MAX = 32;
const FLAG_ESN = 128;
const LITTLE = true;

/** Add an association. The kernel refuses a second of the same destination, SPI and mark (`EEXIST`). */
export function addAssociation(association: Association): Request {
  return { type: associationMessages.new, flags: NLM.ack, body: body(association) };
}

/**
 * Change limits and marks of an association that is there (`ESRCH` if not); key, window and sequence stay as they
 * are, but the time it has been there starts anew.
 */
export function updateAssociation(association: Association): Request {
  return { type: associationMessages.update, flags: NLM.ack, body: body(association) };
}

export function deleteAssociation(id: AssociationId): Request {
  return { type: associationMessages.delete, flags: NLM.ack, body: identity(id) };
}

/** Answered with one message, or `ESRCH`. */
export function getAssociation(id: AssociationId): Request {
  return { type: associationMessages.get, flags: 0, body: identity(id) };
}

/** Answered with one message for each association of any protocol; those `decodeAssociation` cannot read are not ours. */
export function listAssociations(): Request {
  return { type: associationMessages.get, flags: NLM.dump, body: new Uint8Array(sizes.associationId) };
}

/** Delete all associations of ESP, whoever made them; `ESRCH` if there are none. */
export function flushAssociations(): Request {
  return { type: associationMessages.flush, flags: NLM.ack, body: Uint8Array.of(ESP) };
}

function body(association: Association): Uint8Array {
  const { replayWindow, extendedSequence, outputMark, mark, sequence } = association;
  check(association);
  const fixed = new Uint8Array(sizes.association);
  const view = viewOf(fixed);
  putIdentity(view, 56, association.destination, association.spi);
  putAddress(view, 80, association.source);
  putLimits(view, 96, association.limits);
  view.setUint32(208, number(association.requestId, 0xffff_ffff, "request id"), LITTLE);
  view.setUint16(212, familyOf(association.destination), LITTLE);
  view.setUint8(214, modeNumber(association.mode));
  const long = extendedSequence || replayWindow > SHORT_WINDOW_MAX;
  view.setUint8(215, long ? 0 : replayWindow);
  view.setUint8(216, extendedSequence ? FLAG_ESN : 0);
  const started = sequence.outgoing > 0n || sequence.incoming > 0n;
  return new SecretBytes(
    concatBytes(
      fixed,
      algorithmAttribute(association),
      ...(long ? [attribute(XFRMA.replayEsn, longState(replayWindow, sequence))] : []),
      ...(started && !long ? [attribute(XFRMA.replay, shortState(sequence))] : []),
      ...markAttribute(mark),
      ...outputMarkAttributes(outputMark),
    ),
  );
}

function check({ source, destination, spi, extendedSequence, replayWindow, icvBits, sequence }: Association): void {
  if (familyOf(source) !== familyOf(destination)) throw new Fault("invalid", "an association mixes IPv4 and IPv6");
  if (spi === 0) throw new Fault("invalid", "an association needs an SPI");
  number(replayWindow, REPLAY_WINDOW_MAX, "replay window");
  if (extendedSequence && replayWindow === 0) throw new Fault("invalid", "extended sequence numbers need a window");
  if (![64, 96, 128].includes(icvBits)) throw new Fault("invalid", `an ICV has 64, 96 or 128 bits, not ${icvBits}`);
  const highest = extendedSequence ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  for (const value of [sequence.outgoing, sequence.incoming]) {
    if (value < 0n || value > highest) throw new Fault("invalid", `sequence number ${value} is out of range`);
  }
}

/** `xfrm_algo_aead`: name, key bits with salt, ICV bits, key and salt. */
function algorithmAttribute({ key, icvBits }: Association): Uint8Array {
  return key.withBytes((bytes) => {
    const value = new Uint8Array(ALGORITHM_HEAD_BYTES + bytes.length);
    for (const [at, letter] of [...ALGORITHM].entries()) value[at] = letter.charCodeAt(0);
    viewOf(value).setUint32(ALGORITHM_NAME_BYTES, bytes.length * 8, LITTLE);
    viewOf(value).setUint32(ALGORITHM_NAME_BYTES + 4, icvBits, LITTLE);
    value.set(bytes, ALGORITHM_HEAD_BYTES);
    return attribute(XFRMA.aead, value);
  });
}

/** `xfrm_replay_state`: outgoing, incoming, bitmap. */
function shortState({ outgoing, incoming }: Sequence): Uint8Array {
  const value = new Uint8Array(12);
  viewOf(value).setUint32(0, Number(outgoing), LITTLE);
  viewOf(value).setUint32(4, Number(incoming), LITTLE);
  return value;
}

/** `xfrm_replay_state_esn` without its bitmap: words of it, then outgoing and incoming, low and high, then the window. */
function longState(window: number, { outgoing, incoming }: Sequence): Uint8Array {
  const low = (value: bigint): number => Number(value & 0xffff_ffffn);
  const high = (value: bigint): number => Number(value >> 32n);
  const words = [Math.ceil(window / 32), low(outgoing), low(incoming), high(outgoing), high(incoming), window];
  const value = new Uint8Array(words.length * 4);
  for (const [at, word] of words.entries()) viewOf(value).setUint32(at * 4, word, LITTLE);
  return value;
}

/** `xfrm_usersa_id` and what else identifies. */
function identity({ source, destination, spi, mark }: AssociationId): Uint8Array {
  const fixed = new Uint8Array(sizes.associationId);
  const view = viewOf(fixed);
  const family = familyOf(destination);
  putAddress(view, 0, destination);
  view.setUint32(16, number(spi, 0xffff_ffff, "SPI"));
  view.setUint16(20, family, LITTLE);
  view.setUint8(22, ESP);
  const from = new Uint8Array(16);
  putAddress(viewOf(from), 0, source);
  return concatBytes(fixed, attribute(XFRMA.source, from), ...markAttribute(mark));
}

/**
 * The association in an answer or in a report that one was added or changed. Throws `Fault`: `unknownType` for an
 * association of other protocols or ciphers, `truncated` or `malformed` for nonsense.
 */
export function decodeAssociation({ body }: Pick<Message, "body">): AssociationState {
  const view = structView(body, sizes.association);
  const protocol = view.getUint8(76);
  if (protocol !== ESP) throw new Fault("unknownType", `an association of protocol ${protocol}, not ESP`);
  const family = view.getUint16(212, LITTLE);
  const attributes = parseAttributes(body.subarray(sizes.association));
  const { key, icvBits } = algorithmIn(attributes.get(XFRMA.aead));
  return {
    source: getAddress(view, 80, family),
    destination: getAddress(view, 56, family),
    spi: view.getUint32(72),
    mark: markIn(attributes),
    requestId: view.getUint32(208, LITTLE),
    mode: modeOf(view.getUint8(214)),
    key,
    icvBits,
    extendedSequence: (view.getUint8(216) & FLAG_ESN) !== 0,
    ...replayIn(attributes, view.getUint8(215)),
    outputMark: outputMarkIn(attributes),
    limits: getLimits(view, 96),
    usage: getUsage(view, 160),
    refused: {
      belowWindow: view.getUint32(192, LITTLE),
      replayed: view.getUint32(196, LITTLE),
      forged: view.getUint32(200, LITTLE),
    },
  };
}

function algorithmIn(value: Uint8Array | undefined): { key: KeyMaterial; icvBits: IcvBits } {
  if (value === undefined) throw new Fault("unknownType", "an association without an AEAD cipher");
  const view = structView(value, ALGORITHM_HEAD_BYTES);
  let name = "";
  for (let at = 0; at < ALGORITHM_NAME_BYTES && value[at] !== 0; at++) name += String.fromCharCode(value[at] ?? 0);
  if (name !== ALGORITHM) throw new Fault("unknownType", "an association with another cipher than ours");
  const icvBits = view.getUint32(ALGORITHM_NAME_BYTES + 4, LITTLE);
  if (icvBits !== 64 && icvBits !== 96 && icvBits !== 128) throw new Fault("malformed", `an ICV of ${icvBits} bits`);
  const keyBytes = view.getUint32(ALGORITHM_NAME_BYTES, LITTLE) / 8;
  if (!KEY_BYTES.includes(keyBytes)) throw new Fault("malformed", `a key with salt of ${keyBytes} bytes`);
  if (value.length < ALGORITHM_HEAD_BYTES + keyBytes) throw new Fault("truncated", "an association's key is cut off");
  return { key: new KeyMaterial(value.subarray(ALGORITHM_HEAD_BYTES, ALGORITHM_HEAD_BYTES + keyBytes)), icvBits };
}

function replayIn(
  attributes: ReadonlyMap<number, Uint8Array>,
  shortWindow: number,
): { readonly replayWindow: number; readonly sequence: Sequence } {
  const long = attributes.get(XFRMA.replayEsn);
  const short = attributes.get(XFRMA.replay);
  if (long !== undefined) {
    const view = structView(long, 24);
    const word = (at: number): bigint => BigInt(view.getUint32(at, LITTLE));
    const sequence = { outgoing: (word(12) << 32n) | word(4), incoming: (word(16) << 32n) | word(8) };
    return { replayWindow: view.getUint32(20, LITTLE), sequence };
  }
  if (short === undefined) return { replayWindow: shortWindow, sequence: { outgoing: 0n, incoming: 0n } };
  const view = structView(short, 12);
  const sequence = { outgoing: BigInt(view.getUint32(0, LITTLE)), incoming: BigInt(view.getUint32(4, LITTLE)) };
  return { replayWindow: shortWindow, sequence };
}
