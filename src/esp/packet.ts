/**
 * Writes and reads the parts of a packet around what the cipher does: header, trailer, additional data. In place, and
 * without allocating. messages.ts draws the bytes.
 */
import {
  ALIGNMENT_BYTES,
  HEADER_BYTES,
  PROTOCOL_UDP,
  SEQUENCE_AT,
  SPI_AT,
  TRAILER_BYTES,
  UDP_HEADER_BYTES,
} from "./messages.ts";
import { highHalf } from "./sequence.ts";

/** Big-endian; only the low 32 bits of `value` count. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function getU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export function getU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** SPI and the half of the sequence number that travels. */
export function putHeader(bytes: Uint8Array, at: number, spi: number, sequence: number): void {
  putU32(bytes, at + SPI_AT, spi);
  putU32(bytes, at + SEQUENCE_AT, sequence);
}

/** 8 bytes, or 12 for extended sequence numbers; written again for each packet. */
export function newAad(extendedSequence: boolean): Uint8Array {
  return new Uint8Array(extendedSequence ? 12 : 8);
}

export function putAad(aad: Uint8Array, spi: number, sequence: number): void {
  putU32(aad, 0, spi);
  if (aad.length === 12) putU32(aad, 4, highHalf(sequence));
  putU32(aad, aad.length - 4, sequence);
}

/** Write padding, its length and the next header behind what ends at `end`; where that ends. */
export function putTrailer(bytes: Uint8Array, end: number, length: number): number {
  const padding = paddingOf(length);
  for (let count = 1; count <= padding; count++) bytes[end + count - 1] = count;
  bytes[end + padding] = padding;
  bytes[end + padding + 1] = PROTOCOL_UDP;
  return end + padding + TRAILER_BYTES;
}

function paddingOf(length: number): number {
  return -(length + TRAILER_BYTES) & (ALIGNMENT_BYTES - 1);
}

/** Length of the packet around a datagram of `length` bytes. */
export function packetLength(length: number, icvBytes: number): number {
  return HEADER_BYTES + length + paddingOf(length) + TRAILER_BYTES + icvBytes;
}

/**
 * How many of the decrypted bytes `[from, to)` are left when trailer and padding are gone; -1 if these are wrong.
 * The next header, whatever it is, stands at `to - 1`.
 */
export function contentLength(bytes: Uint8Array, from: number, to: number): number {
  const padding = bytes[to - TRAILER_BYTES]!;
  const length = to - from - TRAILER_BYTES - padding;
  if (length < 0) return -1;
  for (let count = 1; count <= padding; count++) if (bytes[from + length + count - 1] !== count) return -1;
  return length;
}

/** A UDP datagram to `port` that says of itself what is true: its length. */
export function isDatagramTo(port: number, bytes: Uint8Array, at: number, length: number): boolean {
  return length >= UDP_HEADER_BYTES && getU16(bytes, at + 2) === port && getU16(bytes, at + 4) === length;
}
