/**
 * The outer IPv4 header, as far as the engine's shells meet it: read on the way in from device and socket, written
 * around an opened datagram. ESP protects nothing of it.
 *
 *    0   version 4 | header length in words    1   traffic class    2   total length u16
 *    4   identification u16                     6   flags, fragment offset u16
 *    8   time to live    9   protocol          10   checksum u16
 *   12   source u32                            16   destination u32     20   options
 *
 * Source: RFC 791 section 3.1.
 */
import { getU16, getU32, putU32 } from "./packet.ts";

export const IPV4_HEADER_BYTES = 20;
const TIME_TO_LIVE = 64;
const FRAGMENT_MASK = 0x3fff;

/** Length of the header of a whole packet of `protocol`, not of a fragment; 0 if it is anything else. */
export function ipv4HeaderLength(bytes: Uint8Array, at: number, length: number, protocol: number): number {
  if (length < IPV4_HEADER_BYTES || bytes[at]! >> 4 !== 4) return 0;
  const headerLength = (bytes[at]! & 15) * 4;
  const sound =
    headerLength >= IPV4_HEADER_BYTES &&
    headerLength <= length &&
    getU16(bytes, at + 2) === length &&
    (getU16(bytes, at + 6) & FRAGMENT_MASK) === 0 &&
    bytes[at + 9] === protocol;
  return sound ? headerLength : 0;
}

export function trafficClass(bytes: Uint8Array, at: number): number {
  return bytes[at + 1]!;
}

export function sourceOf(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at + 12);
}

export function destinationOf(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at + 16);
}

/** Write a header without options in front of `at`, for `length` bytes of payload; where the packet begins. */
export function putIpv4Header(
  bytes: Uint8Array,
  at: number,
  length: number,
  header: {
    readonly protocol: number;
    readonly trafficClass: number;
    readonly source: number;
    readonly destination: number;
  },
): number {
  const start = at - IPV4_HEADER_BYTES;
  putU32(bytes, start, (0x45 << 24) | (header.trafficClass << 16) | (IPV4_HEADER_BYTES + length));
  putU32(bytes, start + 4, 0);
  putU32(bytes, start + 8, (TIME_TO_LIVE << 24) | (header.protocol << 16));
  putU32(bytes, start + 12, header.source);
  putU32(bytes, start + 16, header.destination);
  const checksum = checksumOf(bytes, start);
  bytes[start + 10] = checksum >> 8;
  bytes[start + 11] = checksum;
  return start;
}

/** RFC 1071, over a header without options. */
function checksumOf(bytes: Uint8Array, start: number): number {
  let sum = 0;
  for (let at = start; at < start + IPV4_HEADER_BYTES; at += 2) sum += getU16(bytes, at);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~(sum + (sum >> 16)) & 0xffff;
}
