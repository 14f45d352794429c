/**
 * Which address the others are told to reach us at.
 *
 * In order: the one that was configured; the one we are bound to; if that is the wildcard, the first private address
 * of the host. Always 4 or 16 plain bytes, never IPv4-mapped: peers compare address bytes, so one node must keep one
 * form for life. Source: memberlist `net_transport.go` (`FinalAdvertiseAddr`).
 */
import { Fault } from "../base/fault.ts";
import { addressBytes, isPrivate, isUnspecified } from "../base/ip.ts";
import type { Endpoint } from "../port/endpoint.ts";

export interface Advertised {
  readonly addr: Uint8Array;
  readonly port: number;
}

/**
 * `bound` is the endpoint really bound. Port 0 in `configured` means the bound port.
 * Throws `Fault` (`invalid`) when nothing suitable is found or the configured address is the wildcard.
 */
export function chooseAdvertised(
  configured: Endpoint | undefined,
  bound: Endpoint,
  hostAddresses: readonly string[],
): Advertised {
  if (configured !== undefined) {
    if (isUnspecified(configured.address)) {
      throw new Fault("invalid", `nobody can reach ${configured.address}: advertise an address of this host`);
    }
    return { addr: addressBytes(configured.address), port: configured.port === 0 ? bound.port : configured.port };
  }
  if (!isUnspecified(bound.address)) return { addr: addressBytes(bound.address), port: bound.port };
  const found = hostAddresses.find((address) => isPrivate(address) && serves(bound, address));
  if (found === undefined) {
    throw new Fault("invalid", "this host has no private address: say which address to advertise");
  }
  return { addr: addressBytes(found), port: bound.port };
}

/** The IPv4 wildcard receives nothing over IPv6. */
function serves(bound: Endpoint, address: string): boolean {
  return bound.address.includes(":") || !address.includes(":");
}
