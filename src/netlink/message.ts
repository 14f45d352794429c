/**
 * Netlink's envelope: the header in front of every message, and how many messages share a datagram.
 *
 * ```text
 * nlmsghdr, 16 bytes                 then
 *  0 length u32, header included     a body: a struct of the family, then attributes,
 *  4 type u16, 6 flags u16           filled up to a multiple of 4 that the length does not count
 *  8 sequence u32
 * 12 port id u32, 0: the kernel
 * ```
 *
 * Numbers are in the byte order of the host. Knows no type but those of netlink itself.
 * Source: include/uapi/linux/netlink.h of Linux.
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import type { NetlinkMessage, NetlinkRequest } from "../port/netlink.ts";

export type Request = NetlinkRequest;
export type Message = NetlinkMessage;

/** A message and whom it answers. */
export interface Envelope extends Message {
  /** Of the request that caused it; 0 if there was none. */
  readonly sequence: number;
  /** The socket of that request. */
  readonly portId: number;
}

/** NLM_F_*. The same bit means one thing in a question, another in an order, a third in an answer. */
export const NLM = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  /** In answers: the dump is torn, what it shows changed on the way. */
  dumpInterrupted: 0x10,
  /** In questions: all rows (NLM_F_ROOT | NLM_F_MATCH). */
  dump: 0x300,
  /** In orders. */
  replace: 0x100,
  excl: 0x200,
  create: 0x400,
  append: 0x800,
  /** In acknowledgements: the body of the request is left out. */
  capped: 0x100,
  /** In acknowledgements: attributes follow. */
  ackAttributes: 0x200,
} as const;

/** Types of netlink itself; below 0x10. */
export const NLMSG = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

export const HEADER_BYTES = 16;
/** More in one datagram is refused: the kernel's own limit for what a socket may send is far below. */
export const DATAGRAM_BYTES_MAX = 16 * 1_048_576;
const LITTLE = true;

assert(new Uint8Array(new Uint32Array([1]).buffer)[0] === 1, "netlink is written for little-endian machines");

/** Lengths in netlink are filled up to a multiple of 4. */
export const aligned = (length: number): number => (length + 3) & ~3;

/** Requests behind each other; the first has this sequence number, the others the following. */
export function encodeRequests(requests: readonly Request[], firstSequence: number, portId: number): Uint8Array {
  let length = 0;
  for (const { body } of requests) length += aligned(HEADER_BYTES + body.length);
  if (length > DATAGRAM_BYTES_MAX) throw new Fault("oversize", `requests of ${length} bytes in one datagram`);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, { type, flags, body }] of requests.entries()) {
    view.setUint32(at, HEADER_BYTES + body.length, LITTLE);
    view.setUint16(at + 4, type, LITTLE);
    view.setUint16(at + 6, flags | NLM.request, LITTLE);
    view.setUint32(at + 8, firstSequence + index, LITTLE);
    view.setUint32(at + 12, portId, LITTLE);
    bytes.set(body, at + HEADER_BYTES);
    at += aligned(HEADER_BYTES + body.length);
  }
  return bytes;
}

/** The messages of a datagram; bodies are views of it. Throws `Fault` (`truncated`, `malformed`). */
export function decodeMessages(bytes: Uint8Array): Envelope[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Envelope[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES) throw new Fault("truncated", "a netlink header ends early");
    const length = view.getUint32(at, LITTLE);
    if (length < HEADER_BYTES) throw new Fault("malformed", `a netlink message of ${length} bytes`);
    if (length > bytes.length - at) throw new Fault("truncated", "a netlink message ends early");
    messages.push({
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      sequence: view.getUint32(at + 8, LITTLE),
      portId: view.getUint32(at + 12, LITTLE),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += aligned(length);
  }
  return messages;
}
