/**
 * Who has a part in which network: our own attachments, and what others tell of theirs.
 * Source: moby `networkdb/networkdb.go` (`JoinNetwork`, `LeaveNetwork`), `delegate.go` (`handleNetworkEvent`).
 */
import type { Endpoint } from "../port/endpoint.ts";
import { newQueue, type TablesContext } from "./engine-context.ts";
import type { EntryEngine } from "./engine-entries.ts";
import type { RepairEngine } from "./engine-repairs.ts";
import {
  ATTACHMENT_OVERHEAD_BYTES,
  ATTACHMENTS_MAX,
  NETWORK_TOMBSTONE_MS,
  NETWORKS_MAX,
  STATE_BYTES_MAX,
  TOMBSTONE_MEMORY_MS,
} from "./limits.ts";
import type { NetworkEntry, NetworkEvent } from "./messages.ts";

/** How a network event came here. */
export interface NetworkWay {
  readonly from: Endpoint | undefined;
  /** In a state exchange with somebody who vouches that it is true now, however old it is. */
  readonly isFresh: boolean;
  /** The bytes of the event if it came as a rumour; then it is told on if it is news. */
  readonly rumour?: Uint8Array;
}

export class NetworkEngine {
  readonly #context: TablesContext;
  readonly #entries: EntryEngine;
  readonly #repairs: RepairEngine;

  constructor(context: TablesContext, entries: EntryEngine, repairs: RepairEngine) {
    this.#context = context;
    this.#entries = entries;
    this.#repairs = repairs;
  }

  /** Take part. False: we do already, or in too many. */
  join(network: string): boolean {
    const { own } = this.#context;
    if (own.has(network) || own.size >= NETWORKS_MAX) return false;
    own.set(network, { id: network, queue: newQueue(), rebroadcasts: newQueue(), inSync: false });
    this.#announce(network, "join");
    return true;
  }

  leave(network: string): void {
    if (!this.#context.own.delete(network)) return;
    this.#announce(network, "leave");
    this.#entries.forgetNetwork(network);
  }

  /** Say again where we take part and what we have there: somebody made others lose it. */
  reannounce(): void {
    for (const network of this.#context.own.values()) {
      this.#announce(network.id, "join");
      this.#entries.reissueAll(network);
    }
  }

  receive(event: NetworkEvent, { from, isFresh, rumour }: NetworkWay): void {
    const { networkClock, nodes, attachments, now } = this.#context;
    if (!networkClock.witness(event.lTime, now)) {
      this.#context.drop("lamportJump", from, `a network event at ${event.lTime}`);
      return;
    }
    if (this.#context.isSelf(event.node)) {
      this.#setRight(event);
      return;
    }
    const node = nodes.get(event.node);
    const known = attachments.get(event.node, event.network);
    if (node === undefined || (known === undefined && (event.type === "leave" || node.state !== "active"))) return;
    if (known !== undefined && known.lTime >= event.lTime) return;
    if (!isFresh && event.lTime <= node.heard.settled("network", now)) {
      this.#context.drop("replayed", from, `an attachment of ${event.node}, as it was long ago`);
      return;
    }
    if (known === undefined && !this.#hasRoom(event.node)) {
      this.#context.drop("oversize", from, `too many attachments, of ${event.node} or of all`);
      return;
    }
    node.heard.hear("network", event.lTime, now);
    this.#apply(event);
    if (rumour !== undefined) this.#context.broadcastNetwork(event, rumour);
  }

  /** One row of a state exchange. */
  merge({ network, lTime, node, leaving }: NetworkEntry, way: NetworkWay): void {
    this.receive({ kind: "networkEvent", type: leaving ? "leave" : "join", lTime, node, network }, way);
  }

  /** Our attachments, at one new moment: who joins a cluster makes them news. */
  stamp(): void {
    const { networkClock, attachments, name, own } = this.#context;
    const lTime = networkClock.tick();
    for (const network of own.keys()) attachments.set(name, network, { lTime, isLeaving: false });
  }

  /** What is known, for a state exchange: ours first, and not more than peers take. */
  rows(): NetworkEntry[] {
    const { attachments, name, now } = this.#context;
    const rows: NetworkEntry[] = [];
    let bytes = 0;
    for (const wantsOwn of [true, false]) {
      for (const [node, network, { lTime, isLeaving, toldUntil = 0 }] of attachments.all()) {
        if ((node === name) !== wantsOwn || (isLeaving && now >= toldUntil)) continue;
        bytes += ATTACHMENT_OVERHEAD_BYTES + node.length + network.length;
        if (bytes > STATE_BYTES_MAX) return rows;
        rows.push({ network, lTime, node, leaving: isLeaving });
      }
    }
    return rows;
  }

  /** Attachments that ended long enough ago. */
  reap(): void {
    const { attachments, now } = this.#context;
    const rememberMs = TOMBSTONE_MEMORY_MS - NETWORK_TOMBSTONE_MS;
    for (const [node, network, { isLeaving, toldUntil = 0 }] of attachments.all()) {
      if (isLeaving && now >= toldUntil + rememberMs) attachments.delete(node, network);
    }
  }

  #hasRoom(node: string): boolean {
    const { attachments } = this.#context;
    return attachments.size < ATTACHMENTS_MAX && attachments.countOf(node) < NETWORKS_MAX;
  }

  #announce(network: string, type: NetworkEvent["type"]): void {
    const { networkClock, attachments, name, now } = this.#context;
    const lTime = networkClock.tick();
    const isLeaving = type === "leave";
    const ended = isLeaving ? { toldUntil: now + NETWORK_TOMBSTONE_MS } : {};
    attachments.set(name, network, { lTime, isLeaving, ...ended });
    this.#context.broadcastNetwork({ kind: "networkEvent", type, lTime, node: name, network });
  }

  #apply({ type, lTime, node, network }: NetworkEvent): void {
    const { attachments, nodes, now } = this.#context;
    if (type === "join") {
      const { entriesAfter = 0 } = attachments.get(node, network) ?? {};
      attachments.set(node, network, { lTime, isLeaving: false, entriesAfter });
      return;
    }
    const entriesAfter = nodes.get(node)?.heard.latest.table ?? 0;
    attachments.set(node, network, { lTime, isLeaving: true, toldUntil: now + NETWORK_TOMBSTONE_MS, entriesAfter });
    this.#entries.deleteAllOf(node, network);
  }

  /** What is said of our own attachments and is not true is answered with the truth, at a later time. */
  #setRight({ network, lTime, type }: NetworkEvent): void {
    const { attachments, name, own } = this.#context;
    if (own.has(network) === (type === "join")) return;
    const known = attachments.get(name, network);
    if (known !== undefined ? lTime < known.lTime : !this.#hasRoom(name)) return;
    this.#repairs.request("attachment", network, `somebody said that we ${type} network ${network}`, () => {
      const ours = own.get(network);
      this.#announce(network, ours === undefined ? "leave" : "join");
      if (ours !== undefined) this.#entries.reissueAll(ours);
    });
  }
}
