/**
 * Rules in words: each function gives the expressions of one condition or action, to be put behind each other.
 *
 * All work in an `inet` table. Register 1 is free before and after each. Source of the offsets: RFC 768 (UDP), RFC 7348
 * (VXLAN), RFC 791 and RFC 8200 (addresses).
 */
import { assert } from "../base/assert.ts";
import { addressBytes } from "../base/ip.ts";
import type { Expression, MetaKey, Register } from "./nft-values.ts";

const UDP = 17;
const IPV4 = 2;
const IPV6 = 10;
const DESTINATION_PORT = { offset: 2, bytes: 2 } as const;
/** Behind the UDP header of 8 bytes: flags and 3 bytes, then the network identifier. */
export const VNI_FIELD = { offset: 12, bytes: 3 } as const;
const SOURCE_ADDRESS = { 4: { offset: 12, bytes: 4 }, 6: { offset: 8, bytes: 16 } } as const;
const INTERFACE_NAME_BYTES = 16;
const FIRST: Register = 1;
/** The second 4 bytes of the first register. */
const SECOND_PART: Register = 9;

/** UDP to this port: `udp dport PORT`. */
export function udpTo(port: number): Expression[] {
  return [
    { kind: "meta", key: "transportProtocol", register: FIRST },
    equal(Uint8Array.of(UDP)),
    { kind: "payload", base: "transport", ...DESTINATION_PORT, register: FIRST },
    equal(Uint8Array.of(port >> 8, port & 0xff)),
  ];
}

/** The 3 bytes of a VXLAN network identifier, as sets hold them. */
export function vniBytes(vni: number): Uint8Array {
  assert(Number.isInteger(vni) && vni >= 0 && vni < 1 << 24, "a VNI has 24 bits");
  return Uint8Array.of(vni >> 16, (vni >> 8) & 0xff, vni & 0xff);
}

/** VXLAN of a network in the set: `@th,96,24 @SET`. Only behind `udpTo`: other packets have other things there. */
export function vniIn(set: string): Expression[] {
  return [
    { kind: "payload", base: "transport", ...VNI_FIELD, register: FIRST },
    { kind: "lookup", set, register: FIRST, not: false },
  ];
}

/** VXLAN of one network: `@th,96,24 VNI`. */
export function vniIs(vni: number): Expression[] {
  return [{ kind: "payload", base: "transport", ...VNI_FIELD, register: FIRST }, equal(vniBytes(vni))];
}

/** The outer source of VXLAN is (or, with `not`, is not) in a set of networks and addresses: `@th,96,24 . ip saddr @SET`. */
export function vniAndSourceIn(set: string, family: 4 | 6, not: boolean): Expression[] {
  return [
    ...familyIs(family),
    { kind: "payload", base: "transport", ...VNI_FIELD, register: FIRST },
    { kind: "payload", base: "network", ...SOURCE_ADDRESS[family], register: SECOND_PART },
    { kind: "lookup", set, register: FIRST, not },
  ];
}

/** An element of such a set: each part is padded to 4 bytes. */
export function vniAndSourceBytes(vni: number, source: string): Uint8Array {
  return Uint8Array.of(...vniBytes(vni), 0, ...addressBytes(source));
}

/** Packets of IPv4 or IPv6: `meta nfproto ipv4`. */
export function familyIs(family: 4 | 6): Expression[] {
  return [{ kind: "meta", key: "networkProtocol", register: FIRST }, equal(Uint8Array.of(family === 4 ? IPV4 : IPV6))];
}

/** Packets that did not come out of IPsec: `meta secpath missing`. */
export function cameInClear(): Expression[] {
  return [{ kind: "meta", key: "secpath", register: FIRST }, equal(Uint8Array.of(0))];
}

/** Packets whose route does not lead into IPsec: `rt ipsec missing`. Only where there is a route: output, forward, postrouting. */
export function leavesInClear(): Expression[] {
  return [{ kind: "routeIpsec", register: FIRST }, equal(Uint8Array.of(0))];
}

/** Packets that an association with this request id transformed: `ipsec in reqid ID`. */
export function cameByRequestId(requestId: number): Expression[] {
  return [
    { kind: "ipsec", key: "requestId", direction: "in", level: 0, register: FIRST },
    equal(hostNumber(requestId)),
  ];
}

/** Packets that did come out of IPsec, but not by an association with this request id: `ipsec in reqid != ID`. */
export function cameByOtherRequestId(requestId: number): Expression[] {
  return [
    { kind: "ipsec", key: "requestId", direction: "in", level: 0, register: FIRST },
    { kind: "compare", operator: "!=", register: FIRST, value: hostNumber(requestId) },
  ];
}

/** Packets that an association with this SPI transformed: `ipsec in spi SPI`. */
export function cameBySpi(spi: number): Expression[] {
  return [{ kind: "ipsec", key: "spi", direction: "in", level: 0, register: FIRST }, equal(networkNumber(spi))];
}

/** `meta mark & MASK == VALUE`. */
export function markIs(value: number, mask: number): Expression[] {
  return [{ kind: "meta", key: "mark", register: FIRST }, ...masked(mask, 0), equal(hostNumber(value))];
}

/** Set the bits of `mask` in the packet's mark and leave the others to whom they belong. */
export function setMark(value: number, mask: number): Expression[] {
  const change: Expression = { kind: "metaSet", key: "mark", register: FIRST };
  if (mask === 0xffff_ffff) return [{ kind: "immediate", register: FIRST, value: hostNumber(value) }, change];
  return [{ kind: "meta", key: "mark", register: FIRST }, ...masked(~mask, value & mask), change];
}

/** `iifname NAME` or `oifname NAME`. */
export function interfaceIs(side: "in" | "out", name: string): Expression[] {
  const key: MetaKey = side === "in" ? "inInterface" : "outInterface";
  assert(name.length < INTERFACE_NAME_BYTES, "the name of an interface has at most 15 letters");
  const value = new Uint8Array(INTERFACE_NAME_BYTES);
  for (const [at, letter] of [...name].entries()) value[at] = letter.charCodeAt(0);
  return [{ kind: "meta", key, register: FIRST }, equal(value)];
}

export const count: Expression = { kind: "counter", packets: 0n, bytes: 0n };
export const accept: Expression = { kind: "verdict", verdict: "accept" };
export const drop: Expression = { kind: "verdict", verdict: "drop" };

function equal(value: Uint8Array): Expression {
  return { kind: "compare", operator: "==", register: FIRST, value };
}

function masked(mask: number, xor: number): Expression[] {
  if (mask >>> 0 === 0xffff_ffff && xor === 0) return [];
  return [{ kind: "bitwise", source: FIRST, target: FIRST, mask: hostNumber(mask), xor: hostNumber(xor) }];
}

function hostNumber(value: number): Uint8Array {
  return numberBytes(value, true);
}

function networkNumber(value: number): Uint8Array {
  return numberBytes(value, false);
}

function numberBytes(value: number, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, littleEndian);
  return bytes;
}
