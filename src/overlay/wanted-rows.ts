/**
 * From what is wanted to what should be in the kernel: a pure function, the same rows for the same state after every
 * restart. What cannot be had is left out, and told.
 *
 * An encrypted network whose packets cannot be encrypted keeps its sandbox, its containers and its guards; what is left
 * out is every row that would let a packet reach another node.
 */
import { faultOf } from "../base/fault.ts";
import type { RingKey } from "../model/ring-key.ts";
import { type Checked, type CheckedNetwork, checkWanted, type Problem } from "./check-wanted.ts";
import type { OverlayConfig } from "./config.ts";
import type { Observation, Place, Subject, WantedRow } from "./effects.ts";
import { filterOf } from "./filter.ts";
import { IPV6_MTU_MIN, MTU_MIN } from "./limits.ts";
import type { Wanted } from "./messages.ts";
import { overlayMtu } from "./mtu.ts";
import { familyOf } from "./prefix.ts";
import { ringByAge } from "./ring-source.ts";
import { rowOf } from "./row-of.ts";
import { blockRows, type EncryptionRows, peerRows } from "./rows-encryption.ts";
import { exitRows } from "./rows-exit.ts";
import { containerOf, exitContainerOf, networkRows } from "./rows-network.ts";
import type { SpiForm } from "./spi.ts";

export interface WantedRows {
  readonly rows: ReadonlyMap<string, WantedRow>;
  readonly networks: readonly NetworkPlan[];
  readonly problems: readonly Problem[];
}

/** What became of a network that was wanted. */
export interface NetworkPlan {
  readonly id: string;
  readonly encrypted: boolean;
  readonly mtu: number;
  readonly vteps: readonly string[];
  /** Why nothing may leave it for other nodes. */
  readonly blocked: string | undefined;
  readonly blockedPeers: ReadonlyMap<string, string>;
}

/** What the wanted rows depend on beside what is wanted. */
export type Facts = Pick<Observation, "esp" | "pathMtus" | "closed"> & {
  /** How each node spells addresses in SPIs, where that has been found out. */
  readonly forms: ReadonlyMap<string, SpiForm>;
};

export function wantedRows(wanted: Wanted, facts: Facts, config: OverlayConfig): WantedRows {
  const checked = checkWanted(wanted, config);
  const blocks = blockRows(config);
  const blockKeys = ["filter", ...blocks.map(({ key }) => key)];
  const obstacle = obstacleTo(wanted.keys, facts);
  const encryption = encryptionOf(checked, wanted.keys, obstacle, facts, blockKeys, config);
  const policies = policiesOf(encryption);
  const isOpen = (place: Place): boolean => !facts.closed.has(place);
  const plans = checked.networks.map((network) => planOf(network, obstacle, encryption, facts, config));
  const rows = [
    rowOf({ kind: "filter", filter: filterOf(config) }, {}),
    ...blocks,
    ...encryption.rows,
    ...checked.networks.flatMap((network, at) =>
      networkRows(network, { config, mtu: plans[at]?.mtu ?? 0, blocks: blockKeys, policies, isOpen }),
    ),
    ...exitRows(
      checked.exits.filter(({ id }) => isOpen(containerOf(id))),
      config,
    ),
  ];
  const tooSmall = checked.networks.flatMap((network, at) => smallness(network, plans[at]?.mtu ?? 0));
  return {
    rows: new Map(rows.map((row) => [row.key, row])),
    networks: plans,
    problems: [...checked.problems, ...encryption.problems, ...tooSmall, ...closedOnes(checked, facts)],
  };
}

/** Why no packet can be encrypted; `undefined` if they can. */
function obstacleTo(keys: readonly RingKey[], { esp }: Facts): string | undefined {
  if (!esp.available) return `this kernel cannot encrypt: ${esp.why}`;
  if (keys.length === 0) return "no encryption keys have arrived; only nodes of a swarm have them";
  try {
    ringByAge(keys);
    return undefined;
  } catch (error) {
    return faultOf(error).message;
  }
}

function encryptionOf(
  { networks }: Checked,
  keys: readonly RingKey[],
  obstacle: string | undefined,
  { forms }: Facts,
  blockKeys: readonly string[],
  config: OverlayConfig,
): EncryptionRows {
  const encrypted = networks.filter(({ network }) => network.encrypted);
  const vteps = [...new Set(encrypted.flatMap((network) => network.vteps))].sort();
  if (obstacle !== undefined) return { rows: [], blocked: new Map(), problems: [] };
  return peerRows(vteps, keys, forms, blockKeys, config);
}

function policiesOf({ rows }: EncryptionRows): Map<string, string> {
  return new Map(rows.flatMap(({ row, key, subject }) => (row.kind === "policy" ? [[subject.peer ?? "", key]] : [])));
}

function planOf(
  { network, vteps }: CheckedNetwork,
  obstacle: string | undefined,
  { blocked }: EncryptionRows,
  { pathMtus }: Facts,
  config: OverlayConfig,
): NetworkPlan {
  const { id, encrypted } = network;
  const paths = vteps.flatMap((vtep) => pathMtus.get(vtep) ?? []);
  const pathMtu = paths.length === 0 ? undefined : Math.min(...paths);
  const mtu = overlayMtu(network.mtu, encrypted, { family: familyOf(config.dataPath.bound), pathMtu });
  const blockedPeers = new Map(encrypted ? vteps.flatMap((vtep) => entryOf(vtep, blocked.get(vtep))) : []);
  return { id, encrypted, mtu: Math.max(mtu, MTU_MIN), vteps, blocked: encrypted ? obstacle : undefined, blockedPeers };
}

function entryOf(vtep: string, why: string | undefined): [string, string][] {
  return why === undefined ? [] : [[vtep, why]];
}

function smallness({ network, subnets }: CheckedNetwork, mtu: number): Problem[] {
  const subject = { network: network.id };
  if (mtu <= MTU_MIN) return [{ subject, why: `the underlay leaves less than ${MTU_MIN} bytes for packets` }];
  const tooSmall = mtu < IPV6_MTU_MIN && subnets.some(({ prefix }) => prefix.family === 6);
  return tooSmall ? [{ subject, why: `an MTU of ${mtu} is too small for IPv6, which needs ${IPV6_MTU_MIN}` }] : [];
}

function closedOnes({ networks, exits }: Checked, { closed }: Facts): Problem[] {
  const places: { subject: Subject; place: Place }[] = [
    ...networks.flatMap(({ network, endpoints }) =>
      endpoints.map(({ id }) => ({ subject: { network: network.id, endpoint: id }, place: containerOf(id) })),
    ),
    ...exits.map(({ id }) => ({ subject: { endpoint: id }, place: exitContainerOf(id) })),
  ];
  return places.flatMap(({ subject, place }) => {
    const why = closed.get(place);
    return why === undefined ? [] : [{ subject, why: `the container cannot be reached: ${why}` }];
  });
}
