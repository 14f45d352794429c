/**
 * Things that go wrong in a cluster for a while, all drawn from its seed: slow event loops, cuts, churn.
 */
import { below, shuffle } from "../base/random.ts";
import type { GossipCluster } from "./gossip-cluster.ts";
import type { GossipNode } from "./gossip-node.ts";
import type { Cut } from "./network.ts";
import { between, exponential, type SeededRandom } from "./random.ts";

export interface SlowOptions {
  /** Which share (0..1) of the nodes is slow. */
  readonly share: number;
  readonly blockMinMs: number;
  readonly blockMaxMs: number;
  /** Mean pause between the end of one block and the start of the next. */
  readonly pauseMeanMs: number;
  readonly untilMs: number;
}

/** Event loops that block 0.5 to 3 s at a time, about every 10 s. */
export const slowLoops = { blockMinMs: 500, blockMaxMs: 3_000, pauseMeanMs: 8_000 } as const;

/** Make some nodes slow, at least one; answers which. */
export function slowDown(cluster: GossipCluster, options: SlowOptions): GossipNode[] {
  const random = cluster.world.random(`slow ${cluster.now()}`);
  const count = Math.max(1, Math.round(cluster.nodes.length * options.share));
  const slow = shuffle(random, cluster.up()).slice(0, count);
  for (const node of slow) {
    const again = (): void => {
      const startMs = cluster.now() + exponential(random, options.pauseMeanMs);
      if (startMs >= options.untilMs) return;
      const blockMs = between(random, options.blockMinMs, options.blockMaxMs);
      cluster.world.at(startMs, () => node.host.block(blockMs));
      cluster.world.at(startMs + blockMs, again);
    };
    again();
  }
  return slow;
}

/** Cut a share of the nodes off from all others. */
export function partition(cluster: GossipCluster, share = 0.5, options: { readonly oneWay?: boolean } = {}): Cut {
  const random = cluster.world.random(`partition ${cluster.now()}`);
  const mixed = shuffle(
    random,
    cluster.nodes.map(({ index }) => index),
  );
  const count = Math.round(mixed.length * share);
  return cluster.network.cut(mixed.slice(0, count), mixed.slice(count), options);
}

export interface ChurnCounts {
  joins: number;
  leaves: number;
  crashes: number;
  restarts: number;
}

/** Every `stepMs`, one node comes, goes, dies or comes back. Keeps at least half of the nodes up. */
export function churn(
  cluster: GossipCluster,
  options: { readonly stepMs: number; readonly untilMs: number },
): ChurnCounts {
  const random = cluster.world.random(`churn ${cluster.now()}`);
  const counts: ChurnCounts = { joins: 0, leaves: 0, crashes: 0, restarts: 0 };
  const step = (): void => {
    if (cluster.now() >= options.untilMs) return;
    disturb(cluster, random, counts);
    cluster.world.after(options.stepMs, step);
  };
  step();
  return counts;
}

function disturb(cluster: GossipCluster, random: SeededRandom, counts: ChurnCounts): void {
  const up = cluster.up();
  const down = cluster.nodes.filter(({ status }) => status === "down");
  const someone = up[below(random, up.length)]!;
  const what = below(random, 4);
  const canGo = up.length > cluster.nodes.length / 2;
  if (what === 0 && canGo) {
    counts.leaves += 1;
    goodbye(cluster, someone);
  } else if (what === 1 && canGo) {
    counts.crashes += 1;
    someone.crash();
  } else if (what === 2 && down.length > 0) {
    counts.restarts += 1;
    const back = down[below(random, down.length)]!;
    back.restart();
    back.join(someone.endpoint);
  } else {
    counts.joins += 1;
    const newcomer = cluster.add(1)[0]!;
    newcomer.start();
    newcomer.join(someone.endpoint);
  }
}

/** Leave, keep talking until the word is out, then switch off. */
function goodbye(cluster: GossipCluster, node: GossipNode): void {
  node.leave();
  cluster.world.after(GOODBYE_MS, () => node.host.crash());
}

const GOODBYE_MS = 5_000;
