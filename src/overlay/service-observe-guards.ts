/** What the host's packet filter and IPsec hold of ours, as rows: our table, and what has our request id. */
import { Fault } from "../base/fault.ts";
import { KeyMaterial } from "../model/key-material.ts";
import { REPLAY_WINDOW_DEFAULT, ringLimits, type SecurityAssociation } from "../model/security-association.ts";
import { decodeChain, decodeRule, decodeTable, listChains, listRules, listTables } from "../netlink/nft-objects.ts";
import { decodeElements, decodeSet, listElements, listSets } from "../netlink/nft-sets.ts";
import type { Base, SetType, Table } from "../netlink/nft-values.ts";
import { decodeAssociation, listAssociations } from "../netlink/xfrm-associations.ts";
import { decodePolicy, listPolicies } from "../netlink/xfrm-policies.ts";
import type { AssociationState, PolicyState } from "../netlink/xfrm-values.ts";
import type { NetlinkDoor, NetlinkMessage } from "../port/netlink.ts";
import type { OverlayConfig } from "./config.ts";
import type { AssociationUsage, Filter, Row } from "./effects.ts";
import { hex } from "./filter.ts";
import { BLOCK_PRIORITY } from "./limits.ts";
import { keyOf } from "./row-key.ts";

const UDP = 17;

export function tableOf({ table }: OverlayConfig): Table {
  return { family: "inet", name: table };
}

/** The table without its elements, then those. Nothing if there is no such table. */
export function observeFilter(door: NetlinkDoor, config: OverlayConfig): Row[] {
  const table = tableOf(config);
  const isOurs = (other: Table): boolean => other.family === table.family && other.name === table.name;
  if (!door.ask(listTables()).some((message) => isOurs(decodeTable(message) ?? { family: "ip", name: "" }))) return [];
  const all = <Item>(messages: NetlinkMessage[], decode: (message: NetlinkMessage) => Item | undefined): Item[] =>
    messages.flatMap((message) => decode(message) ?? []);
  const sets = all(door.ask(listSets(table)), decodeSet);
  const chains = all(door.ask(listChains()), decodeChain).filter((chain) => isOurs(chain.table));
  const filter: Filter = {
    table: table.name,
    sets: sets.map(({ name, keyBytes, dataBytes, interval }) => ({
      name: dataBytes > 0 || interval ? `${name} of another kind` : name,
      key: { bytes: keyBytes, parts: [], byteOrder: 0, shape: new Uint8Array(0) } satisfies SetType,
    })),
    chains: chains.map(({ name, base }) => ({ name, base: base ?? nowhere })),
    rules: all(door.ask(listRules(table)), decodeRule).map(({ chain, tag, expressions }) => ({
      chain,
      tag,
      expressions,
    })),
  };
  const elements = sets.flatMap(({ name }) =>
    all(door.ask(listElements({ table, name })), decodeElements).flatMap((part) =>
      part.elements.map(({ key }): Row => ({ kind: "element", set: name, value: hex(key) })),
    ),
  );
  return [{ kind: "filter", filter }, ...elements];
}

/** For a chain that meets no packets: none of ours is like that. */
const nowhere: Base = { type: "filter", hook: "input", priority: 0, policy: "drop" };

export interface IpsecRows {
  readonly rows: readonly Row[];
  readonly usage: ReadonlyMap<string, AssociationUsage>;
}

export function observeIpsec(door: NetlinkDoor, config: OverlayConfig): IpsecRows {
  const states = readable(door.ask(listAssociations()), decodeAssociation).filter(
    ({ requestId }) => requestId === config.requestId,
  );
  const policies = readable(door.ask(listPolicies()), decodePolicy).filter((policy) => isOurs(policy, config));
  const usage = new Map<string, AssociationUsage>();
  const associations = states.map((state): Row => {
    const row: Row = { kind: "association", association: associationOf(state, config) };
    usage.set(keyOf(row), { packets: Number(state.usage.packets), sequence: Number(state.sequence.outgoing) });
    return row;
  });
  const policyRows = policies.map(({ index, usage: _, ...policy }): Row => ({ kind: "policy", policy }));
  return { rows: [...associations, ...policyRows], usage };
}

/** Those of other protocols and ciphers are somebody else's. */
function readable<Item>(messages: readonly NetlinkMessage[], decode: (message: NetlinkMessage) => Item): Item[] {
  return messages.flatMap((message) => {
    try {
      return [decode(message)];
    } catch (error) {
      if (error instanceof Fault && error.code === "unknownType") return [];
      throw error;
    }
  });
}

/** Ours lead to our associations, or are the block policy. */
function isOurs({ priority, action, selector, templates }: PolicyState, config: OverlayConfig): boolean {
  if (templates.some(({ requestId }) => requestId === config.requestId)) return true;
  const { protocol, destinationPort, sourcePortMask } = selector;
  const isVxlan = destinationPort === config.dataPath.port && protocol === UDP;
  return isVxlan && action === "block" && priority === BLOCK_PRIORITY && sourcePortMask !== undefined;
}

/** The kernel's window tells what it was made from: none is for peers that may restart. */
function associationOf(state: AssociationState, { dataPath }: OverlayConfig): SecurityAssociation {
  const { spi, source, destination, key, icvBits, extendedSequence, replayWindow } = state;
  const replay =
    replayWindow === 0
      ? { window: REPLAY_WINDOW_DEFAULT, senderMayRestart: true }
      : { window: replayWindow, senderMayRestart: false };
  return {
    direction: destination === dataPath.bound ? "inbound" : "outbound",
    spi,
    source,
    destination,
    material: key.withBytes((bytes) => new KeyMaterial(bytes)),
    icvBytes: (icvBits / 8) as 8 | 12 | 16,
    extendedSequence,
    replay,
    limits: ringLimits,
  };
}
