/**
 * Stories that a cluster lives through, each ending in peace: then `violations` must find nothing.
 *
 * A story is repeatable from its settings alone. `src/main/sim.ts` tells them on the command line, the simulation
 * tests assert their outcome.
 */
import { below } from "../base/random.ts";
import { minutes, seconds } from "../base/units.ts";
import { violations } from "./gossip-checks.ts";
import type { GossipCluster } from "./gossip-cluster.ts";
import { churn, partition, slowDown, slowLoops } from "./gossip-faults.ts";
import { formByJoining } from "./gossip-formation.ts";
import { FalseAlarms, measureCrash, measureJoin, measureLeave, measureUpdate, type Reach } from "./gossip-measure.ts";
import type { GossipNode } from "./gossip-node.ts";

export interface StorySettings {
  readonly nodes: number;
  /** How long the trouble lasts, where a story has any. */
  readonly durationMs: number;
}

/** What came out, as pairs of words and values. */
export type Findings = Record<string, string | number>;
export type Story = (cluster: GossipCluster, settings: StorySettings) => Findings;

/** Nothing spreads for longer than this at any size that we simulate, unless it never does. */
const LIMIT_MS = minutes(3);
const PARTITION_MS = seconds(20);
const SETTLE_LIMIT_MS = minutes(10);
const SETTLE_STEP_MS = seconds(2);

export const stories = {
  join: (cluster) => report("join", measureJoin(cluster, anyone(cluster), LIMIT_MS)),
  update: (cluster) => report("update", measureUpdate(cluster, anyone(cluster), LIMIT_MS)),
  leave: (cluster) => report("leave", measureLeave(cluster, anyone(cluster), LIMIT_MS)),
  crash: (cluster) => {
    const { suspectedMs, ...reach } = measureCrash(cluster, anyone(cluster), LIMIT_MS);
    return { "first suspicion ms": Math.round(suspectedMs), ...report("death", reach) };
  },
  partition: (cluster) => {
    const alarms = new FalseAlarms(cluster);
    const cut = partition(cluster);
    cluster.run(PARTITION_MS);
    cut.heal();
    alarms.stop();
    return { "suspected across the cut": alarms.suspicions, "held dead across the cut": alarms.deaths };
  },
  slow: (cluster, { durationMs }) => {
    const alarms = new FalseAlarms(cluster);
    const slow = slowDown(cluster, { ...slowLoops, share: 0.05, untilMs: cluster.now() + durationMs });
    cluster.run(durationMs);
    alarms.stop();
    return { "slow nodes": slow.length, "false suspicions": alarms.suspicions, "false deaths": alarms.deaths };
  },
  churn: (cluster, { durationMs }) => {
    const counts = churn(cluster, { stepMs: 2_000, untilMs: cluster.now() + durationMs });
    cluster.run(durationMs);
    return { ...counts };
  },
} as const satisfies Record<string, Story>;

export type StoryName = keyof typeof stories;

export interface Outcome {
  readonly findings: Findings;
  /** What was still wrong when the cluster should have been at peace. */
  readonly problems: readonly string[];
}

/** Form a cluster, tell one story, let it settle, look closely. */
export function tell(name: StoryName, cluster: GossipCluster, settings: StorySettings): Outcome {
  const started = cluster.now();
  formByJoining(cluster, settings.nodes);
  const formationMs = settle(cluster);
  if (formationMs === undefined) {
    return { findings: {}, problems: ["the cluster does not form", ...violations(cluster)] };
  }
  const before = cluster.traffic();
  const storyAt = cluster.now();
  const told: Findings = stories[name](cluster, settings);
  const settledMs = settle(cluster);
  const lastedSeconds = (cluster.now() - storyAt) / 1_000;
  const { datagrams, datagramBytes } = cluster.traffic(before);
  const share = 1 / (cluster.nodes.length * lastedSeconds);
  const findings: Findings = {
    "formed after ms": Math.round(formationMs - started),
    ...told,
    "settled after ms": settledMs === undefined ? "never" : Math.round(settledMs),
    "packets per node and second": Number((datagrams * share).toFixed(2)),
    "bytes per node and second": Math.round(datagramBytes * share),
  };
  return { findings, problems: settledMs === undefined ? violations(cluster) : [] };
}

/** Let time pass until nothing is wrong any more; answers how long that took, or `undefined` after ten minutes. */
export function settle(cluster: GossipCluster, limitMs = SETTLE_LIMIT_MS): number | undefined {
  const started = cluster.now();
  while (cluster.now() - started < limitMs) {
    if (cluster.countsAgree() && violations(cluster).length === 0) return cluster.now() - started;
    cluster.run(SETTLE_STEP_MS);
  }
  return undefined;
}

/** One of those who are up, drawn from the seed. */
export function anyone(cluster: GossipCluster): GossipNode {
  const up = cluster.up();
  return up[below(cluster.world.random(`anyone ${cluster.now()}`), up.length)]!;
}

function report(what: string, reach: Reach): Findings {
  return {
    [`${what}: first ms`]: Math.round(reach.firstMs),
    [`${what}: p50 ms`]: Math.round(reach.p50Ms),
    [`${what}: p99 ms`]: Math.round(reach.p99Ms),
    [`${what}: all ms`]: Math.round(reach.maxMs),
    [`${what}: missing`]: reach.missing,
  };
}
