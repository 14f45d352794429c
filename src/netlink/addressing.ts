/**
 * Addresses as the kernel's tables hold them: bytes with a family beside them, prefixes as bytes and a length, MAC
 * addresses. As values they are canonical text ("10.0.1.4", "10.0.1.0/24", "02:42:0a:00:01:04").
 */
import { Fault } from "../base/fault.ts";
import { addressBytes, addressText, isAddress } from "../base/ip.ts";

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

/** Of IP. The kernel's numbers are AF_INET and AF_INET6. */
export type IpVersion = 4 | 6;

export const familyNumber = (version: IpVersion): number => (version === 4 ? AF_INET : AF_INET6);
/** By the form of an address or prefix. */
export const versionOf = (text: string): IpVersion => (text.includes(":") ? 6 : 4);
export const familyOf = (text: string): number => familyNumber(versionOf(text));

/** Throws `Fault` (`unknownType`) for families that are not of IP. */
export function versionOfFamily(family: number): IpVersion {
  if (family === AF_INET) return 4;
  if (family === AF_INET6) return 6;
  throw new Fault("unknownType", `address family ${family} is not of IP`);
}

export interface PrefixBytes {
  readonly family: number;
  readonly address: Uint8Array;
  readonly bits: number;
}

/** "10.0.1.4/24"; host bits may be set. Throws `Fault` (`invalid`). */
export function prefixBytes(text: string): PrefixBytes {
  const slash = text.indexOf("/");
  const address = text.slice(0, slash);
  const length = text.slice(slash + 1);
  if (slash < 0 || !isAddress(address) || !/^\d{1,3}$/.test(length)) {
    throw new Fault("invalid", `"${text.slice(0, 64)}" is not a prefix such as 10.0.1.0/24`);
  }
  const bytes = addressBytes(address);
  const bits = Number(length);
  if (bits > bytes.length * 8) throw new Fault("invalid", `${text} has no such length`);
  return { family: bytes.length === 4 ? AF_INET : AF_INET6, address: bytes, bits };
}

/** Text of address bytes of the kernel; `undefined` stays. Unlike elsewhere an IPv4-mapped address stays IPv6. */
export function addressIn(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  if (bytes.length !== 4 && bytes.length !== 16) throw new Fault("malformed", `an address of ${bytes.length} bytes`);
  const text = addressText(bytes);
  return bytes.length === 16 && !text.includes(":") ? `::ffff:${text}` : text;
}

/** Text of a prefix whose address is left out when it is all zeros. */
export function prefixIn(family: number, bytes: Uint8Array | undefined, bits: number): string {
  const version = versionOfFamily(family);
  const length = version === 4 ? 4 : 16;
  if (bits > length * 8) throw new Fault("malformed", `a prefix of ${bits} bits`);
  if (bytes !== undefined && bytes.length !== length) throw new Fault("malformed", "a prefix of another family");
  return `${addressIn(bytes ?? new Uint8Array(length))}/${bits}`;
}

const MAC = /^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$/;

/** Throws `Fault` (`invalid`) for anything that is not six pairs. */
export function macBytes(text: string): Uint8Array {
  if (!MAC.test(text)) throw new Fault("invalid", `"${text.slice(0, 64)}" is not a MAC address`);
  return Uint8Array.from(text.split(":"), (pair) => Number.parseInt(pair, 16));
}

/** `undefined` for what is missing, or of another kind of link than Ethernet. */
export function macIn(bytes: Uint8Array | undefined): string | undefined {
  if (bytes?.length !== 6) return undefined;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
