/**
 * Addresses as keys of maps, cheap to make from the bytes of a packet: a number for IPv4, eight UTF-16 units for IPv6.
 * The two kinds never equal each other, and nothing of an IPv4-mapped address is converted: packets have one family.
 */
import { addressBytes } from "../base/ip.ts";
import { getU16, getU32 } from "./packet.ts";

export type AddressKey = number | string;

export function ipv4Key(bytes: Uint8Array, at: number): AddressKey {
  return getU32(bytes, at);
}

export function ipv6Key(bytes: Uint8Array, at: number): AddressKey {
  const unit = (index: number): number => getU16(bytes, at + index * 2);
  return String.fromCharCode(unit(0), unit(1), unit(2), unit(3), unit(4), unit(5), unit(6), unit(7));
}

/** Of an address in canonical text. Throws `Fault` (`invalid`) for anything else. */
export function addressKeyOf(text: string): AddressKey {
  const bytes = addressBytes(text);
  return bytes.length === 4 ? ipv4Key(bytes, 0) : ipv6Key(bytes, 0);
}
