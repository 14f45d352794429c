/**
 * Everybody a node knows of, by name, in every state, and the order in which they are probed.
 *
 * A record keeps the announcement it was made from instead of a copy: announcements never change, and in a simulator
 * a thousand tables share one. Source: memberlist `state.go` (`nodeState`), `util.go` (`kRandomNodes`, `shuffleNodes`).
 */
import { endpointOf } from "../base/ip.ts";
import { below, shuffle, type Uniform } from "../base/random.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { Member } from "./effects.ts";
import { VSN_BYTES } from "./limits.ts";
import type { Alive, MemberState, PushNodeState } from "./messages.ts";

const NO_META = new Uint8Array(0);
/** What a member that never told its versions counts as. */
const NO_VSN = new Uint8Array(VSN_BYTES);

export class MemberRecord {
  /** What it said of itself last. Its incarnation may be below the record's: accusations count as well. */
  alive: Alive;
  incarnation: number;
  state: MemberState;
  /** When it came into this state. */
  changedAt: number;
  #endpoint: Endpoint | undefined;

  constructor(alive: Alive, state: MemberState, now: number) {
    this.alive = alive;
    this.incarnation = 0;
    this.state = state;
    this.changedAt = now;
  }

  get name(): string {
    return this.alive.node;
  }

  get endpoint(): Endpoint {
    this.#endpoint ??= endpointOf(this.alive.addr, this.alive.port);
    return this.#endpoint;
  }

  /** [PMin, PMax, PCur, DMin, DMax, DCur]; zeros if it never said. */
  get vsn(): Uint8Array {
    return this.alive.vsn?.length === VSN_BYTES ? this.alive.vsn : NO_VSN;
  }

  get meta(): Uint8Array {
    return this.alive.meta ?? NO_META;
  }

  /** Dead or left. */
  get isGone(): boolean {
    return this.state === "dead" || this.state === "left";
  }

  hasAddress(addr: Uint8Array, port: number): boolean {
    return this.alive.port === port && sameBytes(this.alive.addr, addr);
  }

  /** Believe an announcement; one without versions leaves those that are known. */
  announce(alive: Alive): void {
    if (!this.hasAddress(alive.addr, alive.port)) this.#endpoint = undefined;
    const keepsVersions = alive.vsn?.length !== VSN_BYTES && this.vsn !== NO_VSN;
    this.alive = keepsVersions ? { ...alive, vsn: this.vsn } : alive;
    this.incarnation = alive.incarnation;
  }

  enter(state: MemberState, now: number): void {
    this.state = state;
    this.changedAt = now;
  }

  /** As the layers above see it. */
  member(): Member {
    const { name, endpoint, meta, incarnation, state, vsn } = this;
    return { name, addr: this.alive.addr, endpoint, meta, incarnation, state, vsn };
  }

  /** As a row of a state exchange. */
  row(): PushNodeState {
    const { alive, incarnation, state } = this;
    const { node, addr, port, meta } = alive;
    return { name: node, addr, port, meta, incarnation, state, vsn: this.vsn };
  }
}

export class MemberTable {
  readonly #byName = new Map<string, MemberRecord>();
  #order: MemberRecord[] = [];
  #next = 0;

  /** All states together. */
  get size(): number {
    return this.#order.length;
  }

  get(name: string): MemberRecord | undefined {
    return this.#byName.get(name);
  }

  /** In probe order; not to be changed. */
  all(): readonly MemberRecord[] {
    return this.#order;
  }

  /** A newcomer takes a random place in the order of probes. */
  add(record: MemberRecord, random: Uniform): void {
    this.#byName.set(record.name, record);
    this.#order.push(record);
    const place = below(random, this.#order.length);
    this.#order[this.#order.length - 1] = this.#order[place]!;
    this.#order[place] = record;
  }

  /** The next in the order of probes; `undefined` when the round is over: `reshuffle` begins another. */
  next(): MemberRecord | undefined {
    const record = this.#order[this.#next];
    if (record !== undefined) this.#next += 1;
    return record;
  }

  /** Begin another round, in another order, without those who `forget` says are gone long enough. */
  reshuffle(random: Uniform, forget: (record: MemberRecord) => boolean): void {
    this.#next = 0;
    const kept = this.#order.filter((record) => !forget(record));
    if (kept.length < this.#order.length) {
      for (const record of this.#order) if (forget(record)) this.#byName.delete(record.name);
    }
    this.#order = shuffle(random, kept);
  }

  /** Up to `count` different ones that `suit`, drawn at random. */
  pick(random: Uniform, count: number, suits: (record: MemberRecord) => boolean): MemberRecord[] {
    const order = this.#order;
    if (order.length <= PICK_ALL_MAX) return shuffle(random, order.filter(suits)).slice(0, count);
    const picked: MemberRecord[] = [];
    for (let tries = 3 * order.length; tries > 0 && picked.length < count; tries--) {
      const record = order[below(random, order.length)]!;
      if (suits(record) && !picked.includes(record)) picked.push(record);
    }
    return picked;
  }
}

/** Among few, look at everybody: drawing blindly would miss one now and then. */
const PICK_ALL_MAX = 16;

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}
