/**
 * What becomes of entries: our own changes, what others tell, what time takes away.
 *
 * One owner, one Lamport time: strictly newer wins. Docker believes anybody who holds the cluster's key, and an owner
 * there never looks after what was done to its entries; here it does: what somebody else says of an entry of ours is
 * answered with the truth and a later time. Source: moby `networkdb/delegate.go` (`handleTableEvent`),
 * `networkdb.go` (`CreateEntry`, `UpdateEntry`, `DeleteEntry`), `cluster.go` (`reapTableEntries`).
 */
import { Fault } from "../base/fault.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { TablesInput } from "./effects.ts";
import type { KnownNode, OwnNetwork, TablesContext } from "./engine-context.ts";
import { type Entry, isVisible } from "./entries.ts";
import {
  ENTRIES_MAX,
  ENTRIES_OF_OWNER_MAX,
  ENTRY_TOMBSTONE_MS,
  REBROADCASTS_MAX,
  TOMBSTONE_MEMORY_MS,
  TOMBSTONE_NEWS_MS,
  VALUE_BYTES_MAX,
} from "./limits.ts";
import { encodeTablesMessage } from "./message-codec.ts";
import type { TableEvent } from "./messages.ts";
import { OVERLAY_PEER_TABLE } from "./records.ts";
import { signedBytes, splitSignature, withSignature } from "./signature.ts";

type Change = Extract<TablesInput, { on: "change" }>;

/** How an event came here. */
export interface Way {
  readonly from: Endpoint | undefined;
  readonly isBulk: boolean;
}

export class EntryEngine {
  readonly #context: TablesContext;

  constructor(context: TablesContext) {
    this.#context = context;
  }

  /** Do what the layer above asks, or say why not. */
  change(change: Change): Fault | undefined {
    const { own, entries, name } = this.#context;
    const { type, network, table, key, value } = change;
    const ours = own.get(network);
    if (ours === undefined) return new Fault("conflict", `this node is not attached to network ${network}`);
    if (value.length > VALUE_BYTES_MAX) return new Fault("invalid", `a value has at most ${VALUE_BYTES_MAX} bytes`);
    const old = entries.get(network, table, key);
    const lives = old !== undefined && !old.isDeleted;
    if (type === "create" && lives) return new Fault("conflict", `${table} has an entry ${key} already`);
    if (type !== "create" && !lives) return new Fault("notFound", `${table} has no entry ${key}`);
    if (lives && old.owner !== name) return new Fault("conflict", `entry ${key} of ${table} belongs to ${old.owner}`);
    if (type === "update" && table === OVERLAY_PEER_TABLE) {
      return new Fault(
        "invalid",
        "older engines take an update of a peer for its deletion: delete it and create another",
      );
    }
    if (type === "create" && entries.countOf(network, name) >= ENTRIES_OF_OWNER_MAX) {
      return new Fault("conflict", `a node has at most ${ENTRIES_OF_OWNER_MAX} entries in a network`);
    }
    const record = type === "delete" && old !== undefined ? splitSignature(old.value).record : value;
    this.#issue(ours, { network, table, key, record, isDeleted: type === "delete" }, type);
    return undefined;
  }

  /** Somebody tells of an entry. `bytes`: the event as it came, to be told on. */
  receive(event: TableEvent, bytes: Uint8Array, way: Way): void {
    const { tableClock, own, counts } = this.#context;
    counts.received += 1;
    if (!tableClock.witness(event.lTime)) {
      this.#context.drop("lamportJump", way.from, `an event at ${event.lTime}`);
      return;
    }
    const network = own.get(event.network);
    if (network === undefined) return;
    if (this.#context.isSelf(event.node)) this.#setRight(network, event);
    else this.#fromOther(network, event, bytes, way);
  }

  /** Everything that a bulk sync of these networks says, encoded. */
  dump(networks: readonly string[]): Uint8Array[] {
    const { entries, now } = this.#context;
    const parts: Uint8Array[] = [];
    for (const network of networks) {
      for (const entry of entries.of(network)) {
        if (entry.isDeleted) {
          if (now < entry.toldUntil) parts.push(this.#encode(entry));
        } else {
          entry.encoded ??= this.#encode(entry);
          parts.push(entry.encoded);
        }
      }
    }
    return parts;
  }

  /** What those who begin to watch see first: everything of others that is there. */
  replay(watch: number): void {
    const { watches, own, entries } = this.#context;
    const wanted = watches.get(watch);
    if (wanted === undefined) return;
    for (const network of own.keys()) {
      for (const entry of entries.of(network)) {
        const { table, key, value, owner } = entry;
        if (!isVisible(entry) || this.#context.isSelf(owner) || !this.#context.watching(wanted, entry)) continue;
        this.#context.emit({ do: "entry", watch, change: { type: "create", network, table, key, value, owner } });
      }
    }
  }

  /** A node has gone for good, or has no part in a network any more. */
  deleteAllOf(node: string, network: string): void {
    const { entries } = this.#context;
    for (const entry of entries.ofOwner(network, node)) {
      entries.delete(entry);
      this.#context.notify(entry, undefined);
    }
  }

  /** A node has failed, or is back: its entries go out of sight, or come back. */
  suspend(node: string, isSuspended: boolean): void {
    const { entries, own } = this.#context;
    for (const network of own.keys()) {
      for (const entry of entries.ofOwner(network, node)) {
        const before = { ...entry };
        entry.isSuspended = isSuspended;
        this.#context.notify(before, entry);
      }
    }
  }

  /** We have no part in a network any more. */
  forgetNetwork(network: string): void {
    const { entries } = this.#context;
    for (const entry of entries.of(network)) this.#context.notify(entry, undefined);
    entries.forget(network);
  }

  /** Tombstones that were remembered long enough. */
  reap(): void {
    const { entries, own, now } = this.#context;
    const rememberMs = TOMBSTONE_MEMORY_MS - ENTRY_TOMBSTONE_MS;
    for (const network of own.keys()) {
      for (const entry of entries.of(network)) {
        if (entry.isDeleted && now >= entry.toldUntil + rememberMs) entries.delete(entry);
      }
    }
  }

  #fromOther(network: OwnNetwork, event: TableEvent, bytes: Uint8Array, way: Way): void {
    const { entries, attachments, nodes, counts } = this.#context;
    const owner = nodes.get(event.node);
    if (owner === undefined || owner.state === "left" || attachments.get(event.node, network.id)?.isLeaving === true) {
      this.#context.drop("notAttached", way.from, `an entry of ${event.node} in ${network.id}`);
      return;
    }
    const old = entries.get(network.id, event.table, event.key);
    if (old !== undefined && this.#context.isSelf(old.owner) && !old.isDeleted) this.#defend(network, old, event);
    else if (old !== undefined && this.#isStale(old, event)) counts.stale += 1;
    else if (this.#isAcceptable(owner, event, way)) this.#accept(network, owner, event, bytes, way);
  }

  /** A tombstone that is only remembered stands in the way of nobody but its owner. */
  #isStale(old: Entry, event: TableEvent): boolean {
    if (old.lTime < event.lTime) return false;
    return !old.isDeleted || this.#context.now < old.toldUntil || old.owner === event.node;
  }

  #isAcceptable(owner: KnownNode, event: TableEvent, { from }: Way): boolean {
    const { entries } = this.#context;
    const { network, node } = event;
    if (entries.count(network) >= ENTRIES_MAX || entries.countOf(network, node) >= ENTRIES_OF_OWNER_MAX) {
      this.#context.drop("oversize", from, `too many entries in ${network}`);
      return false;
    }
    if (this.#isSignedWell(owner, event)) return true;
    this.#context.drop("badSignature", from, `an entry of ${node} in ${event.table}`);
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

  #accept(network: OwnNetwork, owner: KnownNode, event: TableEvent, bytes: Uint8Array, way: Way): void {
    const { entries, attachments, now } = this.#context;
    const old = entries.get(network.id, event.table, event.key);
    const isDeleted = event.type === "delete";
    const lifeMs = event.residualReapTime > 0 ? event.residualReapTime * 1_000 : ENTRY_TOMBSTONE_MS;
    const { table, key, lTime } = event;
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
    // Who owns an entry has a part in the network, even if the event that said so was lost.
    if (!attachments.isAttached(owner.name, network.id)) {
      attachments.set(owner.name, network.id, { lTime: 0, isLeaving: false, forgetAt: 0 });
    }
    entries.set(entry);
    this.#context.notify(old, entry);
    const isNews = old !== undefined || !isDeleted || (way.isBulk && lifeMs > TOMBSTONE_NEWS_MS);
    if (isNews) this.#tellOn(network, event, bytes, way);
  }

  #tellOn(network: OwnNetwork, { table, key }: TableEvent, bytes: Uint8Array, { isBulk }: Way): void {
    if (!network.inSync || (isBulk && network.rebroadcasts.size > REBROADCASTS_MAX)) return;
    network.rebroadcasts.push(`${table} ${key}`, bytes);
  }

  /** Somebody else claims an entry that lives and is ours. */
  #defend(network: OwnNetwork, ours: Entry, { lTime, node }: TableEvent): void {
    if (lTime < ours.lTime) return;
    const { table, key } = ours;
    this.#context.repaired("entry", `${node} claimed entry ${key} of ${table}`);
    this.#reissue(network, ours);
  }

  /** Somebody says in our name what we did not say, or no longer say. */
  #setRight(network: OwnNetwork, event: TableEvent): void {
    const { entries, name } = this.#context;
    const { table, key, lTime, type, value } = event;
    const ours = entries.get(network.id, table, key);
    if (ours !== undefined && ours.owner === name) {
      if (lTime <= ours.lTime) return;
      this.#context.repaired("entry", `entry ${key} of ${table} was changed in our name`);
      this.#reissue(network, ours);
    } else if (type !== "delete") {
      this.#context.repaired("entry", `entry ${key} of ${table} was made in our name`);
      const { record } = splitSignature(value);
      this.#issue(network, { network: network.id, table, key, record, isDeleted: true }, "delete");
    }
  }

  /** The same again, at a later time. A creation, also of what is known: old engines understand nothing else right. */
  #reissue(network: OwnNetwork, { table, key, value, isDeleted }: Entry): void {
    const { record } = splitSignature(value);
    this.#issue(network, { network: network.id, table, key, record, isDeleted }, isDeleted ? "delete" : "create");
  }

  /** Store an entry of ours with the next time, signed, and tell of it. */
  #issue(
    network: OwnNetwork,
    { record, ...place }: Pick<Entry, "network" | "table" | "key" | "isDeleted"> & { readonly record: Uint8Array },
    type: TableEvent["type"],
  ): void {
    const { tableClock, signer, name, entries, now } = this.#context;
    const lTime = tableClock.tick();
    const signed = { ...place, node: name, lTime, record };
    const value = signer === undefined ? record : withSignature(record, signer.sign(signedBytes(signed)));
    const toldUntil = place.isDeleted ? now + ENTRY_TOMBSTONE_MS : 0;
    const entry: Entry = { ...place, owner: name, lTime, value, isSuspended: false, toldUntil };
    const old = entries.get(place.network, place.table, place.key);
    entries.set(entry);
    // An entry of somebody else that becomes ours is gone for those who watch.
    if (old !== undefined && old.owner !== name) this.#context.notify(old, undefined);
    network.queue.push(`${entry.table} ${entry.key}`, this.#encode(entry, type));
  }

  #encode(entry: Entry, type: TableEvent["type"] = entry.isDeleted ? "delete" : "create"): Uint8Array {
    const { network, table, key, owner, lTime, value, isDeleted, toldUntil } = entry;
    const leftMs = toldUntil - this.#context.now;
    return encodeTablesMessage({
      kind: "tableEvent",
      type,
      lTime,
      node: owner,
      network,
      table,
      key,
      value,
      residualReapTime: isDeleted ? Math.max(1, Math.round(leftMs / 1_000)) : 0,
    });
  }
}
