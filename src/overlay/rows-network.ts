/**
 * The rows of one network: its sandbox with bridge and VXLAN devices, the pairs into containers, and how each peer is
 * reached.
 *
 *   container          sandbox                               host
 *     eth0 ---- ve… --- br0 (the gateways) --- vx4097 --------- UDP socket
 *                                               |   "10.0.1.5 has 02:…", "02:… is at 192.0.2.7"
 *
 * The VXLAN device answers address resolution for peers itself and learns nothing, so who is where is what the tables
 * say. It is not there before the guards are.
 */
import type { CheckedNetwork, CheckedSubnet } from "./check-wanted.ts";
import type { OverlayConfig } from "./config.ts";
import type { Place, Subject, WantedRow } from "./effects.ts";
import { encryptedElement, memberElement, ownElement } from "./filter.ts";
import { ENCRYPTED_SOURCE_PORTS, PLAIN_SOURCE_PORTS } from "./limits.ts";
import type { Endpoint } from "./messages.ts";
import { BRIDGE, bridgeMac, vethName, vxlanName } from "./names.ts";
import { isInside, parsePrefix, subnetOf } from "./prefix.ts";
import { keyOf, linkKey, namespaceKey, vxlanKey } from "./row-key.ts";
import { rowOf } from "./row-of.ts";

export interface NetworkContext {
  readonly config: OverlayConfig;
  readonly mtu: number;
  /** Keys of the rows that guard encrypted networks. */
  readonly blocks: readonly string[];
  /** For an encrypted network: the policy of each node that can be talked to. */
  readonly policies: ReadonlyMap<string, string>;
  /** Containers that can be looked into. */
  readonly isOpen: (place: Place) => boolean;
}

export function sandboxOf(network: string): Place {
  return `sandbox:${network}`;
}

/** The container of an endpoint. */
export function containerOf(id: string): Place {
  return `container:${id}`;
}

/** The container of an exit. */
export function exitContainerOf(id: string): Place {
  return `container:exit ${id}`;
}

export function networkRows(checked: CheckedNetwork, context: NetworkContext): WantedRow[] {
  const { network, endpoints } = checked;
  const open = endpoints.filter(({ id }) => context.isOpen(containerOf(id)));
  return [
    ...guardRows(checked),
    ...sandboxRows(checked, context),
    ...checked.vnis.map((vni) => vxlanRow(checked, vni, context)),
    ...open.flatMap((endpoint) => endpointRows(checked, endpoint, context)),
    ...peerRows(checked, context),
  ].map((row) => ({ ...row, subject: { ...row.subject, network: network.id } }));
}

function guardRows({ network, vnis, vteps }: CheckedNetwork): WantedRow[] {
  return vnis.flatMap((vni) => [
    rowOf(ownElement(vni), {}, ["filter"]),
    ...(network.encrypted ? [rowOf(encryptedElement(vni), {}, ["filter"])] : []),
    ...vteps.map((vtep) => rowOf(memberElement(vni, vtep), {}, ["filter"])),
  ]);
}

function sandboxRows({ network, subnets }: CheckedNetwork, { config, mtu }: NetworkContext): WantedRow[] {
  const place = sandboxOf(network.id);
  const mac = bridgeMac(network.id, config.dataPath.advertised);
  const inPlace = [namespaceKey(place)];
  const settings = ([4, 6] as const)
    .filter((family) => isRouter(subnets, family))
    .flatMap((family) => (family === 4 ? routerSettings4 : routerSettings6));
  return [
    rowOf({ kind: "namespace", place }, {}),
    rowOf({ kind: "bridge", place, name: BRIDGE, mac, mtu, up: true }, {}, inPlace),
    ...subnets.map(({ prefix }) => {
      const address = `${prefix.address}/${prefix.bits}`;
      return rowOf({ kind: "address", place, link: BRIDGE, address }, {}, [linkKey(place, BRIDGE)]);
    }),
    ...settings.map(([path, value]) =>
      rowOf({ kind: "setting", place, path, value }, {}, [...inPlace, linkKey(place, BRIDGE)]),
    ),
  ];
}

/** The kernel parameter that makes a namespace a router. */
export function forwardingPath(family: 4 | 6): string {
  return family === 4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding";
}

function isRouter(subnets: readonly CheckedSubnet[], family: 4 | 6): boolean {
  return subnets.filter(({ prefix }) => prefix.family === family).length > 1;
}

/**
 * Between subnets there is no shorter way: a redirect would make a container send to a peer of another subnet through
 * its own VNI, where the answer does not come back. IPv6 has no parameter for not sending them.
 */
const routerSettings4: readonly [path: string, value: string][] = [
  [forwardingPath(4), "1"],
  ["net/ipv4/conf/all/send_redirects", "0"],
  [`net/ipv4/conf/${BRIDGE}/send_redirects`, "0"],
];
const routerSettings6: readonly [path: string, value: string][] = [[forwardingPath(6), "1"]];

function noRedirects6(link: string): string {
  return `net/ipv6/conf/${link}/accept_redirects`;
}

/** Every kernel parameter that may be ours; `link`: our interface in a container. */
export function settingPaths(place: Place, link: string | undefined): string[] {
  if (place === "host") return [forwardingPath(4), forwardingPath(6)];
  if (place.startsWith("sandbox:")) return [...routerSettings4, ...routerSettings6].map(([path]) => path);
  return link === undefined ? [] : [noRedirects6(link)];
}

function vxlanRow({ network }: CheckedNetwork, vni: number, { config, mtu, blocks }: NetworkContext): WantedRow {
  const place = sandboxOf(network.id);
  const { bound, port } = config.dataPath;
  const guards = ["filter", keyOf(ownElement(vni))];
  if (network.encrypted) guards.push(keyOf(encryptedElement(vni)), ...blocks);
  const { from, to } = network.encrypted ? ENCRYPTED_SOURCE_PORTS : PLAIN_SOURCE_PORTS;
  const device = { name: vxlanName(vni), vni, local: bound, port, learning: false, sourcePorts: { from, to } };
  return rowOf({ kind: "vxlan", place, ...device, bridge: BRIDGE, mtu, up: true }, {}, [
    ...guards,
    namespaceKey(place),
    linkKey(place, BRIDGE),
  ]);
}

function endpointRows({ network, subnets }: CheckedNetwork, endpoint: Endpoint, { mtu }: NetworkContext): WantedRow[] {
  const place = sandboxOf(network.id);
  const inside = containerOf(endpoint.id);
  const subject: Subject = { endpoint: endpoint.id };
  const name = vethName(endpoint.id);
  const far = { place: inside, name: endpoint.container.name, mac: endpoint.mac };
  const veth = { kind: "veth", place, name, bridge: BRIDGE, isolated: false, mtu, up: true, far } as const;
  const needs = [linkKey(place, name)];
  const link = endpoint.container.name;
  const own = endpoint.addresses.map(parsePrefix);
  const addresses = own.map(({ address, bits }) =>
    rowOf({ kind: "address", place: inside, link, address: `${address}/${bits}` }, subject, needs),
  );
  // The network's other subnets are reached through the gateway of the own one, which is this node's bridge.
  const routes = subnets.flatMap(({ prefix }) => {
    const home = own.find(({ family }) => family === prefix.family);
    if (home === undefined || isInside(home.address, prefix)) return [];
    const gateway = subnets.find((subnet) => isInside(home.address, subnet.prefix))?.prefix.address ?? "";
    const destination = subnetOf(prefix);
    return [rowOf({ kind: "route", place: inside, destination, gateway, link }, subject, needs)];
  });
  const settings =
    isRouter(subnets, 6) && own.some(({ family }) => family === 6)
      ? [rowOf({ kind: "setting", place: inside, path: noRedirects6(link), value: "0" }, subject, needs)]
      : [];
  return [rowOf(veth, subject, [namespaceKey(place), linkKey(place, BRIDGE)]), ...settings, ...addresses, ...routes];
}

function peerRows({ network, peers, vnis }: CheckedNetwork, { policies }: NetworkContext): WantedRow[] {
  const place = sandboxOf(network.id);
  // A MAC with addresses in several subnets is sent to through one VNI only, or frames would arrive twice.
  const vniOfMac = new Map<string, number>();
  for (const { mac, vni } of peers) {
    const before = vniOfMac.get(mac);
    if (before === undefined || vnis.indexOf(vni) < vnis.indexOf(before)) vniOfMac.set(mac, vni);
  }
  const rows = peers.flatMap(({ prefix, mac, vtep }) => {
    const policy = network.encrypted ? policies.get(vtep) : undefined;
    if (network.encrypted && policy === undefined) return [];
    const vni = vniOfMac.get(mac) ?? 0;
    const link = vxlanName(vni);
    const needs = [vxlanKey(vni)];
    const subject = { peer: vtep };
    return [
      rowOf({ kind: "neighbour", place, link, address: prefix.address, mac }, subject, needs),
      rowOf({ kind: "forwarding", place, link, mac, vtep }, subject, policy === undefined ? needs : [...needs, policy]),
    ];
  });
  return [...new Map(rows.map((row) => [row.key, row])).values()];
}
