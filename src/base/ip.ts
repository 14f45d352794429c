/**
 * IP addresses: as bytes on the wire (4 or 16), as canonical text for sockets and people.
 *
 * The wire keeps address bytes exactly as received, because memberlist peers compare them bytewise; only here, on the
 * way to a socket, a log line or a comparison of networks, does an IPv4-mapped IPv6 address become plain IPv4.
 * Text is RFC 5952 for IPv6 and four decimal parts for IPv4; the octal, hexadecimal and short forms of C's
 * `inet_aton` are refused. Knows nothing of names: see the resolver port.
 */
import ipaddr from "ipaddr.js";
import { Fault } from "./fault.ts";

/** An address and a port; the same shape as the endpoint port (`port/endpoint.ts`). */
interface AddressAndPort {
  readonly address: string;
  readonly port: number;
}

const MAPPED_PREFIX_BYTES = 12;
const MAPPED_PREFIX_BITS = 96;
const PORT_MAX = 65_535;

/** The 4 or 16 bytes of an address in text form; IPv4-mapped gives 4. Throws `Fault` (`invalid`) for anything else. */
export function addressBytes(text: string): Uint8Array {
  return plainAddressBytes(Uint8Array.from(parseAddress(text).toByteArray()));
}

/** Canonical text of 4 or 16 address bytes; IPv4-mapped becomes IPv4. Throws `Fault` (`invalid`) for other lengths. */
export function addressText(addr: Uint8Array): string {
  const plain = plainAddressBytes(addr);
  if (plain.length === 4) return `${plain[0]}.${plain[1]}.${plain[2]}.${plain[3]}`;
  if (plain.length !== 16) throw new Fault("invalid", `an IP address has 4 or 16 bytes, not ${plain.length}`);
  return new ipaddr.IPv6([...plain]).toRFC5952String();
}

/** Where a socket would send to reach `addr`, any port from 0 to 65535. */
export function endpointOf(addr: Uint8Array, port: number): AddressAndPort {
  return { address: addressText(addr), port };
}

/** The 4 bytes inside an IPv4-mapped address; anything else as it is. */
export function plainAddressBytes(addr: Uint8Array): Uint8Array {
  return isMapped(addr) ? addr.subarray(MAPPED_PREFIX_BYTES) : addr;
}

/** Is this text an IP address (and not a name)? */
export function isAddress(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || isIpv6(text);
}

/** The address in canonical text: "::FFFF:10.0.0.1" gives "10.0.0.1". A zone ("%eth0") stays. Throws like `addressBytes`. */
export function canonicalAddress(text: string): string {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text;
  const zone = text.indexOf("%");
  return addressText(addressBytes(text)) + (zone < 0 ? "" : text.slice(zone));
}

/** "10.0.0.1:7946" or "[::1]:7946". */
export function formatEndpoint({ address, port }: AddressAndPort): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The reverse of `formatEndpoint`, where the port may be missing. Throws `Fault` (`invalid`) for names and nonsense. */
export function parseEndpoint(text: string, defaultPort: number): AddressAndPort {
  if (isAddress(text)) return { address: canonicalAddress(text), port: defaultPort };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? "";
  const value = port === undefined ? defaultPort : Number(port);
  if (!isAddress(address) || (bracketed !== undefined) !== address.includes(":") || value > PORT_MAX) {
    throw new Fault("invalid", `"${text}" is not an address such as 10.0.0.1, 10.0.0.1:7946 or [::1]:7946`);
  }
  return { address: canonicalAddress(address), port: value };
}

/** Are these the same socket? Both addresses must be canonical, as endpoints always are. */
export function sameEndpoint(one: AddressAndPort, other: AddressAndPort): boolean {
  return one.port === other.port && one.address === other.address;
}

/** Is this the address that stands for all addresses of the host (0.0.0.0, ::)? */
export function isUnspecified(text: string): boolean {
  return addressBytes(text).every((byte) => byte === 0);
}

/**
 * May others in the cluster be told this address without asking the user: private (RFC 1918, RFC 4193) or carrier-grade
 * NAT (RFC 6598), not loopback, not link-local? Source: memberlist `net_transport.go`, which asks RFC 6890's list.
 */
export function isPrivate(text: string): boolean {
  const range = parseAddress(text).range();
  return range === "private" || range === "carrierGradeNat" || range === "uniqueLocal";
}

/** Does an address belong to one of the networks? Addresses that are no addresses belong to none. */
export type NetworkMatch = (address: string | Uint8Array) => boolean;

/** A matcher for networks in CIDR notation; `undefined` allows everything. Throws `Fault` (`invalid`) naming the network. */
export function networkMatch(networks: readonly string[] | undefined): NetworkMatch {
  if (networks === undefined) return () => true;
  const parsed = networks.map(parseNetwork);
  return (address) => {
    const bytes = bytesOrNothing(address);
    return bytes !== undefined && parsed.some((network) => contains(network, bytes));
  };
}

interface Network {
  readonly base: Uint8Array;
  readonly prefixBits: number;
}

function parseNetwork(text: string): Network {
  try {
    const [base, prefixBits] = ipaddr.parseCIDR(text);
    const bytes = Uint8Array.from(base.toByteArray());
    if (!isMapped(bytes) || prefixBits < MAPPED_PREFIX_BITS) return { base: bytes, prefixBits };
    return { base: plainAddressBytes(bytes), prefixBits: prefixBits - MAPPED_PREFIX_BITS };
  } catch (error) {
    throw new Fault("invalid", `"${text}" is not a network such as 10.0.0.0/8 or fd00::/8`, error);
  }
}

function contains({ base, prefixBits }: Network, address: Uint8Array): boolean {
  if (address.length !== base.length) return false;
  const wholeBytes = prefixBits >> 3;
  for (let at = 0; at < wholeBytes; at++) if (address[at] !== base[at]) return false;
  const restBits = prefixBits & 7;
  if (restBits === 0) return true;
  return ((address[wholeBytes] ?? 0) ^ (base[wholeBytes] ?? 0)) >> (8 - restBits) === 0;
}

function bytesOrNothing(address: string | Uint8Array): Uint8Array | undefined {
  if (typeof address !== "string") return plainAddressBytes(address);
  return isAddress(address) ? addressBytes(address) : undefined;
}

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (isIpv6(text)) return ipaddr.IPv6.parse(text);
  throw new Fault("invalid", `"${text}" is not an IP address`);
}

/** A zone belongs to IPv6 only: "::ffff:10.0.0.1%eth0" is neither the one nor the other. */
function isIpv6(text: string): boolean {
  if (!ipaddr.IPv6.isValid(text)) return false;
  return !text.includes("%") || !ipaddr.IPv6.parse(text).isIPv4MappedAddress();
}

function isMapped(addr: Uint8Array): boolean {
  if (addr.length !== 16) return false;
  for (let at = 0; at < 10; at++) if (addr[at] !== 0) return false;
  return addr[10] === 0xff && addr[11] === 0xff;
}
