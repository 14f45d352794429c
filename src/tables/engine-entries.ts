/**
 * The entries that are here: our own changes, what a whole table says, what goes with its owner, what time takes away.
 *
 * One owner, one Lamport time: strictly newer wins. What others tell of entries is judged in `engine-events.ts`.
 * Source: moby `networkdb/networkdb.go` (`CreateEntry`, `UpdateEntry`, `DeleteEntry`), `cluster.go`
 * (`reapTableEntries`).
 */
import { Fault } from "../base/fault.ts";
import type { ChangeType, TablesInput } from "./effects.ts";
import type { OwnNetwork, TablesContext } from "./engine-context.ts";
import { type Entry, isVisible } from "./entries.ts";
import { ENTRIES_OF_OWNER_MAX, ENTRY_TOMBSTONE_MS, TOMBSTONE_MEMORY_MS, VALUE_BYTES_MAX } from "./limits.ts";
import { encodeTablesMessage } from "./message-codec.ts";
import { OVERLAY_PEER_TABLE } from "./records.ts";
import { signedBytes, splitSignature, withSignature } from "./signature.ts";

type Change = Extract<TablesInput, { on: "change" }>;
type Place = Pick<Entry, "table" | "key">;

export class EntryEngine {
  readonly #context: TablesContext;

  constructor(context: TablesContext) {
    this.#context = context;
  }

  /** Do what the layer above asks, or say why not. */
  change(change: Change): Fault | undefined {
    const ours = this.#context.own.get(change.network);
    if (ours === undefined) return new Fault("conflict", `this node is not attached to network ${change.network}`);
    const { type, table, key, value } = change;
    if (value.length > VALUE_BYTES_MAX) return new Fault("invalid", `a value has at most ${VALUE_BYTES_MAX} bytes`);
    const old = this.#context.entries.get(ours.id, table, key);
    const fault = this.#objection(change, old);
    if (fault !== undefined) return fault;
    const record = type === "delete" && old !== undefined ? splitSignature(old.value).record : value;
    if (this.issue(ours, { table, key, record }, type)) return undefined;
    return new Fault("conflict", `a node has at most ${ENTRIES_OF_OWNER_MAX} entries in a network, and not too large`);
  }

  /**
   * Store an entry of ours with the next time, signed, and tell of it. A creation may also be of what is known already:
   * older engines understand nothing else right. False: there is no room for it.
   */
  issue(
    network: OwnNetwork,
    { table, key, record }: Place & { readonly record: Uint8Array },
    type: ChangeType,
  ): boolean {
    const { tableClock, signer, name, entries, now } = this.#context;
    const lTime = tableClock.tick();
    const isDeleted = type === "delete";
    const place = { network: network.id, table, key, isDeleted };
    const signed = { ...place, node: name, lTime, record };
    const value = signer === undefined ? record : withSignature(record, signer.sign(signedBytes(signed)));
    const toldUntil = isDeleted ? now + ENTRY_TOMBSTONE_MS : 0;
    const entry: Entry = { ...place, owner: name, lTime, value, isSuspended: false, toldUntil };
    const old = entries.get(network.id, table, key);
    if (!entries.makeRoom(entry, old, now)) return false;
    entries.set(entry);
    // An entry of somebody else that becomes ours is gone for those who watch.
    if (old !== undefined && old.owner !== name) this.#context.notify(old, undefined);
    network.queue.push(nameOf(entry), this.#encode(entry, type));
    return true;
  }

  /** An entry of ours again, as it is, at a later time. */
  reissue(network: OwnNetwork, { table, key, value, isDeleted }: Entry): void {
    this.issue(network, { table, key, record: splitSignature(value).record }, isDeleted ? "delete" : "create");
  }

  /** All that we have in a network, again: somebody made others lose it. */
  reissueAll(network: OwnNetwork): void {
    const { entries, name } = this.#context;
    for (const entry of entries.ofOwner(network.id, name)) if (!entry.isDeleted) this.reissue(network, entry);
  }

  /** Tell of a tombstone again that was only remembered: somebody has not heard of the deletion. */
  retell(network: OwnNetwork, tombstone: Entry): void {
    const told: Entry = { ...tombstone, toldUntil: this.#context.now + ENTRY_TOMBSTONE_MS };
    this.#context.entries.set(told);
    network.rebroadcasts.push(nameOf(told), this.#encode(told));
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
      for (const entry of entries.tombstones(network)) if (now >= entry.toldUntil + rememberMs) entries.delete(entry);
    }
  }

  #objection({ type, network, table, key }: Change, old: Entry | undefined): Fault | undefined {
    const lives = old !== undefined && !old.isDeleted;
    if (type === "create" && lives) return new Fault("conflict", `${table} has an entry ${key} already`);
    if (type !== "create" && !lives) return new Fault("notFound", `${table} of ${network} has no entry ${key}`);
    if (lives && !this.#context.isSelf(old.owner)) {
      return new Fault("conflict", `entry ${key} of ${table} belongs to ${old.owner}`);
    }
    if (type !== "update" || table !== OVERLAY_PEER_TABLE) return undefined;
    const reason = "older engines take an update of a peer for its deletion: delete it and create another";
    return new Fault("invalid", reason);
  }

  #encode(entry: Entry, type: ChangeType = entry.isDeleted ? "delete" : "create"): Uint8Array {
    const { network, table, key, owner, lTime, value, isDeleted, toldUntil } = entry;
    const leftMs = toldUntil - this.#context.now;
    const residualReapTime = isDeleted ? Math.max(1, Math.round(leftMs / 1_000)) : 0;
    return encodeTablesMessage({
      kind: "tableEvent",
      type,
      lTime,
      node: owner,
      network,
      table,
      key,
      value,
      residualReapTime,
    });
  }
}

/** Of an entry, among those of its network that wait to be told. */
export function nameOf({ table, key }: Place): string {
  return `${table} ${key}`;
}
