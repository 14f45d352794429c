/**
 * Netlink's attributes: what follows the fixed part of a message, and what is inside of other attributes.
 *
 * ```text
 * nlattr, 4 bytes                          then
 *  0 length u16, these 4 bytes included    the value, filled up to a multiple of 4 that the length does not count
 *  2 type u16; bit 15: nested, bit 14: in network byte order (both only hints)
 * ```
 *
 * Numbers are in the byte order of the host, unless a family says otherwise: nf_tables always does, ports and addresses
 * everywhere. Readers take a value that may be missing and give `undefined` for it, so that optional attributes read
 * like others. Source: include/uapi/linux/netlink.h and lib/nlattr.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { concatBytes } from "../wire/bytes.ts";
import { readUtf8, utf8Bytes } from "../wire/utf8.ts";
import { aligned } from "./message.ts";

const HEADER_BYTES = 4;
const LENGTH_MAX = 0xffff;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;
const LITTLE = true;

export type Attributes = ReadonlyMap<number, Uint8Array>;

/** Throws `Fault` (`oversize`) for a value of more than 65531 bytes. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const length = HEADER_BYTES + value.length;
  if (length > LENGTH_MAX) throw new Fault("oversize", `a netlink attribute of ${length} bytes`);
  const bytes = new Uint8Array(aligned(length));
  bytes[0] = length;
  bytes[1] = length >> 8;
  bytes[2] = type;
  bytes[3] = type >> 8;
  bytes.set(value, HEADER_BYTES);
  return bytes;
}

/** Attributes inside of one. */
export function nested(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return attribute(type | NESTED, concatBytes(...parts));
}

export function u8Attribute(type: number, value: number): Uint8Array {
  return attribute(type, Uint8Array.of(checked(value, 0xff)));
}

export function u16Attribute(type: number, value: number): Uint8Array {
  checked(value, 0xffff);
  return attribute(type, Uint8Array.of(value, value >> 8));
}

export function u32Attribute(type: number, value: number): Uint8Array {
  return attribute(type, u32Bytes(value));
}

/** A number of 16 bits in network byte order: ports. */
export function be16Attribute(type: number, value: number): Uint8Array {
  checked(value, 0xffff);
  return attribute(type, Uint8Array.of(value >> 8, value));
}

/** Text that ends with a zero byte. */
export function textAttribute(type: number, text: string): Uint8Array {
  const bytes = utf8Bytes(text);
  if (bytes.includes(0)) throw new Fault("invalid", "a name for the kernel holds a zero byte");
  return attribute(type, concatBytes(bytes, Uint8Array.of(0)));
}

export function u32Bytes(value: number): Uint8Array {
  checked(value, 0xffff_ffff);
  return Uint8Array.of(value, value >> 8, value >> 16, value >> 24);
}

function checked(value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new Fault("invalid", `${value} is not between 0 and ${max}`);
}

/** In their order, with repetitions; values are views. Throws `Fault` (`truncated`, `malformed`). */
export function listAttributes(bytes: Uint8Array): [type: number, value: Uint8Array][] {
  const list: [number, Uint8Array][] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES) throw new Fault("truncated", "a netlink attribute ends early");
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    if (length < HEADER_BYTES) throw new Fault("malformed", `a netlink attribute of ${length} bytes`);
    if (length > bytes.length - at) throw new Fault("truncated", "a netlink attribute ends early");
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & TYPE_MASK;
    list.push([type, bytes.subarray(at + HEADER_BYTES, at + length)]);
    at += aligned(length);
  }
  return list;
}

/** By type; of repetitions the last counts. */
export function parseAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  return new Map(listAttributes(bytes));
}

/** The attributes inside of one; none if it is missing. */
export function nestedIn(value: Uint8Array | undefined): Attributes {
  return value === undefined ? none : parseAttributes(value);
}

const none: Attributes = new Map();

export function u8In(value: Uint8Array | undefined): number | undefined {
  return value === undefined ? undefined : sized(value, 1).getUint8(0);
}

export function u16In(value: Uint8Array | undefined): number | undefined {
  return value === undefined ? undefined : sized(value, 2).getUint16(0, LITTLE);
}

export function u32In(value: Uint8Array | undefined): number | undefined {
  return value === undefined ? undefined : sized(value, 4).getUint32(0, LITTLE);
}

export function i32In(value: Uint8Array | undefined): number | undefined {
  return value === undefined ? undefined : sized(value, 4).getInt32(0, LITTLE);
}

export function be16In(value: Uint8Array | undefined): number | undefined {
  return value === undefined ? undefined : sized(value, 2).getUint16(0);
}

/**
 * Up to the first zero byte. Whoever owns a namespace may give its interfaces names of any bytes: what is no UTF-8 is
 * shown as "\\xff", so that no name makes the others unreadable.
 */
export function textIn(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined;
  const zero = value.indexOf(0);
  const end = zero < 0 ? value.length : zero;
  return readUtf8(value, 0, end) ?? Array.from(value.subarray(0, end), escaped).join("");
}

function escaped(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`;
}

/** The kernel's attributes may grow at their ends, and shrink never. */
function sized(value: Uint8Array, bytes: number): DataView {
  if (value.length < bytes) throw new Fault("truncated", `a number of ${value.length} bytes, not ${bytes}`);
  return new DataView(value.buffer, value.byteOffset, value.byteLength);
}
