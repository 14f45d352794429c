/**
 * The entries of the networks that this node is attached to: network -> table -> key -> entry, and by owner.
 *
 * An entry is alive, or a tombstone that is still told of, or one that is only remembered so that old news of the same
 * owner finds it and stays without effect. Entries of owners that have failed are suspended: kept, but out of sight.
 * Everything is counted by owner, and an owner that has no room left first loses what is only remembered of it.
 */
import {
  ENTRIES_MAX,
  ENTRIES_OF_OWNER_MAX,
  ENTRY_OVERHEAD_BYTES,
  NETWORK_BYTES_MAX,
  OWNER_BYTES_MAX,
} from "./limits.ts";

export interface Entry {
  readonly network: string;
  readonly table: string;
  readonly key: string;
  readonly owner: string;
  readonly lTime: number;
  readonly value: Uint8Array;
  readonly isDeleted: boolean;
  /** Its owner has failed. */
  isSuspended: boolean;
  /** Of a tombstone: until when it is told of. */
  readonly toldUntil: number;
  /** A live one as it is told of; made when it is needed first. */
  encoded?: Uint8Array;
}

/** What those who watch can see. */
export function isVisible(entry: Entry | undefined): entry is Entry {
  return entry !== undefined && !entry.isDeleted && !entry.isSuspended;
}

export class Entries {
  readonly #networks = new Map<string, Network>();

  get(network: string, table: string, key: string): Entry | undefined {
    return this.#networks.get(network)?.byTable.get(table)?.get(key);
  }

  /**
   * May `entry` come in, in place of `old`? Makes room for it, if need be, by forgetting tombstones of its owner that
   * nobody is told of any more. What takes less than before always has room.
   */
  makeRoom(entry: Entry, old: Entry | undefined, now: number): boolean {
    const network = this.#network(entry.network);
    const isReplacement = old?.owner === entry.owner;
    if (isReplacement && bytesOf(entry) <= bytesOf(old)) return true;
    while (!hasRoom(network, entry, old, isReplacement)) {
      const [oldest] = network.shareOf(entry.owner)?.tombstones ?? [];
      if (oldest === undefined || oldest === old || oldest.toldUntil > now) return false;
      this.delete(oldest);
    }
    return true;
  }

  /** Add, or replace the one of the same key. */
  set(entry: Entry): void {
    const network = this.#network(entry.network);
    let byKey = network.byTable.get(entry.table);
    if (byKey === undefined) {
      byKey = new Map();
      network.byTable.set(entry.table, byKey);
    }
    const old = byKey.get(entry.key);
    if (old !== undefined) network.take(old);
    network.give(entry);
    byKey.set(entry.key, entry);
  }

  delete(entry: Entry): void {
    const network = this.#networks.get(entry.network);
    const byKey = network?.byTable.get(entry.table);
    if (network === undefined || byKey?.get(entry.key) !== entry) return;
    byKey.delete(entry.key);
    if (byKey.size === 0) network.byTable.delete(entry.table);
    network.take(entry);
  }

  /** Everything of one network; a copy, so that it may be changed meanwhile. */
  of(network: string): Entry[] {
    const found: Entry[] = [];
    for (const byKey of this.#networks.get(network)?.byTable.values() ?? []) {
      for (const entry of byKey.values()) found.push(entry);
    }
    return found;
  }

  /** A copy. */
  ofOwner(network: string, owner: string): Entry[] {
    return [...(this.#networks.get(network)?.shareOf(owner)?.entries ?? [])];
  }

  /** A copy, of each owner the oldest first. */
  tombstones(network: string): Entry[] {
    const found: Entry[] = [];
    for (const { tombstones } of this.#networks.get(network)?.shares() ?? []) found.push(...tombstones);
    return found;
  }

  /** How many, tombstones included. */
  count(network: string): number {
    return this.#networks.get(network)?.total ?? 0;
  }

  countOf(network: string, owner: string): number {
    return this.#networks.get(network)?.shareOf(owner)?.entries.size ?? 0;
  }

  bytes(network: string): number {
    return this.#networks.get(network)?.bytes ?? 0;
  }

  forget(network: string): void {
    this.#networks.delete(network);
  }

  #network(id: string): Network {
    let network = this.#networks.get(id);
    if (network === undefined) {
      network = new Network();
      this.#networks.set(id, network);
    }
    return network;
  }
}

/** What one owner has in one network. */
interface Share {
  readonly entries: Set<Entry>;
  /** In order of deletion. */
  readonly tombstones: Set<Entry>;
  bytes: number;
}

class Network {
  readonly byTable = new Map<string, Map<string, Entry>>();
  readonly #byOwner = new Map<string, Share>();
  total = 0;
  bytes = 0;

  shareOf(owner: string): Share | undefined {
    return this.#byOwner.get(owner);
  }

  shares(): Iterable<Share> {
    return this.#byOwner.values();
  }

  give(entry: Entry): void {
    let share = this.#byOwner.get(entry.owner);
    if (share === undefined) {
      share = { entries: new Set(), tombstones: new Set(), bytes: 0 };
      this.#byOwner.set(entry.owner, share);
    }
    share.entries.add(entry);
    if (entry.isDeleted) share.tombstones.add(entry);
    this.#weigh(share, bytesOf(entry));
    this.total += 1;
  }

  take(entry: Entry): void {
    const share = this.#byOwner.get(entry.owner);
    if (share?.entries.delete(entry) !== true) return;
    share.tombstones.delete(entry);
    this.#weigh(share, -bytesOf(entry));
    this.total -= 1;
    if (share.entries.size === 0) this.#byOwner.delete(entry.owner);
  }

  #weigh(share: Share, bytes: number): void {
    share.bytes += bytes;
    this.bytes += bytes;
  }
}

function hasRoom(network: Network, entry: Entry, old: Entry | undefined, isReplacement: boolean): boolean {
  const share = network.shareOf(entry.owner);
  const more = bytesOf(entry);
  const less = old === undefined ? 0 : bytesOf(old);
  return (
    (share?.entries.size ?? 0) + (isReplacement ? 0 : 1) <= ENTRIES_OF_OWNER_MAX &&
    (share?.bytes ?? 0) + more - (isReplacement ? less : 0) <= OWNER_BYTES_MAX &&
    network.total + (old === undefined ? 1 : 0) <= ENTRIES_MAX &&
    network.bytes + more - less <= NETWORK_BYTES_MAX
  );
}

/** What an entry weighs: names and value, and what it costs beside them. */
function bytesOf({ table, key, value }: Entry): number {
  return ENTRY_OVERHEAD_BYTES + table.length + key.length + value.length;
}
