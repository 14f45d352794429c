/**
 * The fixed parts in front of the attributes of rtnetlink's messages, byte for byte.
 *
 * ```text
 * ifinfomsg 16: links     ifaddrmsg 8: addresses   rtmsg 12: routes          ndmsg 12: neighbours    fib_rule_hdr 12
 *  0 family u8             0 family u8              0 family u8               0 family u8              0 family u8
 *  1 -                     1 prefix length u8       1 destination bits u8     1 - (3 bytes)            1 destination bits u8
 *  2 hardware type u16     2 flags u8               2 source bits u8          4 interface i32          2 source bits u8
 *  4 interface i32         3 scope u8               3 tos u8                  8 state u16              3 tos u8
 *  8 flags u32             4 interface u32          4 table u8               10 flags u8               4 table u8
 * 12 flags to change u32                            5 protocol u8            11 type u8                5 - (2 bytes)
 *                                                   6 scope u8                                         7 action u8
 *                                                   7 type u8                                          8 flags u32
 *                                                   8 flags u32
 * ```
 *
 * Numbers are in the byte order of the host. Source: include/uapi/linux/rtnetlink.h, if_addr.h, neighbour.h and
 * fib_rules.h of Linux.
 */
import { Fault } from "../base/fault.ts";

export const sizes = { link: 16, address: 8, route: 12, neighbour: 12, rule: 12 } as const;

const LITTLE = true;

export interface LinkHead {
  readonly family: number;
  readonly index: number;
  readonly flags: number;
  /** Which of the flags to change; only in orders. */
  readonly change: number;
}

export function linkHead({ family = 0, index = 0, flags = 0, change = 0 }: Partial<LinkHead>): Uint8Array {
  const view = emptyHead(sizes.link, family);
  view.setInt32(4, interfaceIndex(index), LITTLE);
  view.setUint32(8, flags, LITTLE);
  view.setUint32(12, change, LITTLE);
  return bytesOf(view);
}

export function linkHeadIn(body: Uint8Array): LinkHead {
  const view = headView(body, sizes.link);
  return {
    family: view.getUint8(0),
    index: view.getInt32(4, LITTLE),
    flags: view.getUint32(8, LITTLE),
    change: view.getUint32(12, LITTLE),
  };
}

export interface AddressHead {
  readonly family: number;
  readonly bits: number;
  readonly flags: number;
  readonly scope: number;
  readonly index: number;
}

export function addressHead({
  family = 0,
  bits = 0,
  flags = 0,
  scope = 0,
  index = 0,
}: Partial<AddressHead>): Uint8Array {
  const view = emptyHead(sizes.address, family);
  view.setUint8(1, bits);
  view.setUint8(2, flags);
  view.setUint8(3, scope);
  view.setUint32(4, interfaceIndex(index), LITTLE);
  return bytesOf(view);
}

export function addressHeadIn(body: Uint8Array): AddressHead {
  const view = headView(body, sizes.address);
  return {
    family: view.getUint8(0),
    bits: view.getUint8(1),
    flags: view.getUint8(2),
    scope: view.getUint8(3),
    index: view.getUint32(4, LITTLE),
  };
}

export interface RouteHead {
  readonly family: number;
  readonly destinationBits: number;
  readonly sourceBits: number;
  /** The first 256 tables; others are in an attribute. */
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: number;
  readonly flags: number;
}

export function routeHead(head: Partial<RouteHead>): Uint8Array {
  const view = emptyHead(sizes.route, head.family ?? 0);
  view.setUint8(1, head.destinationBits ?? 0);
  view.setUint8(2, head.sourceBits ?? 0);
  view.setUint8(4, head.table ?? 0);
  view.setUint8(5, head.protocol ?? 0);
  view.setUint8(6, head.scope ?? 0);
  view.setUint8(7, head.type ?? 0);
  view.setUint32(8, head.flags ?? 0, LITTLE);
  return bytesOf(view);
}

export function routeHeadIn(body: Uint8Array): RouteHead {
  const view = headView(body, sizes.route);
  return {
    family: view.getUint8(0),
    destinationBits: view.getUint8(1),
    sourceBits: view.getUint8(2),
    table: view.getUint8(4),
    protocol: view.getUint8(5),
    scope: view.getUint8(6),
    type: view.getUint8(7),
    flags: view.getUint32(8, LITTLE),
  };
}

export interface NeighbourHead {
  readonly family: number;
  readonly index: number;
  readonly state: number;
  readonly flags: number;
  readonly type: number;
}

export function neighbourHead({ family = 0, index = 0, state = 0, flags = 0 }: Partial<NeighbourHead>): Uint8Array {
  const view = emptyHead(sizes.neighbour, family);
  view.setInt32(4, interfaceIndex(index), LITTLE);
  view.setUint16(8, state, LITTLE);
  view.setUint8(10, flags);
  return bytesOf(view);
}

export function neighbourHeadIn(body: Uint8Array): NeighbourHead {
  const view = headView(body, sizes.neighbour);
  return {
    family: view.getUint8(0),
    index: view.getInt32(4, LITTLE),
    state: view.getUint16(8, LITTLE),
    flags: view.getUint8(10),
    type: view.getUint8(11),
  };
}

export interface RuleHead {
  readonly family: number;
  readonly destinationBits: number;
  readonly sourceBits: number;
  readonly table: number;
  readonly action: number;
  readonly flags: number;
}

export function ruleHead(head: Partial<RuleHead>): Uint8Array {
  const view = emptyHead(sizes.rule, head.family ?? 0);
  view.setUint8(1, head.destinationBits ?? 0);
  view.setUint8(2, head.sourceBits ?? 0);
  view.setUint8(4, head.table ?? 0);
  view.setUint8(7, head.action ?? 0);
  view.setUint32(8, head.flags ?? 0, LITTLE);
  return bytesOf(view);
}

export function ruleHeadIn(body: Uint8Array): RuleHead {
  const view = headView(body, sizes.rule);
  return {
    family: view.getUint8(0),
    destinationBits: view.getUint8(1),
    sourceBits: view.getUint8(2),
    table: view.getUint8(4),
    action: view.getUint8(7),
    flags: view.getUint32(8, LITTLE),
  };
}

function emptyHead(size: number, family: number): DataView {
  const view = new DataView(new ArrayBuffer(size));
  view.setUint8(0, family);
  return view;
}

function headView(body: Uint8Array, size: number): DataView {
  if (body.length < size) throw new Fault("truncated", `a struct of ${body.length} bytes, not ${size}`);
  return new DataView(body.buffer, body.byteOffset, body.byteLength);
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}

function interfaceIndex(index: number): number {
  if (Number.isInteger(index) && index >= 0 && index <= 0x7fff_ffff) return index;
  throw new Fault("invalid", `${index} is not the index of an interface`);
}
