/** Addresses with the length of their subnet ("10.0.1.4/24"): the form in which tables and kernel speak of them. */
import { Fault } from "../base/fault.ts";
import { addressBytes, addressText, canonicalAddress, isAddress } from "../base/ip.ts";

export interface Prefix {
  /** Canonical text. */
  readonly address: string;
  readonly bits: number;
  readonly family: 4 | 6;
}

/** Throws `Fault` (`invalid`) for anything that is not an address and a length. */
export function parsePrefix(text: string): Prefix {
  const [, address = "", length = ""] = /^([0-9a-fA-F:.]{2,45})\/(\d{1,3})$/.exec(text) ?? [];
  if (!isAddress(address)) throw new Fault("invalid", `"${text.slice(0, 64)}" is not an address such as 10.0.1.4/24`);
  const family = addressBytes(address).length === 4 ? 4 : 6;
  const bits = Number(length);
  if (bits > (family === 4 ? 32 : 128)) throw new Fault("invalid", `${text} has no such length`);
  return { address: canonicalAddress(address), bits, family };
}

/** The subnet in the same form, host bits zero: "10.0.1.4/24" gives "10.0.1.0/24". */
export function subnetOf({ address, bits }: Prefix): string {
  const bytes = Uint8Array.from(addressBytes(address), (byte, at) => {
    const keep = Math.min(8, Math.max(0, bits - at * 8));
    return byte & (0xff00 >> keep);
  });
  return `${addressText(bytes)}/${bits}`;
}

/** Is `address` in the subnet that `prefix` is in? */
export function isInside(address: string, prefix: Prefix): boolean {
  const { family } = prefix;
  if ((addressBytes(address).length === 4 ? 4 : 6) !== family) return false;
  return subnetOf({ address, bits: prefix.bits, family }) === subnetOf(prefix);
}

/** "4" or "6" by the address's own form. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

/** Six lower-case pairs, not all zero, not a group's. */
export function isUnicastMac(text: string): boolean {
  return MAC.test(text) && text !== "00:00:00:00:00:00" && (Number.parseInt(text.slice(0, 2), 16) & 1) === 0;
}
