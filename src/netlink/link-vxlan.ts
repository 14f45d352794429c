/**
 * What is special about vxlan devices. Only some of it can be changed later; the kernel says which.
 * Source: include/uapi/linux/if_link.h (IFLA_VXLAN_*), drivers/net/vxlan/vxlan_core.c of Linux; RFC 7348.
 */
import { Fault } from "../base/fault.ts";
import { addressBytes } from "../base/ip.ts";
import { addressIn } from "./addressing.ts";
import {
  type Attributes,
  attribute,
  be16Attribute,
  be16In,
  u8Attribute,
  u8In,
  u32Attribute,
  u32In,
} from "./attributes.ts";
import { present } from "./optional.ts";

const IFLA_VXLAN = {
  id: 1,
  group: 2,
  link: 3,
  local: 4,
  ttl: 5,
  tos: 6,
  learning: 7,
  ageing: 8,
  limit: 9,
  portRange: 10,
  proxy: 11,
  routeShortCircuit: 12,
  l2miss: 13,
  l3miss: 14,
  port: 15,
  group6: 16,
  local6: 17,
  udpChecksum: 18,
  udpZeroChecksum6Tx: 19,
  udpZeroChecksum6Rx: 20,
  doNotFragment: 29,
} as const;

const VNI_MAX = 0xff_ffff;
const doNotFragmentModes = ["unset", "set", "inherit"] as const;

export interface VxlanOptions {
  readonly kind: "vxlan";
  /** Network identifier, 24 bits. */
  readonly vni: number;
  /** Address that outer packets come from; its family is that of the tunnel. */
  readonly local?: string;
  /** Multicast group, or the one other node. */
  readonly group?: string;
  /** Index of the link that outer packets leave by. */
  readonly underlay?: number;
  /** UDP port of the receivers; the kernel's default is not the standard's 4789. */
  readonly port: number;
  /** Outer packets come from these UDP ports, `to` excluded; without it, from those of the system. */
  readonly sourcePorts?: { readonly from: number; readonly to: number };
  /** Of outer packets; 0: that of the system. */
  readonly ttl?: number;
  readonly tos?: number;
  /** Learn from packets which node a MAC address is behind. */
  readonly learning?: boolean;
  readonly ageingSeconds?: number;
  /** Forwarding rows at most; 0: no limit. */
  readonly rowsMax?: number;
  /** Answer for neighbours that are known. */
  readonly proxy?: boolean;
  readonly routeShortCircuit?: boolean;
  /** Report MAC addresses without forwarding row. */
  readonly l2miss?: boolean;
  /** Report IP addresses without neighbour. */
  readonly l3miss?: boolean;
  readonly udpChecksum?: boolean;
  readonly udpZeroChecksum6Tx?: boolean;
  readonly udpZeroChecksum6Rx?: boolean;
  /** The outer header's "do not fragment". */
  readonly doNotFragment?: (typeof doNotFragmentModes)[number];
}

const flags = {
  learning: IFLA_VXLAN.learning,
  proxy: IFLA_VXLAN.proxy,
  routeShortCircuit: IFLA_VXLAN.routeShortCircuit,
  l2miss: IFLA_VXLAN.l2miss,
  l3miss: IFLA_VXLAN.l3miss,
  udpChecksum: IFLA_VXLAN.udpChecksum,
  udpZeroChecksum6Tx: IFLA_VXLAN.udpZeroChecksum6Tx,
  udpZeroChecksum6Rx: IFLA_VXLAN.udpZeroChecksum6Rx,
} as const;
const numbers = {
  underlay: IFLA_VXLAN.link,
  ageingSeconds: IFLA_VXLAN.ageing,
  rowsMax: IFLA_VXLAN.limit,
} as const;
const octets = { ttl: IFLA_VXLAN.ttl, tos: IFLA_VXLAN.tos } as const;
const flagNames = Object.keys(flags) as (keyof typeof flags)[];
const numberNames = Object.keys(numbers) as (keyof typeof numbers)[];
const octetNames = Object.keys(octets) as (keyof typeof octets)[];

export function vxlanParts(options: VxlanOptions): Uint8Array[] {
  if (options.vni > VNI_MAX) throw new Fault("invalid", `VNI ${options.vni} is larger than 24 bits`);
  const parts = [u32Attribute(IFLA_VXLAN.id, options.vni), be16Attribute(IFLA_VXLAN.port, options.port)];
  parts.push(...addressPart(options.local, IFLA_VXLAN.local, IFLA_VXLAN.local6));
  parts.push(...addressPart(options.group, IFLA_VXLAN.group, IFLA_VXLAN.group6));
  const { sourcePorts } = options;
  if (sourcePorts !== undefined) parts.push(attribute(IFLA_VXLAN.portRange, portRangeBytes(sourcePorts)));
  for (const name of numberNames) {
    const value = options[name];
    if (value !== undefined) parts.push(u32Attribute(numbers[name], value));
  }
  for (const name of octetNames) {
    const value = options[name];
    if (value !== undefined) parts.push(u8Attribute(octets[name], value));
  }
  for (const name of flagNames) {
    const value = options[name];
    if (value !== undefined) parts.push(u8Attribute(flags[name], Number(value)));
  }
  const { doNotFragment } = options;
  if (doNotFragment !== undefined) {
    parts.push(u8Attribute(IFLA_VXLAN.doNotFragment, doNotFragmentModes.indexOf(doNotFragment)));
  }
  return parts;
}

function addressPart(address: string | undefined, type4: number, type6: number): Uint8Array[] {
  if (address === undefined) return [];
  const bytes = addressBytes(address);
  return [attribute(bytes.length === 4 ? type4 : type6, bytes)];
}

/** `ifla_vxlan_port_range`: two ports in network byte order. */
function portRangeBytes({ from, to }: { readonly from: number; readonly to: number }): Uint8Array {
  return Uint8Array.of(from >> 8, from, to >> 8, to);
}

function portRangeIn(value: Uint8Array | undefined): VxlanOptions["sourcePorts"] {
  if (value === undefined || value.length < 4) return undefined;
  const [from, to] = [(value[0]! << 8) | value[1]!, (value[2]! << 8) | value[3]!];
  return to === 0 ? undefined : { from, to };
}

export function vxlanIn(data: Attributes): VxlanOptions {
  const values: Record<string, unknown> = {};
  for (const name of numberNames) Object.assign(values, present(name, u32In(data.get(numbers[name]))));
  for (const name of octetNames) Object.assign(values, present(name, u8In(data.get(octets[name]))));
  for (const name of flagNames) {
    const value = u8In(data.get(flags[name]));
    if (value !== undefined) values[name] = value !== 0;
  }
  Object.assign(values, present("sourcePorts", portRangeIn(data.get(IFLA_VXLAN.portRange))));
  const mode = doNotFragmentModes[u8In(data.get(IFLA_VXLAN.doNotFragment)) ?? -1];
  return {
    kind: "vxlan",
    vni: u32In(data.get(IFLA_VXLAN.id)) ?? 0,
    port: be16In(data.get(IFLA_VXLAN.port)) ?? 0,
    ...present("local", addressIn(data.get(IFLA_VXLAN.local) ?? data.get(IFLA_VXLAN.local6))),
    ...present("group", addressIn(data.get(IFLA_VXLAN.group) ?? data.get(IFLA_VXLAN.group6))),
    ...values,
    ...present("doNotFragment", mode),
  };
}
