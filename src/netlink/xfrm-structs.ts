/**
 * The fixed parts of XFRM messages, byte for byte. Nothing here knows attributes or verbs.
 *
 * Numbers are in the byte order of the host (little endian on every machine that skep runs on), except ports and SPIs,
 * which are in network byte order. An address takes 16 bytes; IPv4 uses the first 4. Source: include/uapi/linux/xfrm.h.
 *
 * ```text
 * selector 56        association 224          policy 168             template 64         expire 232: association, hard
 *  0 destination      0 selector               0 selector             0 identity          polexpire 176: policy, hard
 * 16 source          56 identity              56 limits              24 family            acquire 280
 * 32 ports, masks    80 source                120 usage              28 source             0 identity
 * 40 family          96 limits                152 priority           44 request id        24 source
 * 42 prefix lengths  160 usage                156 index              48 mode, share,      40 selector
 * 44 protocol        192 refusals             160 direction, action, 50 optional          96 policy
 * 48 interface       204 seq, 208 reqid           flags, share       52 algorithms        264 algorithms, seq
 * 52 user            212 family, 214 mode,
 *                    215 window, 216 flags    identity 24: destination, 16 spi, 20 protocol
 *                                             association id 24: destination, 16 spi, 20 family, 22 protocol
 * limits 64: bytes, packets, age, use; each soft, hard     usage 32: bytes, packets, added, used
 * ```
 */
import { Fault } from "../base/fault.ts";
import { addressBytes, addressText } from "../base/ip.ts";
import type { Direction, Limits, Mode, Prefix, Selector, Template, Usage } from "./xfrm-values.ts";

export const sizes = {
  selector: 56,
  association: 224,
  associationId: 24,
  policy: 168,
  policyId: 64,
  template: 64,
  expire: 232,
  policyExpire: 176,
  acquire: 280,
  flush: 1,
} as const;

export const ESP = 50;
const AF_INET = 2;
const AF_INET6 = 10;
const ADDRESS_BYTES = 16;
/** "No limit" in bytes and packets; for times it is 0. */
const INFINITE = 0xffff_ffff_ffff_ffffn;
const LITTLE = true;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The view of a struct of at least `size` bytes. Throws `Fault` (`truncated`). */
export function structView(bytes: Uint8Array, size: number): DataView {
  if (bytes.length < size) throw new Fault("truncated", `an XFRM struct of ${bytes.length} bytes, not ${size}`);
  return viewOf(bytes);
}

export function familyOf(address: string): number {
  return address.includes(":") ? AF_INET6 : AF_INET;
}

export function putAddress(view: DataView, at: number, address: string): void {
  const bytes = addressBytes(address);
  for (const [index, byte] of bytes.entries()) view.setUint8(at + index, byte);
}

export function getAddress(view: DataView, at: number, family: number): string {
  if (family !== AF_INET && family !== AF_INET6) throw new Fault("malformed", `address family ${family} is not of IP`);
  const length = family === AF_INET ? 4 : ADDRESS_BYTES;
  return addressText(new Uint8Array(view.buffer, view.byteOffset + at, length));
}

export function putSelector(view: DataView, at: number, selector: Selector): void {
  const family = checkedFamily(selector);
  putAddress(view, at, selector.destination.address);
  putAddress(view, at + 16, selector.source.address);
  putPort(view, at + 32, selector.destinationPort);
  putPort(view, at + 36, selector.sourcePort);
  if (selector.sourcePortMask !== undefined) view.setUint16(at + 38, number(selector.sourcePortMask, 0xffff, "mask"));
  view.setUint16(at + 40, family, LITTLE);
  view.setUint8(at + 42, selector.destination.bits);
  view.setUint8(at + 43, selector.source.bits);
  view.setUint8(at + 44, number(selector.protocol, 0xff, "protocol"));
  view.setUint32(at + 48, selector.interfaceIndex, LITTLE);
}

function checkedFamily({ source, destination }: Selector): number {
  const family = familyOf(destination.address);
  if (familyOf(source.address) !== family) throw new Fault("invalid", "a selector mixes IPv4 and IPv6");
  for (const { bits } of [source, destination]) number(bits, family === AF_INET ? 32 : 128, "prefix length");
  return family;
}

/** A port in network byte order and its mask: all bits, or none for any port. */
function putPort(view: DataView, at: number, port: number): void {
  view.setUint16(at, number(port, 0xffff, "port"));
  view.setUint16(at + 2, port === 0 ? 0 : 0xffff);
}

export function getSelector(view: DataView, at: number): Selector {
  const family = view.getUint16(at + 40, LITTLE);
  const prefix = (place: number, bits: number): Prefix => ({
    address: getAddress(view, at + place, family),
    bits: view.getUint8(at + bits),
  });
  return {
    source: prefix(16, 43),
    destination: prefix(0, 42),
    protocol: view.getUint8(at + 44),
    sourcePort: view.getUint16(at + 36),
    ...partOfPort(view.getUint16(at + 38)),
    destinationPort: view.getUint16(at + 32),
    interfaceIndex: view.getUint32(at + 48, LITTLE),
  };
}

/** 0 is any port and 0xffff one; everything between is said. */
function partOfPort(mask: number): { readonly sourcePortMask?: number } {
  return mask === 0 || mask === 0xffff ? {} : { sourcePortMask: mask };
}

export function putLimits(view: DataView, at: number, limits: Limits): void {
  const amounts = [limits.softBytes, limits.hardBytes, limits.softPackets, limits.hardPackets];
  const times = [limits.softAgeSeconds, limits.hardAgeSeconds, limits.softUseSeconds, limits.hardUseSeconds];
  for (const [index, amount] of amounts.entries()) {
    if (amount < 0n || amount >= INFINITE) throw new Fault("invalid", "a limit is not between 0 and 2^64 - 2");
    view.setBigUint64(at + index * 8, amount === 0n ? INFINITE : amount, LITTLE);
  }
  for (const [index, seconds] of times.entries()) {
    view.setBigUint64(at + 32 + index * 8, BigInt(number(seconds, 0xffff_ffff, "limit in seconds")), LITTLE);
  }
}

export function getLimits(view: DataView, at: number): Limits {
  const amount = (index: number): bigint => {
    const value = view.getBigUint64(at + index * 8, LITTLE);
    return value === INFINITE ? 0n : value;
  };
  const seconds = (index: number): number => Number(view.getBigUint64(at + index * 8, LITTLE));
  return {
    softBytes: amount(0),
    hardBytes: amount(1),
    softPackets: amount(2),
    hardPackets: amount(3),
    softAgeSeconds: seconds(4),
    hardAgeSeconds: seconds(5),
    softUseSeconds: seconds(6),
    hardUseSeconds: seconds(7),
  };
}

export function getUsage(view: DataView, at: number): Usage {
  return {
    bytes: view.getBigUint64(at, LITTLE),
    packets: view.getBigUint64(at + 8, LITTLE),
    addedAtSeconds: Number(view.getBigUint64(at + 16, LITTLE)),
    usedAtSeconds: Number(view.getBigUint64(at + 24, LITTLE)),
  };
}

const modes: readonly Mode[] = ["transport", "tunnel"];
const directions: readonly Direction[] = ["in", "out", "forward"];

export function modeNumber(mode: Mode): number {
  return modes.indexOf(mode);
}

export function modeOf(value: number): Mode {
  return named(modes, value, "mode");
}

export function directionNumber(direction: Direction): number {
  return directions.indexOf(direction);
}

export function directionOf(value: number): Direction {
  return named(directions, value, "direction");
}

function named<Name>(names: readonly Name[], value: number, what: string): Name {
  const name = names[value];
  if (name === undefined) throw new Fault("unknownType", `XFRM ${what} ${value} is none that we use`);
  return name;
}

export function putTemplate(view: DataView, at: number, template: Template): void {
  putAddress(view, at, template.destination);
  view.setUint32(at + 16, template.spi);
  view.setUint8(at + 20, ESP);
  view.setUint16(at + 24, familyOf(template.destination), LITTLE);
  putAddress(view, at + 28, template.source);
  view.setUint32(at + 44, template.requestId, LITTLE);
  view.setUint8(at + 48, modeNumber(template.mode));
  view.setUint8(at + 50, template.optional ? 1 : 0);
  // Any algorithm: which one is used is the association's matter.
  for (const place of [52, 56, 60]) view.setUint32(at + place, 0xffff_ffff, LITTLE);
}

export function getTemplate(view: DataView, at: number): Template {
  const family = view.getUint16(at + 24, LITTLE);
  const protocol = view.getUint8(at + 20);
  if (protocol !== ESP) throw new Fault("unknownType", `a template of protocol ${protocol}, not ESP`);
  return {
    source: getAddress(view, at + 28, family),
    destination: getAddress(view, at, family),
    spi: view.getUint32(at + 16),
    requestId: view.getUint32(at + 44, LITTLE),
    mode: modeOf(view.getUint8(at + 48)),
    optional: view.getUint8(at + 50) !== 0,
  };
}

/** Identity of an association (`xfrm_id`), inside others. */
export function putIdentity(view: DataView, at: number, destination: string, spi: number): void {
  putAddress(view, at, destination);
  view.setUint32(at + 16, number(spi, 0xffff_ffff, "SPI"));
  view.setUint8(at + 20, ESP);
}

/** `value` if it is a whole number from 0 to `max`. Throws `Fault` (`invalid`). */
export function number(value: number, max: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new Fault("invalid", `${what} ${value} is not between 0 and ${max}`);
}
