/** CRC-32 (IEEE, as in zlib): against accidents, never against an enemy. */
import { crc32 as zlibCrc32 } from "node:zlib";

/** Unsigned 32 bits. */
export function crc32(bytes: Uint8Array): number {
  return zlibCrc32(bytes);
}
