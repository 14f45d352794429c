/** The addresses of this host, in the system's order, without loopback. A snapshot: interfaces come and go. */
import { networkInterfaces } from "node:os";
import { canonicalAddress } from "../base/ip.ts";

export function hostAddresses(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((rows) => rows ?? []);
  return addresses.filter(({ internal }) => !internal).map(({ address }) => canonicalAddress(address));
}
