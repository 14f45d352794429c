/**
 * How fast news travels in a cluster, and how often it is wrong.
 *
 * Each measurement does one thing to a cluster at rest, and lets time pass until everybody who is up knows, or until
 * its limit. `FalseAlarms` counts accusations of members that are up.
 */
import type { MemberEvent } from "../gossip/effects.ts";
import type { GossipCluster } from "./gossip-cluster.ts";
import type { GossipNode } from "./gossip-node.ts";
import { Spread } from "./spread.ts";

export interface Reach {
  /** The first to know, half of all, 99 % of all, everybody; milliseconds, `Infinity` if not within the limit. */
  readonly firstMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** How many never heard of it. */
  readonly missing: number;
}

export interface CrashReach extends Reach {
  /** The first suspicion anywhere. */
  readonly suspectedMs: number;
}

/** A new node joins through `through`: when do the others know? */
export function measureJoin(cluster: GossipCluster, through: GossipNode, limitMs: number): Reach {
  const newcomer = cluster.add(1)[0]!;
  newcomer.start();
  return spreadOf(
    cluster,
    newcomer,
    limitMs,
    ({ kind }) => kind === "join",
    () => newcomer.join(through.endpoint),
  );
}

/** `subject` announces a new meta: when do the others know? */
export function measureUpdate(cluster: GossipCluster, subject: GossipNode, limitMs: number): Reach {
  const meta = cluster.world.random(`meta ${cluster.now()}`).bytes(16);
  const isNews = ({ kind, member }: MemberEvent): boolean => kind === "update" && sameFirstBytes(member.meta, meta);
  return spreadOf(cluster, subject, limitMs, isNews, () => subject.updateMeta(meta));
}

/** `subject` says goodbye: when do the others know? */
export function measureLeave(cluster: GossipCluster, subject: GossipNode, limitMs: number): Reach {
  return spreadOf(
    cluster,
    subject,
    limitMs,
    ({ kind }) => kind === "leave",
    () => subject.leave(),
  );
}

/** `subject` loses power: when is it suspected, and when do the others hold it dead? */
export function measureCrash(cluster: GossipCluster, subject: GossipNode, limitMs: number): CrashReach {
  const startedAt = cluster.now();
  let suspectedMs = Number.POSITIVE_INFINITY;
  const stop = cluster.listen((_index, { kind, member }, now) => {
    if (kind === "suspect" && member.name === subject.name) suspectedMs = Math.min(suspectedMs, now - startedAt);
  });
  const reach = spreadOf(
    cluster,
    subject,
    limitMs,
    ({ kind }) => kind === "leave",
    () => subject.crash(),
  );
  stop();
  return { ...reach, suspectedMs };
}

/** Who, apart from `subject`, hears of an event about it that `isNews`, once `act` was done. */
export function spreadOf(
  cluster: GossipCluster,
  subject: GossipNode,
  limitMs: number,
  isNews: (event: MemberEvent) => boolean,
  act: () => void,
): Reach {
  const others = cluster.up().filter((node) => node !== subject);
  const spread = new Spread(
    cluster.now(),
    others.map(({ index }) => index),
    cluster.nodes.length,
  );
  const stop = cluster.listen((index, event, now) => {
    if (event.member.name === subject.name && isNews(event)) spread.reached(index, now);
  });
  act();
  cluster.run(limitMs, () => spread.complete);
  stop();
  return {
    firstMs: spread.quantileMs(0),
    p50Ms: spread.quantileMs(0.5),
    p99Ms: spread.quantileMs(0.99),
    maxMs: spread.quantileMs(1),
    missing: spread.missing,
  };
}

/** Accusations of members that were up all the time. One episode is one member at one incarnation. */
export class FalseAlarms {
  readonly #cluster: GossipCluster;
  readonly #suspicions = new Set<string>();
  readonly #deaths = new Set<string>();
  readonly #stop: () => void;
  /** How many nodes held a living member dead, all episodes together. */
  believers = 0;

  constructor(cluster: GossipCluster) {
    this.#cluster = cluster;
    this.#stop = cluster.listen((_index, event) => this.#hear(event));
  }

  get suspicions(): number {
    return this.#suspicions.size;
  }

  get deaths(): number {
    return this.#deaths.size;
  }

  stop(): void {
    this.#stop();
  }

  #hear({ kind, member }: MemberEvent): void {
    if (kind !== "suspect" && kind !== "leave") return;
    if (this.#cluster.node(member.name)?.status !== "up") return;
    const episode = `${member.name} ${member.incarnation}`;
    if (kind === "suspect") this.#suspicions.add(episode);
    else if (member.state === "dead") {
      this.#deaths.add(episode);
      this.believers += 1;
    }
  }
}

function sameFirstBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && other.every((byte, at) => byte === one[at]);
}
