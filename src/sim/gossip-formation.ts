/**
 * How a simulated cluster comes to be: by joining, one node after the other, or warm, with everybody knowing
 * everybody from the start.
 */
import { below } from "../base/random.ts";
import type { GossipCluster } from "./gossip-cluster.ts";

/**
 * Start `count` nodes spread over `overMs`, and let that time pass; each joins through a random one that started before
 * it, and tries again until somebody answers.
 */
export function formByJoining(cluster: GossipCluster, count: number, overMs = 1_000): void {
  const random = cluster.world.random("formation");
  const nodes = cluster.add(count);
  for (const [order, node] of nodes.entries()) {
    const through = order === 0 ? undefined : nodes[below(random, order)];
    cluster.world.after((overMs * order) / count, () => {
      node.start();
      if (through !== undefined) joinUntilAnswered(cluster, node.index, through.index);
    });
  }
  cluster.run(overMs);
}

/** `count` nodes that know each other from the start, as if they had been together for long. */
export function formWarm(cluster: GossipCluster, count: number): void {
  const nodes = cluster.add(count);
  const known = nodes.map((node) => node.announcement());
  for (const node of nodes) node.startKnowing(known);
}

const JOIN_AGAIN_MS = 5_000;

function joinUntilAnswered(cluster: GossipCluster, index: number, through: number): void {
  const node = cluster.nodes[index]!;
  if (node.status !== "up" || node.aliveCount > 1) return;
  node.join(cluster.nodes[through]!.endpoint);
  cluster.world.after(JOIN_AGAIN_MS, () => joinUntilAnswered(cluster, index, through));
}
