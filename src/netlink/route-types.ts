/** Types of rtnetlink's messages, and the groups by which changes are reported. Source: include/uapi/linux/rtnetlink.h. */
import { concatBytes } from "../wire/bytes.ts";
import { NLM, type Request } from "./message.ts";

export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  deleteNeighbour: 29,
  getNeighbour: 30,
  newRule: 32,
  deleteRule: 33,
  getRule: 34,
  newNamespaceId: 88,
  getNamespaceId: 90,
} as const;

/** RTNLGRP_*: numbers of groups, not bits. */
export const routeGroups = {
  links: 1,
  neighbours: 3,
  addresses4: 5,
  routes4: 7,
  rules4: 8,
  addresses6: 9,
  routes6: 11,
  rules6: 19,
} as const;

/** What an order does when the thing is there, or is not. */
export type Manner =
  /** It must not be there. */
  | "create"
  /** There or not: afterwards it is as ordered. */
  | "replace"
  /** It must be there. */
  | "change";

const mannerFlags: Readonly<Record<Manner, number>> = {
  create: NLM.create | NLM.excl,
  replace: NLM.create | NLM.replace,
  change: NLM.replace,
};

export function order(type: number, manner: Manner, ...parts: readonly Uint8Array[]): Request {
  return { type, flags: NLM.ack | mannerFlags[manner], body: concatBytes(...parts) };
}

/** An order without a manner: to delete, or to change what is there. */
export function plainOrder(type: number, ...parts: readonly Uint8Array[]): Request {
  return { type, flags: NLM.ack, body: concatBytes(...parts) };
}

/** A question about one thing. */
export function question(type: number, ...parts: readonly Uint8Array[]): Request {
  return { type, flags: 0, body: concatBytes(...parts) };
}

/** A question about all rows of a table, or those that the parts select. */
export function dumpOf(type: number, ...parts: readonly Uint8Array[]): Request {
  return { type, flags: NLM.dump, body: concatBytes(...parts) };
}
