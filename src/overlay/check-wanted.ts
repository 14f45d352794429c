/**
 * What of the wanted state can be had: each network, endpoint, exit and peer row for itself, so that one wrong one does
 * not take the others with it. What is refused is told with its reason.
 */
import { Fault, faultOf } from "../base/fault.ts";
import { checkPeers, type PeerVerdict } from "./check-peers.ts";
import type { OverlayConfig } from "./config.ts";
import type { Subject } from "./effects.ts";
import { ENDPOINTS_MAX, MTU_MAX, NETWORKS_MAX, PEERS_MAX, SUBNETS_PER_NETWORK_MAX, VNI_MAX } from "./limits.ts";
import type { ContainerLink, Endpoint, Exit, Network, Wanted } from "./messages.ts";
import { isInside, isUnicastMac, type Prefix, parsePrefix } from "./prefix.ts";

export interface Problem {
  readonly subject: Subject;
  readonly why: string;
}

/** A network that can be had, with everything that belongs to it. */
export interface CheckedNetwork extends PeerVerdict {
  readonly network: Network;
  readonly subnets: readonly CheckedSubnet[];
  /** Without doubles, in the order of the subnets. */
  readonly vnis: readonly number[];
  readonly endpoints: readonly Endpoint[];
}

export interface CheckedSubnet {
  readonly prefix: Prefix;
  readonly vni: number;
}

export interface Checked {
  readonly networks: readonly CheckedNetwork[];
  readonly exits: readonly Exit[];
  readonly problems: readonly Problem[];
}

export function checkWanted(wanted: Wanted, config: OverlayConfig): Checked {
  const problems: Problem[] = [];
  const refuse = (subject: Subject, why: string): void => void problems.push({ subject, why });
  const peers = group(wanted.peers.slice(0, PEERS_MAX));
  const endpoints = group(wanted.endpoints.slice(0, ENDPOINTS_MAX));
  if (wanted.peers.length > PEERS_MAX) refuse({}, `more than ${PEERS_MAX} peer rows`);
  if (wanted.endpoints.length > ENDPOINTS_MAX) refuse({}, `more than ${ENDPOINTS_MAX} endpoints`);
  if (wanted.networks.length > NETWORKS_MAX) refuse({}, `more than ${NETWORKS_MAX} networks`);
  const used: Used = { ids: new Set(), vnis: new Set(), endpoints: new Set(), interfaces: new Set() };
  const networks = wanted.networks.slice(0, NETWORKS_MAX).flatMap((network) => {
    const subject = { network: network.id };
    const subnets = attempt(subject, refuse, () => checkNetwork(network, used));
    if (subnets === undefined) return [];
    const own = (endpoints.get(network.id) ?? []).filter(
      (one) => attempt({ ...subject, endpoint: one.id }, refuse, () => checkEndpoint(one, subnets, used)) !== undefined,
    );
    const verdict = checkPeers(network, subnets, own, peers.get(network.id) ?? [], config);
    for (const why of verdict.refusals) refuse(subject, why);
    const vnis = [...new Set(network.subnets.map(({ vni }) => vni))];
    return [{ network, subnets, vnis, endpoints: own, ...verdict }];
  });
  for (const [id, { length }] of [...peers, ...endpoints]) {
    if (!used.ids.has(id)) refuse({ network: id }, `${length} rows are about this network, which is not here`);
  }
  const exits = wanted.exits.filter(
    (one) => attempt({ endpoint: one.id }, refuse, () => checkExit(one, config, used)) !== undefined,
  );
  return { networks, exits, problems };
}

/** What earlier ones have taken. */
interface Used {
  readonly ids: Set<string>;
  readonly vnis: Set<number>;
  readonly endpoints: Set<string>;
  /** Namespace and name. */
  readonly interfaces: Set<string>;
}

function attempt<Result>(subject: Subject, refuse: (subject: Subject, why: string) => void, check: () => Result) {
  try {
    return check();
  } catch (error) {
    refuse(subject, faultOf(error).message);
    return undefined;
  }
}

function group<Item extends { readonly network: string }>(items: readonly Item[]): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const there = groups.get(item.network);
    if (there === undefined) groups.set(item.network, [item]);
    else there.push(item);
  }
  return groups;
}

function need(holds: boolean, why: string): void {
  if (!holds) throw new Fault("invalid", why);
}

const NETWORK_ID = /^[0-9a-z]{1,64}$/;
const ENDPOINT_ID = /^[0-9a-f]{8,64}$/;
const INTERFACE = /^[a-zA-Z][\w.-]{0,14}$/;

function checkNetwork(network: Network, used: Used): CheckedSubnet[] {
  const { id, subnets, mtu } = network;
  need(NETWORK_ID.test(id), `"${id.slice(0, 64)}" is no id of a network`);
  need(!used.ids.has(id), "the network is there twice");
  need(subnets.length > 0 && subnets.length <= SUBNETS_PER_NETWORK_MAX, `${subnets.length} subnets`);
  need(mtu === undefined || (Number.isInteger(mtu) && mtu > 0 && mtu <= MTU_MAX), `an MTU of ${mtu}`);
  const checked = subnets.map(({ gateway, vni }) => {
    need(Number.isInteger(vni) && vni >= 0 && vni <= VNI_MAX, `VNI ${vni} has more than 24 bits`);
    need(!used.vnis.has(vni), `VNI ${vni} belongs to another network`);
    return { prefix: parsePrefix(gateway), vni };
  });
  for (const [at, { prefix }] of checked.entries()) {
    const twice = checked.slice(0, at).some((other) => overlap(prefix, other.prefix));
    need(!twice, `the subnet of ${prefix.address}/${prefix.bits} overlaps with another`);
  }
  used.ids.add(id);
  for (const { vni } of checked) used.vnis.add(vni);
  return checked;
}

function overlap(one: Prefix, other: Prefix): boolean {
  return isInside(one.address, other) || isInside(other.address, one);
}

function checkEndpoint(endpoint: Endpoint, subnets: readonly CheckedSubnet[], used: Used): true {
  const { id, addresses, mac, container } = endpoint;
  need(ENDPOINT_ID.test(id), `"${id.slice(0, 64)}" is no id of an endpoint`);
  need(!used.endpoints.has(id.slice(0, 12)), "the endpoint is there twice");
  need(isUnicastMac(mac), `"${mac.slice(0, 32)}" is no MAC of an interface`);
  need(addresses.length > 0 && addresses.length <= 2, `${addresses.length} addresses`);
  const prefixes = addresses.map(parsePrefix);
  need(new Set(prefixes.map(({ family }) => family)).size === prefixes.length, "two addresses of one family");
  for (const prefix of prefixes) {
    const home = subnets.find((subnet) => isInside(prefix.address, subnet.prefix));
    need(home !== undefined && home.prefix.bits === prefix.bits, `${prefix.address} is in no subnet of the network`);
    need(home?.prefix.address !== prefix.address, `${prefix.address} is the gateway's`);
  }
  checkContainer(container, used);
  used.endpoints.add(id.slice(0, 12));
  return true;
}

function checkExit({ id, addresses, container }: Exit, { exit }: OverlayConfig, used: Used): true {
  need(ENDPOINT_ID.test(id), `"${id.slice(0, 64)}" is no id of an exit`);
  need(!used.endpoints.has(`exit ${id.slice(0, 12)}`), "the exit is there twice");
  need(addresses.length > 0 && addresses.length <= 2, `${addresses.length} addresses`);
  for (const { address, bits } of addresses.map(parsePrefix)) {
    const inside = exit.addresses.map(parsePrefix).some((home) => isInside(address, home) && home.bits === bits);
    need(inside, `${address}/${bits} is in no subnet of the exit bridge`);
  }
  checkContainer(container, used);
  used.endpoints.add(`exit ${id.slice(0, 12)}`);
  return true;
}

function checkContainer({ namespace, name }: ContainerLink, used: Used): void {
  need(namespace.startsWith("/") && !namespace.includes("\0"), "the namespace is no path");
  need(INTERFACE.test(name), `"${name.slice(0, 32)}" is no name of an interface`);
  need(!used.interfaces.has(`${namespace} ${name}`), `another interface of this container is called ${name}`);
  used.interfaces.add(`${namespace} ${name}`);
}
