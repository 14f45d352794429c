/**
 * Who has a part in which network: our own attachments, and what others tell of theirs.
 * Source: moby `networkdb/networkdb.go` (`JoinNetwork`, `LeaveNetwork`), `delegate.go` (`handleNetworkEvent`).
 */
import type { Endpoint } from "../port/endpoint.ts";
import { newQueue, type TablesContext } from "./engine-context.ts";
import type { EntryEngine } from "./engine-entries.ts";
import { ATTACHMENTS_MAX, NETWORK_TOMBSTONE_MS } from "./limits.ts";
import type { NetworkEntry, NetworkEvent } from "./messages.ts";

export class NetworkEngine {
  readonly #context: TablesContext;
  readonly #entries: EntryEngine;

  constructor(context: TablesContext, entries: EntryEngine) {
    this.#context = context;
    this.#entries = entries;
  }

  /** Take part. False: we do already. */
  join(network: string): boolean {
    const { own } = this.#context;
    if (own.has(network)) return false;
    own.set(network, { id: network, queue: newQueue(), rebroadcasts: newQueue(), inSync: false });
    this.#announce(network, "join");
    return true;
  }

  leave(network: string): void {
    if (!this.#context.own.delete(network)) return;
    this.#announce(network, "leave");
    this.#entries.forgetNetwork(network);
  }

  /** `rumour`: the bytes of the event if it came as one; then it is told on if it is news. */
  receive(event: NetworkEvent, from: Endpoint | undefined, rumour?: Uint8Array): void {
    const { networkClock, nodes, attachments } = this.#context;
    if (!networkClock.witness(event.lTime)) {
      this.#context.drop("lamportJump", from, `a network event at ${event.lTime}`);
      return;
    }
    if (this.#context.isSelf(event.node)) {
      this.#setRight(event);
      return;
    }
    const node = nodes.get(event.node);
    const known = attachments.get(event.node, event.network);
    if (known === undefined && (event.type === "leave" || node?.state !== "active")) return;
    if (known !== undefined && known.lTime >= event.lTime) return;
    if (known === undefined && attachments.size >= ATTACHMENTS_MAX) {
      this.#context.drop("oversize", from, "too many attachments");
      return;
    }
    this.#apply(event);
    if (rumour !== undefined) this.#context.broadcastNetwork(event, rumour);
  }

  /** One row of a state exchange. */
  merge({ network, lTime, node, leaving }: NetworkEntry, from: Endpoint | undefined): void {
    this.receive({ kind: "networkEvent", type: leaving ? "leave" : "join", lTime, node, network }, from);
  }

  /** Our attachments, at one new moment: who joins a cluster makes them news. */
  stamp(): void {
    const { networkClock, attachments, name, own } = this.#context;
    const lTime = networkClock.tick();
    for (const network of own.keys()) attachments.set(name, network, { lTime, isLeaving: false, forgetAt: 0 });
  }

  /** Everything that is known, for a state exchange. */
  rows(): NetworkEntry[] {
    const rows: NetworkEntry[] = [];
    for (const [node, network, { lTime, isLeaving }] of this.#context.attachments.all()) {
      rows.push({ network, lTime, node, leaving: isLeaving });
    }
    return rows;
  }

  /** Attachments that ended long enough ago. */
  reap(): void {
    const { attachments, now } = this.#context;
    for (const [node, network, { isLeaving, forgetAt }] of [...attachments.all()]) {
      if (isLeaving && now >= forgetAt) attachments.delete(node, network);
    }
  }

  #announce(network: string, type: NetworkEvent["type"]): void {
    const { networkClock, attachments, name, now } = this.#context;
    const lTime = networkClock.tick();
    const isLeaving = type === "leave";
    attachments.set(name, network, { lTime, isLeaving, forgetAt: isLeaving ? now + NETWORK_TOMBSTONE_MS : 0 });
    this.#context.broadcastNetwork({ kind: "networkEvent", type, lTime, node: name, network });
  }

  #apply({ type, lTime, node, network }: NetworkEvent): void {
    const { attachments, now } = this.#context;
    const isLeaving = type === "leave";
    attachments.set(node, network, { lTime, isLeaving, forgetAt: isLeaving ? now + NETWORK_TOMBSTONE_MS : 0 });
    if (isLeaving) this.#entries.deleteAllOf(node, network);
  }

  /** What is said of our own attachments and is not true is answered with the truth, at a later time. */
  #setRight({ network, lTime, type }: NetworkEvent): void {
    const { attachments, name, own } = this.#context;
    const takesPart = own.has(network);
    if (takesPart === (type === "join")) return;
    const known = attachments.get(name, network);
    if (known !== undefined && lTime < known.lTime) return;
    this.#context.repaired("attachment", `somebody said that we ${type} network ${network}`);
    this.#announce(network, takesPart ? "join" : "leave");
  }
}
