/**
 * Many gossip engines in one simulated world.
 *
 * Owns the hosts, the network between them and the trace of what they did; knows who is up. What happens to the nodes
 * (joins, crashes, cuts) is the caller's story: see `gossip-stories.ts`. Two fidelities: `messages` hands message
 * objects over as they are, `wire` encodes, compresses, encrypts and decodes every packet.
 */
import { assert } from "../base/assert.ts";
import { type GossipConfig, lan } from "../gossip/config.ts";
import type { GossipEffect, MemberEvent } from "../gossip/effects.ts";
import { allImprovements, type Improvements } from "../gossip/improvements.ts";
import { type Carrier, type DatagramPayload, messageCarrier, type StreamPayload } from "./gossip-carrier.ts";
import { GossipNode, type UpperLayer } from "./gossip-node.ts";
import { traceEffect } from "./gossip-trace.ts";
import { Host } from "./host.ts";
import { type Link, Network, quietLink } from "./network.ts";
import { between } from "./random.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

export interface ClusterOptions {
  readonly seed: number;
  readonly config?: GossipConfig;
  readonly link?: Partial<Link>;
  /** A carrier per node; message objects without encoding if left out. */
  readonly carrier?: (index: number) => Carrier;
  /** Fold every effect into the trace; costs about a quarter of the speed. */
  readonly trace?: boolean;
  /** Clocks run up to this much too fast or too slow. */
  readonly driftPpmMax?: number;
  /** Default: all, as in a real node. */
  readonly improvements?: Improvements;
  /** What rides on each node's gossip. */
  readonly upper?: (node: GossipNode) => UpperLayer;
}

/** Hears every event of every node. */
export type EventListener = (index: number, event: MemberEvent, now: number) => void;

const PORT = 7946;
const RUN_SLICE_MS = 50;

export class GossipCluster {
  readonly world: World;
  readonly network: Network<DatagramPayload, StreamPayload>;
  readonly nodes: GossipNode[] = [];
  readonly trace = new Trace();
  readonly config: GossipConfig;
  readonly #options: ClusterOptions;
  readonly #byName = new Map<string, GossipNode>();
  readonly #listeners = new Set<EventListener>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.config = options.config ?? lan;
    this.world = new World({ seed: options.seed });
    this.network = new Network(this.world, { ...quietLink, ...options.link });
  }

  /** Make nodes that are not started yet. */
  add(count: number): GossipNode[] {
    const first = this.nodes.length;
    for (let made = 0; made < count; made++) this.#make(first + made);
    return this.nodes.slice(first);
  }

  node(name: string): GossipNode | undefined {
    return this.#byName.get(name);
  }

  /** The nodes that take part now. */
  up(): GossipNode[] {
    return this.nodes.filter(({ status }) => status === "up");
  }

  /** Hear every event from now on, until the answer is called. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  now(): number {
    return this.world.now();
  }

  /** Let time pass; stops within 50 ms of `done` becoming true. Answers whether it did. */
  run(durationMs: number, done?: () => boolean): boolean {
    const end = this.now() + durationMs;
    if (done === undefined) return this.world.runUntil(end);
    while (this.now() < end) {
      if (done()) return true;
      this.world.runUntil(Math.min(end, this.now() + RUN_SLICE_MS));
    }
    return done();
  }

  /** Does everybody who is up count as many members alive as there are? Cheap; `violations` looks closely. */
  countsAgree(): boolean {
    const up = this.up();
    return up.every(({ aliveCount }) => aliveCount === up.length);
  }

  /** Traffic of all nodes since `before` (of an earlier call), or since the start. */
  traffic(before?: ClusterTraffic): ClusterTraffic {
    const sum: ClusterTraffic = { datagrams: 0, datagramBytes: 0, streams: 0, streamBytes: 0 };
    for (const { attachment } of this.nodes) {
      sum.datagrams += attachment.traffic.datagramsSent;
      sum.datagramBytes += attachment.traffic.datagramBytesSent;
      sum.streams += attachment.traffic.exchanges;
      sum.streamBytes += attachment.traffic.streamBytesSent;
    }
    if (before !== undefined) {
      sum.datagrams -= before.datagrams;
      sum.datagramBytes -= before.datagramBytes;
      sum.streams -= before.streams;
      sum.streamBytes -= before.streamBytes;
    }
    return sum;
  }

  #make(index: number): void {
    const { seed, driftPpmMax = 0, carrier, improvements = allImprovements, upper } = this.#options;
    const random = this.world.random(`host ${index}`);
    const driftPpm = driftPpmMax === 0 ? 0 : between(random, -driftPpmMax, driftPpmMax);
    const host = new Host(this.world, { driftPpm, clockStartMs: Math.floor(between(random, 0, 1e6)) });
    const addr = addressOf(index);
    const node = new GossipNode(
      {
        index,
        name: `node-${index}`,
        addr,
        endpoint: { address: addr.join("."), port: PORT },
        seed,
        config: this.config,
        encrypted: true,
        improvements,
        upper,
      },
      host,
      this.network,
      carrier?.(index) ?? messageCarrier,
      { effect: this.#effect, event: this.#event },
    );
    this.nodes.push(node);
    this.#byName.set(node.name, node);
  }

  readonly #effect = (index: number, effect: GossipEffect): void => {
    if (this.#options.trace === true) traceEffect(this.trace, this.world.now(), index, effect);
  };

  readonly #event = (index: number, event: MemberEvent): void => {
    for (const listener of this.#listeners) listener(index, event, this.world.now());
  };
}

export interface ClusterTraffic {
  datagrams: number;
  datagramBytes: number;
  streams: number;
  streamBytes: number;
}

/** 10.x.y.z, never ending in 0. */
function addressOf(index: number): Uint8Array {
  assert(index < 250 * 250 * 250, "too many nodes");
  return Uint8Array.of(10, Math.floor(index / 62_500), Math.floor(index / 250) % 250, 1 + (index % 250));
}
