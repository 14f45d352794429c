/**
 * Routes, and the rules that choose among tables of them. Source: include/uapi/linux/rtnetlink.h and fib_rules.h,
 * net/ipv4/fib_frontend.c, net/ipv6/route.c and net/core/fib_rules.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { addressBytes } from "../base/ip.ts";
import {
  addressIn,
  familyNumber,
  familyOf,
  type IpVersion,
  prefixBytes,
  prefixIn,
  versionOfFamily,
} from "./addressing.ts";
import { attribute, nested, nestedIn, parseAttributes, u32Attribute, u32In } from "./attributes.ts";
import type { Message, Request } from "./message.ts";
import { dumpOf, type Manner, order, plainOrder, question, RTM } from "./route-types.ts";
import { routeHead, routeHeadIn, sizes } from "./structs.ts";

const RTA = {
  destination: 1,
  interface: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  mark: 16,
} as const;
const RTAX_MTU = 2;

/** RTN_*. */
const types = { unicast: 1, local: 2, broadcast: 3, multicast: 5, blackhole: 6, unreachable: 7, prohibit: 8 } as const;
export type RouteType = keyof typeof types;

export const MAIN_TABLE = 254;
/** RTPROT_*: who made a route. */
export const PROTOCOL_KERNEL = 2;
export const PROTOCOL_STATIC = 4;
/** RTM_F_CLONED: not in a table, but what a question found, or learned on the way. */
const CLONED = 0x200;
/** IPv6 names the table without being asked, and refuses to be. */
const RTM_F_LOOKUP_TABLE = 0x1000;
const SCOPE_LINK = 253;
/** Any, in orders to delete. */
const SCOPE_NOWHERE = 255;
const TABLE_IN_HEAD_MAX = 255;

export interface NewRoute {
  /** "0.0.0.0/0" and "::/0" are the default routes. Host bits must be zero. */
  readonly destination: string;
  readonly gateway?: string;
  /** Index of the link. */
  readonly link?: number;
  /** The address that this node speaks from. */
  readonly preferredSource?: string;
  /** 1..2^32-1; 254 is the main table. */
  readonly table?: number;
  /** The smallest wins. IPv6 takes 1024 for none. */
  readonly priority?: number;
  readonly mtu?: number;
  /** Who made it; 4 is "static". */
  readonly protocol?: number;
  readonly type?: RouteType;
}

export interface Route {
  readonly destination: string;
  readonly gateway: string | undefined;
  /** 0: none. */
  readonly link: number;
  readonly preferredSource: string | undefined;
  readonly table: number;
  readonly priority: number;
  readonly mtu: number | undefined;
  readonly protocol: number;
  /** `undefined` for types that have no name here. */
  readonly type: RouteType | undefined;
  /** It has several ways, which are not told apart here. */
  readonly multipath: boolean;
  /** No row of a table: the answer to a question, or an exception learned on the way. */
  readonly cloned: boolean;
}

export function addRoute(wanted: NewRoute, manner: Manner = "replace"): Request {
  const { protocol = PROTOCOL_STATIC, type = "unicast" } = wanted;
  // How far its destinations are: on the link when there is no gateway.
  const scope = wanted.gateway === undefined && type === "unicast" ? SCOPE_LINK : 0;
  return order(RTM.newRoute, manner, ...routeParts(wanted, { protocol, type: types[type], scope }));
}

/** What is left out fits any route. Refused (`ESRCH`) when none fits. */
export function deleteRoute(wanted: NewRoute): Request {
  const type = wanted.type === undefined ? 0 : types[wanted.type];
  return plainOrder(
    RTM.deleteRoute,
    ...routeParts(wanted, { protocol: wanted.protocol ?? 0, type, scope: SCOPE_NOWHERE }),
  );
}

function routeParts(wanted: NewRoute, kind: { protocol: number; type: number; scope: number }): Uint8Array[] {
  const { family, address, bits } = prefixBytes(wanted.destination);
  const { table = MAIN_TABLE } = wanted;
  const far = table > TABLE_IN_HEAD_MAX;
  const parts = [routeHead({ family, destinationBits: bits, table: far ? 0 : table, ...kind })];
  if (bits > 0) parts.push(attribute(RTA.destination, address));
  if (wanted.gateway !== undefined) parts.push(attribute(RTA.gateway, sameFamily(wanted.gateway, family)));
  if (wanted.link !== undefined) parts.push(u32Attribute(RTA.interface, wanted.link));
  if (wanted.preferredSource !== undefined) {
    parts.push(attribute(RTA.preferredSource, sameFamily(wanted.preferredSource, family)));
  }
  if (far) parts.push(u32Attribute(RTA.table, table));
  if (wanted.priority !== undefined) parts.push(u32Attribute(RTA.priority, wanted.priority));
  if (wanted.mtu !== undefined) parts.push(nested(RTA.metrics, u32Attribute(RTAX_MTU, wanted.mtu)));
  return parts;
}

function sameFamily(address: string, family: number): Uint8Array {
  if (familyOf(address) !== family) throw new Fault("invalid", `a route of another family than ${address}`);
  return addressBytes(address);
}

/** All tables of one version of IP, or one table. */
export function listRoutes(version: IpVersion, table?: number): Request {
  const parts = [routeHead({ family: familyNumber(version) })];
  if (table !== undefined) parts.push(u32Attribute(RTA.table, table));
  return dumpOf(RTM.getRoute, ...parts);
}

/** Which way would a packet go? Refused (`ENETUNREACH`, `EHOSTUNREACH`) where there is none. */
export function routeTo(destination: string, how: { readonly mark?: number; readonly link?: number } = {}): Request {
  const bytes = addressBytes(destination);
  const flags = bytes.length === 4 ? RTM_F_LOOKUP_TABLE : 0;
  const head = routeHead({ family: familyOf(destination), destinationBits: bytes.length * 8, flags });
  const parts = [head, attribute(RTA.destination, bytes)];
  if (how.link !== undefined) parts.push(u32Attribute(RTA.interface, how.link));
  if (how.mark !== undefined) parts.push(u32Attribute(RTA.mark, how.mark));
  return question(RTM.getRoute, ...parts);
}

/** Throws `Fault` (`unknownType`) for routes that are not of IP. */
export function decodeRoute(message: Message): Route {
  const head = routeHeadIn(message.body);
  const attributes = parseAttributes(message.body.subarray(sizes.route));
  versionOfFamily(head.family);
  return {
    destination: prefixIn(head.family, attributes.get(RTA.destination), head.destinationBits),
    gateway: addressIn(attributes.get(RTA.gateway)),
    link: u32In(attributes.get(RTA.interface)) ?? 0,
    preferredSource: addressIn(attributes.get(RTA.preferredSource)),
    table: u32In(attributes.get(RTA.table)) ?? head.table,
    priority: u32In(attributes.get(RTA.priority)) ?? 0,
    mtu: u32In(nestedIn(attributes.get(RTA.metrics)).get(RTAX_MTU)),
    protocol: head.protocol,
    type: (Object.keys(types) as RouteType[]).find((name) => types[name] === head.type),
    multipath: attributes.has(RTA.multipath),
    cloned: (head.flags & CLONED) !== 0,
  };
}
