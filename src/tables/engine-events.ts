/**
 * What others tell of entries: what is news, what is believed, and what is set right.
 *
 *   ours?              what is wrong is answered with the truth and a later time
 *   not newer?         nothing to do, unless somebody has missed a deletion
 *   old?               a recorded packet (`heard.ts`)
 *   signed as usual?   by its owner, and not over an entry that somebody else has signed
 *   room?              each owner has only so much
 *
 * Docker believes anybody who holds the cluster's key, and an owner there never looks after what was done to its
 * entries. Source: moby `networkdb/delegate.go` (`handleTableEvent`).
 */
import type { Endpoint } from "../port/endpoint.ts";
import { type KnownNode, type OwnNetwork, sameValue, type TablesContext } from "./engine-context.ts";
import { type EntryEngine, nameOf } from "./engine-entries.ts";
import type { RepairEngine } from "./engine-repairs.ts";
import type { Entry } from "./entries.ts";
import { DISOWNED_MAX, ENTRY_TOMBSTONE_MS, REBROADCASTS_MAX, TOMBSTONE_NEWS_MS } from "./limits.ts";
import type { TableEvent } from "./messages.ts";
import { signedBytes, splitSignature } from "./signature.ts";

/** How an event came here. */
export interface Way {
  readonly from: Endpoint | undefined;
  /** In a whole table. */
  readonly isBulk: boolean;
  /** Somebody vouches that it is true now, however old it is. */
  readonly isFresh: boolean;
}

export class EventEngine {
  readonly #context: TablesContext;
  readonly #entries: EntryEngine;
  readonly #repairs: RepairEngine;

  constructor(context: TablesContext, entries: EntryEngine, repairs: RepairEngine) {
    this.#context = context;
    this.#entries = entries;
    this.#repairs = repairs;
  }

  /** Somebody tells of an entry. `bytes`: the event as it came, to be told on. */
  receive(event: TableEvent, bytes: Uint8Array, way: Way): void {
    const { tableClock, own, counts, now } = this.#context;
    counts.received += 1;
    if (!tableClock.witness(event.lTime, now)) {
      this.#context.drop("lamportJump", way.from, `an event at ${event.lTime}`);
      return;
    }
    const network = own.get(event.network);
    if (network === undefined) return;
    if (this.#context.isSelf(event.node)) this.#aboutOurs(network, event, way);
    else this.#fromOther(network, event, bytes, way);
  }

  #fromOther(network: OwnNetwork, event: TableEvent, bytes: Uint8Array, way: Way): void {
    const { entries, attachments, nodes } = this.#context;
    const owner = nodes.get(event.node);
    if (owner === undefined || owner.state === "left" || attachments.get(event.node, network.id)?.isLeaving === true) {
      this.#context.drop("notAttached", way.from, `an entry of ${event.node} in ${network.id}`);
      return;
    }
    const old = entries.get(network.id, event.table, event.key);
    if (old !== undefined && this.#context.isSelf(old.owner) && !old.isDeleted) this.#defend(network, old, event);
    else if (old !== undefined && this.#isStale(old, event)) this.#notNews(network, old, event);
    else if (this.#isCredible(owner, event, old, way)) this.#accept(network, owner, event, bytes, way);
  }

  /** A tombstone that is only remembered stands in the way of nobody but its owner. */
  #isStale(old: Entry, event: TableEvent): boolean {
    if (old.lTime < event.lTime) return false;
    return !old.isDeleted || this.#context.now < old.toldUntil || old.owner === event.node;
  }

  /** Who says that an entry lives whose deletion nobody is told of any more has missed it, or was deceived. */
  #notNews(network: OwnNetwork, old: Entry, event: TableEvent): void {
    this.#context.counts.stale += 1;
    const hasMissedIt = old.isDeleted && event.type !== "delete" && this.#context.now >= old.toldUntil;
    if (hasMissedIt) this.#entries.retell(network, old);
  }

  #isCredible(owner: KnownNode, event: TableEvent, old: Entry | undefined, { from, isFresh }: Way): boolean {
    const { node, network, table, key, lTime } = event;
    const { attachments, now } = this.#context;
    const oldest = attachments.get(node, network)?.entriesAfter ?? 0;
    if (!isFresh && lTime <= Math.max(oldest, owner.heard.settled("table", now))) {
      this.#context.drop("replayed", from, `entry ${key} of ${table}, as ${node} had it long ago`);
      return false;
    }
    if (this.#isSignedWell(owner, event) && !this.#isSignedByAnother(old, event)) return true;
    this.#context.drop("badSignature", from, `entry ${key} of ${table}, said to be of ${node}`);
    return false;
  }

  /** Once a node has signed, it signs everything. */
  #isSignedWell(owner: KnownNode, { network, table, key, node, lTime, type, value }: TableEvent): boolean {
    const { verifier } = this.#context;
    if (verifier === undefined) return true;
    const { record, signature } = splitSignature(value);
    if (signature === undefined) return !owner.signs;
    const signed = { network, table, key, node, lTime, isDeleted: type === "delete", record };
    const verdict = verifier.verify(node, signedBytes(signed), signature);
    if (verdict === "valid") owner.signs = true;
    return verdict === "valid" || (verdict === "unknown" && !owner.signs);
  }

  /** An entry that lives and is signed is its owner's to give up, and nobody's to take. */
  #isSignedByAnother(old: Entry | undefined, { node }: TableEvent): boolean {
    if (old === undefined || old.isDeleted || old.owner === node) return false;
    return this.#context.nodes.get(old.owner)?.signs === true;
  }

  #accept(network: OwnNetwork, owner: KnownNode, event: TableEvent, bytes: Uint8Array, way: Way): void {
    const { entries, now } = this.#context;
    const { table, key, lTime } = event;
    const old = entries.get(network.id, table, key);
    const isDeleted = event.type === "delete";
    const lifeMs = event.residualReapTime > 0 ? event.residualReapTime * 1_000 : ENTRY_TOMBSTONE_MS;
    const entry: Entry = {
      network: network.id,
      table,
      key,
      owner: owner.name,
      lTime,
      value: event.value,
      isDeleted,
      isSuspended: owner.state === "failed",
      toldUntil: isDeleted ? now + Math.min(lifeMs, ENTRY_TOMBSTONE_MS) : 0,
    };
    if (!entries.makeRoom(entry, old, now)) {
      this.#context.drop("oversize", way.from, `no room for more of ${owner.name} in ${network.id}`);
      return;
    }
    owner.heard.hear("table", lTime, now);
    this.#attach(owner.name, network.id);
    entries.set(entry);
    this.#context.notify(old, entry);
    const isNews = old !== undefined || !isDeleted || (way.isBulk && lifeMs > TOMBSTONE_NEWS_MS);
    if (isNews) this.#tellOn(network, event, bytes, way);
  }

  /** Who owns an entry has a part in the network, even if the event that said so was lost. */
  #attach(node: string, network: string): void {
    const { attachments } = this.#context;
    if (!attachments.isAttached(node, network)) attachments.set(node, network, { lTime: 0, isLeaving: false });
  }

  #tellOn(network: OwnNetwork, event: TableEvent, bytes: Uint8Array, { isBulk }: Way): void {
    if (!network.inSync || (isBulk && network.rebroadcasts.size > REBROADCASTS_MAX)) return;
    network.rebroadcasts.push(nameOf(event), bytes);
  }

  /** Somebody else claims an entry that lives and is ours. */
  #defend(network: OwnNetwork, ours: Entry, { lTime, node, table, key, value }: TableEvent): void {
    if (lTime >= ours.lTime) this.#restore(network, { table, key, value }, `${node} claimed entry ${key} of ${table}`);
  }

  /** Somebody says in our name what we did not say, or no longer say. */
  #aboutOurs(network: OwnNetwork, { table, key, lTime, type, value }: TableEvent, { from }: Way): void {
    const { entries, name, now } = this.#context;
    const ours = entries.get(network.id, table, key);
    const isOurs = ours?.owner === name;
    const isForgotten = isOurs && ours.isDeleted && now >= ours.toldUntil;
    const isEcho =
      isOurs && lTime === ours.lTime && ours.isDeleted === (type === "delete") && sameValue(ours.value, value);
    if (isOurs && (isEcho || lTime < ours.lTime) && !(isForgotten && type !== "delete")) return;
    if (!isOurs && type === "delete") return;
    if (!isOurs && entries.countOf(network.id, name) >= DISOWNED_MAX) {
      this.#context.drop("oversize", from, `too much is said in our name in ${network.id}`);
      return;
    }
    const how = isOurs ? "changed" : "made";
    this.#restore(network, { table, key, value }, `entry ${key} of ${table} was ${how} in our name`);
  }

  /** Tell of an entry as it is with us; if it is not ours, that it is deleted, with the `value` that others know. */
  #restore(network: OwnNetwork, { table, key, value }: Pick<Entry, "table" | "key" | "value">, detail: string): void {
    this.#repairs.request("entry", `${network.id} ${table} ${key}`, detail, () => {
      if (this.#context.own.get(network.id) !== network) return;
      const ours = this.#context.entries.get(network.id, table, key);
      if (ours !== undefined && this.#context.isSelf(ours.owner)) this.#entries.reissue(network, ours);
      else this.#entries.issue(network, { table, key, record: splitSignature(value).record }, "delete");
    });
  }
}
