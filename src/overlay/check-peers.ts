/**
 * Which rows of `overlay_peer_table` are believed. They come by gossip, from anybody with the cluster's key, so nothing
 * that one says may reach beyond its own network: not to the gateway, not to an endpoint of this node, not to an
 * address that cannot be a node's.
 *
 * Of rows with the same address, or the same MAC at different nodes, the last one wins: that is how an address moves
 * from one node to another.
 */
import { faultOf } from "../base/fault.ts";
import { addressBytes, canonicalAddress, isAddress } from "../base/ip.ts";
import type { OverlayConfig } from "./config.ts";
import type { Endpoint, Network, Peer } from "./messages.ts";
import { isInside, isUnicastMac, type Prefix, parsePrefix } from "./prefix.ts";

export interface PeerVerdict {
  /** With addresses parsed, one for each address. */
  readonly peers: readonly GoodPeer[];
  /** Data paths of the nodes that take part, in alphabetical order. */
  readonly vteps: readonly string[];
  /** Reasons with how many rows they hit. */
  readonly refusals: readonly string[];
}

export interface GoodPeer {
  readonly prefix: Prefix;
  readonly vni: number;
  readonly mac: string;
  readonly vtep: string;
}

interface Home {
  readonly prefix: Prefix;
  readonly vni: number;
}

export function checkPeers(
  network: Network,
  subnets: readonly Home[],
  endpoints: readonly Endpoint[],
  peers: readonly Peer[],
  config: OverlayConfig,
): PeerVerdict {
  const taken = takenBy(subnets, endpoints);
  const refused = new Map<string, { count: number; first: string }>();
  const byAddress = new Map<string, GoodPeer>();
  const macHomes = new Map<string, string>();
  const foreign = peers.filter(({ vtep }) => vtep !== config.dataPath.advertised && vtep !== config.dataPath.bound);
  for (const peer of foreign) {
    const good = judge(peer, subnets, taken, config);
    if (typeof good === "string") {
      const seen = refused.get(good);
      refused.set(good, { count: (seen?.count ?? 0) + 1, first: seen?.first ?? peer.address });
      continue;
    }
    byAddress.delete(good.prefix.address);
    byAddress.set(good.prefix.address, good);
    macHomes.set(good.mac, good.vtep);
  }
  const good = [...byAddress.values()].filter(({ mac, vtep }) => macHomes.get(mac) === vtep);
  const members = network.members.filter((vtep) => isVtep(vtep, config));
  return {
    peers: good,
    vteps: [...new Set([...members, ...good.map(({ vtep }) => vtep)])].sort(),
    refusals: [...refused].map(([why, { count, first }]) => `${count} peer rows are refused: ${why} (${shown(first)})`),
  };
}

/** Addresses and MACs that no other node can have. */
function takenBy(subnets: readonly Home[], endpoints: readonly Endpoint[]): ReadonlySet<string> {
  const addresses = endpoints.flatMap((endpoint) => endpoint.addresses.map((text) => parsePrefix(text).address));
  return new Set([...subnets.map(({ prefix }) => prefix.address), ...addresses, ...endpoints.map(({ mac }) => mac)]);
}

function judge(
  { address, mac, vtep }: Peer,
  subnets: readonly Home[],
  taken: ReadonlySet<string>,
  config: OverlayConfig,
): GoodPeer | string {
  let prefix: Prefix;
  try {
    prefix = parsePrefix(address);
  } catch (error) {
    faultOf(error);
    return "the address is none";
  }
  const home = subnets.find((subnet) => isInside(prefix.address, subnet.prefix));
  if (home === undefined) return "the address is in no subnet of the network";
  if (!isUnicastMac(mac)) return "the MAC is none of an interface";
  if (!isVtep(vtep, config)) return "the node's address is none of another node's data path";
  if (taken.has(prefix.address)) return "the address is the gateway's or that of an endpoint of this node";
  if (taken.has(mac)) return "the MAC is that of an endpoint of this node";
  return { prefix, vni: home.vni, mac, vtep };
}

/** May this be the address of a node's data path: one host, of our family, not us, in canonical form? */
export function isVtep(text: string, { dataPath }: OverlayConfig): boolean {
  const { advertised, bound } = dataPath;
  if (!isAddress(text) || canonicalAddress(text) !== text || text === advertised || text === bound) return false;
  const bytes = addressBytes(text);
  if (bytes.length !== addressBytes(advertised).length) return false;
  // Not "this network", loopback, groups or reserved.
  if (bytes.length === 4) return bytes[0] !== 0 && bytes[0] !== 127 && bytes[0]! < 224;
  return bytes[0] !== 0xff && bytes.subarray(0, 15).some((byte) => byte !== 0);
}

function shown(text: string): string {
  return /^[\w:./]{1,48}$/.test(text) ? text : "not shown";
}
