/**
 * How large a packet inside an overlay network may be, so that the one around it fits the underlay.
 *
 * Encrypted ones are rounded down to what ESP does not have to pad, which gives exactly Docker's numbers on IPv4; on
 * IPv6 Docker's are 20 bytes too large. Interfaces may be smaller than a peer's without harm, never larger.
 */
import {
  ESP_ALIGNMENT_BYTES,
  ESP_BYTES,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  UNDERLAY_MTU_DEFAULT,
  VXLAN_BYTES,
} from "./limits.ts";

export interface Underlay {
  readonly family: 4 | 6;
  /** Smallest of the paths to the network's nodes, bytes; `undefined`: none is known. */
  readonly pathMtu: number | undefined;
}

/**
 * `limit`: the network's option, bytes of the underlay; without it 1500, so that peers that do not look at their
 * underlay are never sent more than they take. May be negative for absurd limits.
 */
export function overlayMtu(limit: number | undefined, encrypted: boolean, { family, pathMtu }: Underlay): number {
  const underlay = Math.min(limit ?? UNDERLAY_MTU_DEFAULT, pathMtu ?? Infinity);
  const plain = underlay - VXLAN_BYTES - (family === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES);
  if (!encrypted) return plain;
  return Math.floor((plain - ESP_BYTES) / ESP_ALIGNMENT_BYTES) * ESP_ALIGNMENT_BYTES;
}
