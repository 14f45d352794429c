/** One NetworkDB engine on one simulated gossip node: what `tables/service.ts` is to real sockets. */
import type { GossipEffect } from "../gossip/effects.ts";
import type { Cancel } from "../port/clock.ts";
import type { EntryChange, TablesEffect, TablesInput } from "../tables/effects.ts";
import { TablesEngine } from "../tables/engine.ts";
import type { TablesMessage } from "../tables/messages.ts";
import type { GossipNode, UpperLayer } from "./gossip-node.ts";
import { SeededRandom } from "./random.ts";

const WATCH_ALL = 0;

export class TablesLayer implements UpperLayer {
  readonly delegate: TablesEngine;
  readonly node: GossipNode;
  readonly #seen: (layer: TablesLayer, change: EntryChange) => void;
  #requests = 0;
  #armedAt = Number.POSITIVE_INFINITY;
  #disarm: Cancel = () => undefined;

  constructor(
    node: GossipNode,
    { seed, decode }: { readonly seed: number; readonly decode: (bytes: Uint8Array) => TablesMessage },
    seen: (layer: TablesLayer, change: EntryChange) => void,
  ) {
    this.node = node;
    this.#seen = seen;
    const { name, endpoint } = node;
    const options = { name, endpoint, packetBytes: 1_400, retransmitMult: 4 };
    this.delegate = new TablesEngine(options, { random: new SeededRandom(seed, `tables ${name}`), decode });
  }

  start(): void {
    this.give({ on: "start" });
    this.give({ on: "watch", watch: WATCH_ALL });
  }

  /** Create, update or delete an entry of ours in the one table of the simulation. */
  change(type: EntryChange["type"], network: string, key: string, value: Uint8Array): void {
    this.give({ on: "change", request: ++this.#requests, type, network, table: "table", key, value });
  }

  hear(effect: GossipEffect): void {
    if (effect.do === "tell" || effect.do === "userMessage" || effect.do === "remoteState") {
      this.give({ on: "notice", notice: effect });
    } else if (effect.do === "joinDone") this.give({ on: "joinDone", join: effect.join, fault: effect.fault });
    else if (effect.do === "sendDone") this.give({ on: "sendDone", send: effect.send, fault: effect.fault });
  }

  give(input: TablesInput | { readonly on: "wake" }): void {
    if (this.node.status === "down") return;
    for (const effect of this.delegate.step(this.node.host.now(), input)) this.#perform(effect);
    this.#arm();
  }

  #perform(effect: TablesEffect): void {
    const { node } = this;
    if (effect.do === "sendBestEffort") node.input({ on: "sendBestEffort", to: effect.to, payload: effect.payload });
    else if (effect.do === "sendReliable") {
      node.input({ on: "sendReliable", send: effect.send, to: effect.to, payload: effect.payload });
    } else if (effect.do === "join") node.input({ on: "join", join: effect.join, to: effect.to });
    else if (effect.do === "entry") this.#seen(this, effect.change);
  }

  #arm(): void {
    const deadline = this.delegate.deadline();
    if (deadline >= this.#armedAt) return;
    this.#disarm();
    this.#armedAt = deadline;
    this.#disarm = this.node.host.alarm(deadline, () => {
      this.#armedAt = Number.POSITIVE_INFINITY;
      if (this.delegate.deadline() <= this.node.host.now()) this.give({ on: "wake" });
      else this.#arm();
    });
  }
}
