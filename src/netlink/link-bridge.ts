/**
 * What is special about bridges and their ports. Options that are `undefined` stay as they are, in orders; in what the
 * kernel says all are there. Source: include/uapi/linux/if_link.h (IFLA_BR_*, IFLA_BRPORT_*), net/bridge/br_netlink.c.
 */
import { type Attributes, u8Attribute, u8In, u16Attribute, u16In, u32Attribute, u32In } from "./attributes.ts";
import { present } from "./optional.ts";

const IFLA_BR = {
  ageing: 4,
  spanningTree: 5,
  vlanFiltering: 7,
  multicastSnooping: 23,
  callIptables: 36,
  callIp6tables: 37,
  defaultPvid: 39,
} as const;

const IFLA_BRPORT = {
  state: 1,
  hairpin: 4,
  learning: 8,
  unicastFlood: 9,
  multicastFlood: 27,
  broadcastFlood: 30,
  neighbourSuppression: 32,
  isolated: 33,
} as const;

/** The kernel counts in hundredths of a second. */
const TICKS_PER_SECOND = 100;

export interface BridgeOptions {
  readonly kind: "bridge";
  /** How long a learned MAC address stays. 0: nothing is learned for longer than a moment. */
  readonly ageingSeconds?: number;
  readonly spanningTree?: boolean;
  readonly vlanFiltering?: boolean;
  /** Of frames without a tag; 0: none. */
  readonly defaultPvid?: number;
  readonly multicastSnooping?: boolean;
  /** Does what crosses this bridge pass the packet filters for IPv4 and IPv6 (br_netfilter)? */
  readonly callIptables?: boolean;
  readonly callIp6tables?: boolean;
}

export function bridgeParts(options: BridgeOptions): Uint8Array[] {
  const { ageingSeconds, spanningTree, defaultPvid } = options;
  return [
    ...(ageingSeconds === undefined ? [] : [u32Attribute(IFLA_BR.ageing, ageingSeconds * TICKS_PER_SECOND)]),
    ...(spanningTree === undefined ? [] : [u32Attribute(IFLA_BR.spanningTree, Number(spanningTree))]),
    ...flag(IFLA_BR.vlanFiltering, options.vlanFiltering),
    ...(defaultPvid === undefined ? [] : [u16Attribute(IFLA_BR.defaultPvid, defaultPvid)]),
    ...flag(IFLA_BR.multicastSnooping, options.multicastSnooping),
    ...flag(IFLA_BR.callIptables, options.callIptables),
    ...flag(IFLA_BR.callIp6tables, options.callIp6tables),
  ];
}

export function bridgeIn(data: Attributes): BridgeOptions {
  const ticks = u32In(data.get(IFLA_BR.ageing));
  return {
    kind: "bridge",
    ...(ticks === undefined ? {} : { ageingSeconds: ticks / TICKS_PER_SECOND }),
    ...present("spanningTree", bool(u32In(data.get(IFLA_BR.spanningTree)))),
    ...present("vlanFiltering", bool(u8In(data.get(IFLA_BR.vlanFiltering)))),
    ...present("defaultPvid", u16In(data.get(IFLA_BR.defaultPvid))),
    ...present("multicastSnooping", bool(u8In(data.get(IFLA_BR.multicastSnooping)))),
    ...present("callIptables", bool(u8In(data.get(IFLA_BR.callIptables)))),
    ...present("callIp6tables", bool(u8In(data.get(IFLA_BR.callIp6tables)))),
  };
}

/** Of a link that is a port of a bridge. */
export interface PortOptions {
  /** Frames may leave where they came in. */
  readonly hairpin?: boolean;
  readonly learning?: boolean;
  /** Frames for unknown MAC addresses go out here. */
  readonly unicastFlood?: boolean;
  readonly multicastFlood?: boolean;
  readonly broadcastFlood?: boolean;
  /** The bridge answers for neighbours that it knows to be here. */
  readonly neighbourSuppression?: boolean;
  /** Does not reach other isolated ports. */
  readonly isolated?: boolean;
}

const portFlags = {
  hairpin: IFLA_BRPORT.hairpin,
  learning: IFLA_BRPORT.learning,
  unicastFlood: IFLA_BRPORT.unicastFlood,
  multicastFlood: IFLA_BRPORT.multicastFlood,
  broadcastFlood: IFLA_BRPORT.broadcastFlood,
  neighbourSuppression: IFLA_BRPORT.neighbourSuppression,
  isolated: IFLA_BRPORT.isolated,
} as const satisfies Record<keyof PortOptions, number>;
const portOptionNames = Object.keys(portFlags) as (keyof PortOptions)[];

export function portParts(options: PortOptions): Uint8Array[] {
  return portOptionNames.flatMap((name) => flag(portFlags[name], options[name]));
}

export function portIn(data: Attributes): PortOptions {
  return Object.assign({}, ...portOptionNames.map((name) => present(name, bool(u8In(data.get(portFlags[name]))))));
}

function flag(type: number, value: boolean | undefined): Uint8Array[] {
  return value === undefined ? [] : [u8Attribute(type, Number(value))];
}

function bool(value: number | undefined): boolean | undefined {
  return value === undefined ? undefined : value !== 0;
}
