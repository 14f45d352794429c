/**
 * A simulated cluster with NetworkDB on every node: networks that some of the nodes have a part in, records that their
 * owners change, and the truth about both, so that after a time of peace everybody can be asked what it sees.
 */
import { below, shuffle } from "../base/random.ts";
import type { EntryChange } from "../tables/effects.ts";
import { decodeTablesMessage } from "../tables/message-codec.ts";
import type { TablesMessage } from "../tables/messages.ts";
import { GossipCluster } from "./gossip-cluster.ts";
import { formWarm } from "./gossip-formation.ts";
import type { GossipNode } from "./gossip-node.ts";
import type { SeededRandom } from "./random.ts";
import { TablesLayer } from "./tables-layer.ts";

export interface TablesClusterOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly networks: number;
  readonly networksPerNode: number;
  /** Share (0..1) of datagrams, and of trips of streams, that are lost. */
  readonly loss: number;
}

interface Truth {
  readonly network: string;
  readonly key: string;
  owner: TablesLayer;
  value: string;
}

/** A change under way: when it was made, and how many have not seen it yet. */
interface Pending {
  readonly madeAt: number;
  readonly value: string;
  readonly waiting: Set<TablesLayer>;
}

const VIOLATIONS_SHOWN = 20;

export class TablesCluster {
  readonly cluster: GossipCluster;
  readonly layers: TablesLayer[] = [];
  /** Times from a change until each who should see it did, ms. */
  readonly reachMs: number[] = [];
  readonly #options: TablesClusterOptions;
  readonly #random: SeededRandom;
  readonly #attached = new Map<TablesLayer, string[]>();
  readonly #members = new Map<string, Set<TablesLayer>>();
  readonly #truth = new Map<string, Truth>();
  /** What each node sees: place -> value. */
  readonly #views = new Map<TablesLayer, Map<string, string>>();
  readonly #pending = new Map<string, Pending>();
  /** The same bytes reach many nodes; each is decoded once. */
  readonly #decoded = new WeakMap<Uint8Array, TablesMessage>();
  #changes = 0;

  constructor(options: TablesClusterOptions) {
    this.#options = options;
    const { seed, nodes } = options;
    this.cluster = new GossipCluster({ seed, driftPpmMax: 50, upper: (node) => this.#layer(node) });
    this.#random = this.cluster.world.random("tables");
    formWarm(this.cluster, nodes);
    this.layers.splice(0, this.layers.length, ...new Set(this.layers.slice(-nodes)));
    this.cluster.network.setLink({ loss: options.loss });
  }

  get records(): number {
    return this.#truth.size;
  }

  /** Every node takes part in some networks, over a while, and makes its share of records. */
  populate(records: number, overMs: number): void {
    const { networks, networksPerNode } = this.#options;
    const names = Array.from({ length: networks }, (_, index) => `network-${index}`);
    for (const [index, layer] of this.layers.entries()) {
      const own = Array.from({ length: networksPerNode }, (_, at) => names[(index + at * 7) % networks]!);
      this.cluster.world.after((overMs * index) / this.layers.length, () => {
        for (const network of own) this.#attach(layer, network);
        const share = Math.ceil(records / this.layers.length);
        for (let made = 0; made < share; made++) this.#create(layer);
      });
    }
    this.cluster.run(overMs);
  }

  /** Change something at random: mostly updates, some creations and deletions. */
  disturb(): void {
    const up = this.#up();
    const layer = up[below(this.#random, up.length)]!;
    const own = [...this.#truth.values()].filter(({ owner }) => owner === layer);
    const dice = below(this.#random, 4);
    const one = own[below(this.#random, Math.max(1, own.length))];
    if (one === undefined || dice === 0) this.#create(layer);
    else if (dice === 1) this.#remove(one);
    else this.#update(one);
  }

  /** Power off; its records are nobody's from now on. */
  crash(layer: TablesLayer): void {
    layer.node.crash();
    this.#drop(layer);
  }

  /** Take a node at random that may fail. */
  anyone(): TablesLayer {
    const up = this.#up();
    return up[below(this.#random, up.length)]!;
  }

  /** A newcomer, which joins through somebody and takes part in some networks. */
  newcomer(): void {
    const through = this.anyone().node;
    const node = this.cluster.add(1)[0]!;
    node.start();
    node.join(through.endpoint);
    const layer = this.layers.at(-1)!;
    const names = shuffle(this.#random, [...this.#members.keys()]).slice(0, this.#options.networksPerNode);
    this.cluster.world.after(1_000, () => {
      for (const network of names) this.#attach(layer, network);
      this.#create(layer);
    });
  }

  /** What is wrong once there was peace, in words: every attached node sees the truth, the whole of it and no more. */
  violations(): string[] {
    const found: string[] = [];
    for (const [network, members] of this.#members) {
      for (const layer of members) {
        if (layer.node.status !== "up") continue;
        for (const problem of this.#judge(layer, network)) {
          found.push(problem);
          if (found.length >= VIOLATIONS_SHOWN) return [...found, "... and more"];
        }
      }
    }
    return found;
  }

  #judge(layer: TablesLayer, network: string): string[] {
    const problems: string[] = [];
    const say = (what: string): number => problems.push(`${layer.node.name} ${what}`);
    const view = this.#views.get(layer) ?? new Map<string, string>();
    for (const [place, { owner, value, network: where }] of this.#truth) {
      if (where !== network || owner === layer) continue;
      const seen = view.get(place);
      if (seen !== value) say(`sees ${place} of ${owner.node.name} as ${seen}, not ${value}`);
    }
    for (const place of view.keys()) {
      if (place.startsWith(`${network}/`) && !this.#truth.has(place)) say(`sees ${place}, which is gone`);
    }
    return problems;
  }

  readonly #decode = (bytes: Uint8Array): TablesMessage => {
    let message = this.#decoded.get(bytes);
    if (message === undefined) {
      message = decodeTablesMessage(bytes);
      this.#decoded.set(bytes, message);
    }
    return message;
  };

  #up(): TablesLayer[] {
    return this.layers.filter(({ node }) => node.status === "up");
  }

  #layer(node: GossipNode): TablesLayer {
    const layer = new TablesLayer(node, { seed: this.#options.seed, decode: this.#decode }, (seer, change) =>
      this.#saw(seer, change),
    );
    this.layers.push(layer);
    this.#views.set(layer, new Map());
    return layer;
  }

  #attach(layer: TablesLayer, network: string): void {
    const members = this.#members.get(network) ?? new Set();
    this.#members.set(network, members.add(layer));
    this.#attached.set(layer, [...(this.#attached.get(layer) ?? []), network]);
    layer.give({ on: "joinNetwork", network });
  }

  #create(layer: TablesLayer): void {
    const networks = this.#attached.get(layer) ?? [];
    const network = networks[below(this.#random, Math.max(1, networks.length))];
    if (network === undefined) return;
    const key = `key-${++this.#changes}`;
    const truth: Truth = { network, key, owner: layer, value: `v${this.#changes}` };
    this.#truth.set(`${network}/${key}`, truth);
    this.#tell(truth, "create");
  }

  #update(truth: Truth): void {
    truth.value = `v${++this.#changes}`;
    this.#tell(truth, "update");
  }

  #remove(truth: Truth): void {
    const place = `${truth.network}/${truth.key}`;
    this.#truth.delete(place);
    this.#pending.delete(place);
    truth.owner.change("delete", truth.network, truth.key, NOTHING);
  }

  #tell(truth: Truth, type: "create" | "update"): void {
    const { network, key, owner, value } = truth;
    const waiting = new Set([...(this.#members.get(network) ?? [])].filter((layer) => layer !== owner));
    this.#pending.set(`${network}/${key}`, { madeAt: this.cluster.now(), value, waiting });
    owner.change(type, network, key, new TextEncoder().encode(value));
  }

  #saw(layer: TablesLayer, { type, network, key, value }: EntryChange): void {
    const place = `${network}/${key}`;
    const view = this.#views.get(layer)!;
    if (type === "delete") {
      view.delete(place);
      return;
    }
    const text = new TextDecoder().decode(value);
    view.set(place, text);
    const pending = this.#pending.get(place);
    if (pending?.value !== text || !pending.waiting.delete(layer)) return;
    this.reachMs.push(this.cluster.now() - pending.madeAt);
    if (pending.waiting.size === 0) this.#pending.delete(place);
  }

  #drop(layer: TablesLayer): void {
    for (const [place, { owner }] of this.#truth) if (owner === layer) this.#truth.delete(place);
    for (const members of this.#members.values()) members.delete(layer);
  }
}

const NOTHING = new Uint8Array(0);
