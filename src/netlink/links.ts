/**
 * Links: network interfaces, real and made, with what is special about each kind.
 *
 * A link is known by its index, which stays when it is renamed and may change when it moves to another namespace; an
 * order that goes to a name is meant for the moment before the index is known. Orders reach links of the namespace that
 * the socket is in. A vxlan device that is made with a `namespace` is born there, while its UDP socket stays here.
 * Source: include/uapi/linux/if_link.h and net/core/rtnetlink.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { utf8Bytes, utf8Length } from "../wire/utf8.ts";
import { macBytes, macIn } from "./addressing.ts";
import {
  type Attributes,
  attribute,
  i32In,
  nested,
  nestedIn,
  parseAttributes,
  textAttribute,
  textIn,
  u32Attribute,
  u32In,
} from "./attributes.ts";
import { type BridgeOptions, bridgeIn, bridgeParts, type PortOptions, portIn, portParts } from "./link-bridge.ts";
import { type VxlanOptions, vxlanIn, vxlanParts } from "./link-vxlan.ts";
import type { Message, Request } from "./message.ts";
import { dumpOf, order, plainOrder, question, RTM } from "./route-types.ts";
import { linkHead, linkHeadIn, sizes } from "./structs.ts";

const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  namespacePid: 19,
  alias: 20,
  namespaceDescriptor: 28,
  extensions: 29,
  linkNamespaceId: 37,
} as const;
const IFLA_INFO = { kind: 1, data: 2, portKind: 4, portData: 5 } as const;
const VETH_PEER = 1;

const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x1_0000;
/** RTEXT_FILTER_SKIP_STATS: without counters a dump is half as large. */
const SKIP_STATISTICS = 0x8;
/** IFNAMSIZ without the zero byte at the end. */
const NAME_BYTES_MAX = 15;

/** How a link leaves this namespace: an open file of the other one, or a process in it. */
export type Destination = { readonly descriptor: number } | { readonly pid: number };

export interface VethOptions {
  readonly kind: "veth";
  /** It is down at first: the kernel lets neither end come up before there are two. */
  readonly peer: {
    readonly name: string;
    readonly mac?: string;
    readonly mtu?: number;
    /** Without it the peer is in the namespace of the link itself. */
    readonly namespace?: Destination;
  };
}

export type NewLinkOptions = BridgeOptions | VxlanOptions | VethOptions | { readonly kind: "dummy" };

/** What can be said of a link of any kind; what is left out stays as it is. */
export interface LinkChanges {
  readonly name?: string;
  readonly mtu?: number;
  readonly mac?: string;
  readonly up?: boolean;
  /** Index of the bridge that this link becomes a port of; 0: of none. */
  readonly master?: number;
  readonly alias?: string;
  readonly namespace?: Destination;
}

export interface NewLink extends LinkChanges {
  readonly name: string;
  readonly options: NewLinkOptions;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** Somebody wants it to work. */
  readonly up: boolean;
  /** It could carry frames. */
  readonly carrier: boolean;
  readonly mtu: number;
  readonly mac: string | undefined;
  /** Index of its bridge; 0: none. */
  readonly master: number;
  /** Index of the link it belongs to: the other end of a veth, what a vxlan leaves by; 0: none. */
  readonly partner: number;
  /** The kernel's number for the namespace of the partner; `undefined`: the same. */
  readonly partnerNamespaceId: number | undefined;
  readonly alias: string | undefined;
  /** "" for real interfaces and `lo`. */
  readonly kind: string;
  readonly bridge: BridgeOptions | undefined;
  readonly vxlan: VxlanOptions | undefined;
  /** If it is a port of a bridge. */
  readonly port: PortOptions | undefined;
}

/**
 * Refused (`EEXIST`) when the name is taken. A bridge forgets the MTU it was born with as soon as it has ports, and takes
 * the smallest of theirs; it keeps one that is given later, by `changeLink`.
 */
export function addLink(wanted: NewLink): Request {
  const { options } = wanted;
  const data = dataParts(options);
  return order(
    RTM.newLink,
    "create",
    linkHead(upFlags(wanted.up)),
    ...changeParts(wanted),
    nested(
      IFLA.linkInfo,
      textAttribute(IFLA_INFO.kind, options.kind),
      ...(data.length === 0 ? [] : [nested(IFLA_INFO.data, ...data)]),
    ),
  );
}

function dataParts(options: NewLinkOptions): Uint8Array[] {
  if (options.kind === "bridge") return bridgeParts(options);
  if (options.kind === "vxlan") return vxlanParts(options);
  if (options.kind === "dummy") return [];
  const { peer } = options;
  return [nested(VETH_PEER, linkHead({}), ...changeParts(peer))];
}

export function changeLink(index: number, changes: LinkChanges): Request {
  return plainOrder(RTM.newLink, linkHead({ index, ...upFlags(changes.up) }), ...changeParts(changes));
}

/** Change what is special about its kind; the kernel refuses what cannot be changed (`EOPNOTSUPP`). */
export function changeLinkOptions(index: number, options: BridgeOptions | VxlanOptions): Request {
  const data = nested(IFLA_INFO.data, ...dataParts(options));
  const info = nested(IFLA.linkInfo, textAttribute(IFLA_INFO.kind, options.kind), data);
  return plainOrder(RTM.newLink, linkHead({ index }), info);
}

/** Of a link that is a port of a bridge already. */
export function changePort(index: number, options: PortOptions): Request {
  const data = nested(IFLA_INFO.portData, ...portParts(options));
  const info = nested(IFLA.linkInfo, textAttribute(IFLA_INFO.portKind, "bridge"), data);
  return plainOrder(RTM.newLink, linkHead({ index }), info);
}

/** A veth takes its other end along. */
export function deleteLink(link: number | string): Request {
  return plainOrder(RTM.deleteLink, ...subject(link));
}

/** Refused (`ENODEV`) when there is none. */
export function getLink(link: number | string): Request {
  return question(RTM.getLink, ...subject(link), u32Attribute(IFLA.extensions, SKIP_STATISTICS));
}

/** All, or the ports of a bridge. */
export function listLinks(master?: number): Request {
  const parts = [linkHead({}), u32Attribute(IFLA.extensions, SKIP_STATISTICS)];
  if (master !== undefined) parts.push(u32Attribute(IFLA.master, master));
  return dumpOf(RTM.getLink, ...parts);
}

function subject(link: number | string): Uint8Array[] {
  return typeof link === "number" ? [linkHead({ index: link })] : [linkHead({}), nameAttribute(link)];
}

function upFlags(up: boolean | undefined): { flags: number; change: number } {
  return { flags: up === true ? IFF_UP : 0, change: up === undefined ? 0 : IFF_UP };
}

function changeParts(changes: LinkChanges): Uint8Array[] {
  const { name, mtu, mac, master, alias, namespace } = changes;
  const parts: Uint8Array[] = [];
  if (name !== undefined) parts.push(nameAttribute(name));
  if (mtu !== undefined) parts.push(u32Attribute(IFLA.mtu, mtu));
  if (mac !== undefined) parts.push(attribute(IFLA.address, macBytes(mac)));
  if (master !== undefined) parts.push(u32Attribute(IFLA.master, master));
  if (alias !== undefined) parts.push(attribute(IFLA.alias, utf8Bytes(alias)));
  if (namespace !== undefined) parts.push(namespaceAttribute(namespace));
  return parts;
}

function nameAttribute(name: string): Uint8Array {
  const length = utf8Length(name);
  if (length < 1 || length > NAME_BYTES_MAX) {
    throw new Fault("invalid", `"${name.slice(0, 64)}" is no name for a link: 1 to ${NAME_BYTES_MAX} bytes`);
  }
  return textAttribute(IFLA.name, name);
}

function namespaceAttribute(destination: Destination): Uint8Array {
  if ("pid" in destination) return u32Attribute(IFLA.namespacePid, destination.pid);
  return u32Attribute(IFLA.namespaceDescriptor, destination.descriptor);
}

/** Throws `Fault` for a message that is none. */
export function decodeLink(message: Message): Link {
  const { index, flags } = linkHeadIn(message.body);
  const attributes = parseAttributes(message.body.subarray(sizes.link));
  const info = nestedIn(attributes.get(IFLA.linkInfo));
  return {
    index,
    name: textIn(attributes.get(IFLA.name)) ?? "",
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    mtu: u32In(attributes.get(IFLA.mtu)) ?? 0,
    mac: macIn(attributes.get(IFLA.address)),
    master: u32In(attributes.get(IFLA.master)) ?? 0,
    partner: u32In(attributes.get(IFLA.link)) ?? 0,
    partnerNamespaceId: i32In(attributes.get(IFLA.linkNamespaceId)),
    alias: textIn(attributes.get(IFLA.alias)),
    ...special(info),
  };
}

function special(info: Attributes): Pick<Link, "kind" | "bridge" | "vxlan" | "port"> {
  const kind = textIn(info.get(IFLA_INFO.kind)) ?? "";
  const data = info.get(IFLA_INFO.data);
  const port = textIn(info.get(IFLA_INFO.portKind)) === "bridge" ? info.get(IFLA_INFO.portData) : undefined;
  return {
    kind,
    bridge: kind === "bridge" && data !== undefined ? bridgeIn(parseAttributes(data)) : undefined,
    vxlan: kind === "vxlan" && data !== undefined ? vxlanIn(parseAttributes(data)) : undefined,
    port: port === undefined ? undefined : portIn(parseAttributes(port)),
  };
}
