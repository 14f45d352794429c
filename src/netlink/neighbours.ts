/**
 * Neighbours: which MAC address an IP address has on a link; and forwarding rows: which node a MAC address is behind.
 *
 * Both live in one kind of message. Forwarding rows are those of the family AF_BRIDGE; a vxlan device keeps its own
 * ("self"), a bridge another table ("master") of which none is made here. Rows made here are permanent.
 * Source: net/core/neighbour.c, net/core/rtnetlink.c (`rtnl_fdb_*`) and drivers/net/vxlan/vxlan_core.c of Linux.
 */
import { addressBytes } from "../base/ip.ts";
import { noBytes } from "../wire/bytes.ts";
import { AF_BRIDGE, addressIn, familyNumber, familyOf, type IpVersion, macBytes, macIn } from "./addressing.ts";
import { attribute, be16Attribute, be16In, parseAttributes, u16In, u32Attribute, u32In } from "./attributes.ts";
import type { Message, Request } from "./message.ts";
import { dumpOf, type Manner, order, plainOrder, RTM } from "./route-types.ts";
import { neighbourHead, neighbourHeadIn, sizes } from "./structs.ts";

const NDA = {
  destination: 1,
  linkAddress: 2,
  vlan: 5,
  port: 6,
  vni: 7,
  interface: 8,
  master: 9,
} as const;

/** NUD_*: bits, of which one is set. */
const states = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const;
export type NeighbourState = keyof typeof states;

/** As bridge(8) says "permanent". */
const FORWARDING_STATE = states.permanent | states.noarp;

const NTF_SELF = 0x02;
const NTF_MASTER = 0x04;
const NTF_PROXY = 0x08;
const NTF_EXT_LEARNED = 0x10;

export interface Neighbour {
  /** Index of the link. */
  readonly link: number;
  readonly address: string;
  /** Missing while nobody has answered. */
  readonly mac: string | undefined;
  readonly state: NeighbourState | undefined;
  readonly proxy: boolean;
}

export interface PermanentNeighbour {
  readonly link: number;
  readonly address: string;
  readonly mac: string;
}

export function addNeighbour({ link, address, mac }: PermanentNeighbour, manner: Manner = "replace"): Request {
  const head = neighbourHead({ family: familyOf(address), index: link, state: states.permanent });
  return order(
    RTM.newNeighbour,
    manner,
    head,
    attribute(NDA.destination, addressBytes(address)),
    attribute(NDA.linkAddress, macBytes(mac)),
  );
}

/** Refused (`ENOENT`) when there is none. */
export function deleteNeighbour({ link, address }: Pick<PermanentNeighbour, "link" | "address">): Request {
  const head = neighbourHead({ family: familyOf(address), index: link, state: states.permanent });
  return plainOrder(RTM.deleteNeighbour, head, attribute(NDA.destination, addressBytes(address)));
}

/** All of one version of IP, or those of one link. */
export function listNeighbours(version: IpVersion, link?: number): Request {
  return dumpOf(RTM.getNeighbour, neighbourHead({ family: familyNumber(version) }), ofLink(link));
}

function ofLink(link: number | undefined): Uint8Array {
  return link === undefined ? noBytes : u32Attribute(NDA.interface, link);
}

/** `undefined` for rows that are not of IP or have no address. */
export function decodeNeighbour(message: Message): Neighbour | undefined {
  const { family, index, state, flags } = neighbourHeadIn(message.body);
  if (family === AF_BRIDGE) return undefined;
  const attributes = parseAttributes(message.body.subarray(sizes.neighbour));
  const address = addressIn(attributes.get(NDA.destination));
  if (address === undefined) return undefined;
  return {
    link: index,
    address,
    mac: macIn(attributes.get(NDA.linkAddress)),
    state: stateOf(state),
    proxy: (flags & NTF_PROXY) !== 0,
  };
}

function stateOf(bits: number): NeighbourState | undefined {
  return (Object.keys(states) as NeighbourState[]).find((name) => bits === states[name]);
}

/** What a vxlan device asks whoever listens (`l2miss`, `l3miss`): where is this address? One of the two is there. */
export interface Missing {
  readonly link: number;
  readonly address: string | undefined;
  readonly mac: string | undefined;
}

/** Of a report of the type of a question. Its family means nothing. */
export function decodeMissing(message: Message): Missing {
  const { index } = neighbourHeadIn(message.body);
  const attributes = parseAttributes(message.body.subarray(sizes.neighbour));
  return {
    link: index,
    address: addressIn(attributes.get(NDA.destination)),
    mac: macIn(attributes.get(NDA.linkAddress)),
  };
}

export interface Forwarding {
  /** Index of the link that the row belongs to: the vxlan device, or a port of a bridge. */
  readonly link: number;
  /** "00:00:00:00:00:00" stands for all that have no row, and for broadcasts. */
  readonly mac: string;
  /** The node behind which the MAC address is; `undefined` in tables of bridges. */
  readonly destination: string | undefined;
  /** Where they differ from those of the device. */
  readonly port: number | undefined;
  readonly vni: number | undefined;
  readonly vlan: number | undefined;
  readonly permanent: boolean;
  /** The table of the bridge, not of the device itself. */
  readonly ofBridge: boolean;
  /** Somebody else than the device put it there and keeps it (NTF_EXT_LEARNED). */
  readonly external: boolean;
}

export interface PermanentForwarding {
  readonly link: number;
  readonly mac: string;
  readonly destination: string;
  readonly port?: number;
  readonly vni?: number;
}

/**
 * "replace" is meant for one destination per MAC address: the row's is exchanged. "append" adds a destination, which
 * the kernel takes for group addresses and for 00:00:00:00:00:00 only.
 */
export function addForwarding(row: PermanentForwarding, manner: Manner | "append" = "replace"): Request {
  const head = neighbourHead({ family: AF_BRIDGE, index: row.link, state: FORWARDING_STATE, flags: NTF_SELF });
  const made = order(RTM.newNeighbour, manner === "append" ? "create" : manner, head, ...forwardingParts(row));
  return manner === "append" ? { ...made, flags: APPEND } : made;
}

/** NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND. */
const APPEND = 0x4 | 0x400 | 0x800;

export function deleteForwarding(row: PermanentForwarding): Request {
  const head = neighbourHead({ family: AF_BRIDGE, index: row.link, state: FORWARDING_STATE, flags: NTF_SELF });
  return plainOrder(RTM.deleteNeighbour, head, ...forwardingParts(row));
}

function forwardingParts({ mac, destination, port, vni }: PermanentForwarding): Uint8Array[] {
  const parts = [attribute(NDA.linkAddress, macBytes(mac)), attribute(NDA.destination, addressBytes(destination))];
  if (port !== undefined) parts.push(be16Attribute(NDA.port, port));
  if (vni !== undefined) parts.push(u32Attribute(NDA.vni, vni));
  return parts;
}

/** Rows of all links, or of one: those it keeps itself, and those its bridge keeps for it. */
export function listForwarding(link?: number): Request {
  return dumpOf(RTM.getNeighbour, neighbourHead({ family: AF_BRIDGE, index: link ?? 0 }));
}

/** `undefined` for messages about other things. */
export function decodeForwarding(message: Message): Forwarding | undefined {
  const { family, index, state, flags } = neighbourHeadIn(message.body);
  if (family !== AF_BRIDGE) return undefined;
  const attributes = parseAttributes(message.body.subarray(sizes.neighbour));
  const mac = macIn(attributes.get(NDA.linkAddress));
  if (mac === undefined) return undefined;
  return {
    link: index,
    mac,
    destination: addressIn(attributes.get(NDA.destination)),
    port: be16In(attributes.get(NDA.port)),
    vni: u32In(attributes.get(NDA.vni)),
    vlan: u16In(attributes.get(NDA.vlan)),
    permanent: (state & states.permanent) !== 0,
    ofBridge: (flags & NTF_MASTER) !== 0 || attributes.has(NDA.master),
    external: (flags & NTF_EXT_LEARNED) !== 0,
  };
}
