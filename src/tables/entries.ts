/**
 * The entries of the networks that this node is attached to: network -> table -> key -> entry.
 *
 * An entry is alive, or a tombstone that is still told of, or one that is only remembered so that old news of the same
 * owner finds it and stays without effect. Entries of owners that have failed are suspended: kept, but out of sight.
 */
export interface Entry {
  readonly network: string;
  readonly table: string;
  readonly key: string;
  owner: string;
  lTime: number;
  value: Uint8Array;
  isDeleted: boolean;
  /** Its owner has failed. */
  isSuspended: boolean;
  /** Of a tombstone: until when it is told of. */
  toldUntil: number;
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

  /** Add, or replace the one of the same key. */
  set(entry: Entry): void {
    const network = this.#network(entry.network);
    let byKey = network.byTable.get(entry.table);
    if (byKey === undefined) {
      byKey = new Map();
      network.byTable.set(entry.table, byKey);
    }
    const old = byKey.get(entry.key);
    if (old !== undefined) network.count(old.owner, -1);
    network.count(entry.owner, 1);
    byKey.set(entry.key, entry);
  }

  delete(entry: Entry): void {
    const network = this.#networks.get(entry.network);
    if (network?.byTable.get(entry.table)?.delete(entry.key) !== true) return;
    network.count(entry.owner, -1);
  }

  /** Change the owner of an entry that is here. */
  move(entry: Entry, owner: string): void {
    const network = this.#network(entry.network);
    network.count(entry.owner, -1);
    network.count(owner, 1);
    entry.owner = owner;
  }

  /** Everything of one network; a copy, so that it may be changed meanwhile. */
  of(network: string): Entry[] {
    const found: Entry[] = [];
    for (const byKey of this.#networks.get(network)?.byTable.values() ?? []) found.push(...byKey.values());
    return found;
  }

  /** Everything of one table of one network; a copy. */
  ofTable(network: string, table: string): Entry[] {
    return [...(this.#networks.get(network)?.byTable.get(table)?.values() ?? [])];
  }

  ofOwner(network: string, owner: string): Entry[] {
    if ((this.#networks.get(network)?.byOwner.get(owner) ?? 0) === 0) return [];
    return this.of(network).filter((entry) => entry.owner === owner);
  }

  /** How many, tombstones included. */
  count(network: string): number {
    return this.#networks.get(network)?.total ?? 0;
  }

  countOf(network: string, owner: string): number {
    return this.#networks.get(network)?.byOwner.get(owner) ?? 0;
  }

  tables(network: string): string[] {
    return [...(this.#networks.get(network)?.byTable.keys() ?? [])];
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

class Network {
  readonly byTable = new Map<string, Map<string, Entry>>();
  readonly byOwner = new Map<string, number>();
  total = 0;

  count(owner: string, change: number): void {
    this.total += change;
    const left = (this.byOwner.get(owner) ?? 0) + change;
    if (left === 0) this.byOwner.delete(owner);
    else this.byOwner.set(owner, left);
  }
}
