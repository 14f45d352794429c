/**
 * The SPI that both ends of a pair of nodes compute for themselves: FNV-1a over source, tag and destination.
 *
 * The same 32 bits, high byte first, are the salt of the key. Nodes of one cluster may spell IPv4 addresses in two
 * ways, and do not understand each other then: as 16 bytes (most), or as 4 (Docker 28.2.2 and 29.0.0 to 29.2.0).
 * Source: Docker's overlay driver, `encryption.go`; RFC 9923 for FNV.
 */
import { addressBytes } from "../base/ip.ts";

/** How a node spells an IPv4 address in this hash. IPv6 has one spelling. */
export type SpiForm = "mapped" | "short";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** For packets from `source` to `destination` under the key with this tag, of which the low 32 bits count. */
export function spiOf(source: string, destination: string, tag: bigint, form: SpiForm): number {
  const low = Number(tag & 0xffff_ffffn);
  const tagBytes = [low >>> 24, (low >>> 16) & 0xff, (low >>> 8) & 0xff, low & 0xff];
  let hash = FNV_OFFSET;
  for (const byte of [...spelled(source, form), ...tagBytes, ...spelled(destination, form)]) {
    hash = Math.imul(hash ^ byte, FNV_PRIME);
  }
  return hash >>> 0;
}

/** The 4 bytes behind the key: the SPI. */
export function saltOf(spi: number): Uint8Array {
  return Uint8Array.of(spi >>> 24, (spi >>> 16) & 0xff, (spi >>> 8) & 0xff, spi & 0xff);
}

function spelled(address: string, form: SpiForm): readonly number[] {
  const bytes = [...addressBytes(address)];
  return form === "mapped" && bytes.length === 4 ? [...MAPPED_PREFIX, ...bytes] : bytes;
}
