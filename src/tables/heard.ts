/**
 * The latest moments of both Lamport clocks that were heard of one node, and those that were heard a good while ago.
 *
 * What a node says for the first time now, although it said later things minutes ago, is no news on its way but a
 * recorded packet: gossip needs seconds. Whoever really missed it learns it from a whole table, which says when it was
 * made. Gossip itself refuses a packet twice for ten minutes; from then on this does.
 */
import { HEARD_SETTLES_MS } from "./limits.ts";

export interface Moments {
  /** Of node events, network events and state exchanges. */
  network: number;
  /** Of table events and bulk syncs. */
  table: number;
}

export class Heard {
  readonly #latest: Moments = { network: 0, table: 0 };
  /** What was the latest when the present spell began, and the one before. */
  #recent: Moments = NEVER;
  #settled: Moments = NEVER;
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  get latest(): Readonly<Moments> {
    return this.#latest;
  }

  hear(clock: keyof Moments, time: number, now: number): void {
    this.#turn(now);
    if (time > this.#latest[clock]) this.#latest[clock] = time;
  }

  /** The latest of what was heard one to two spells ago: what is earlier is old. */
  settled(clock: keyof Moments, now: number): number {
    this.#turn(now);
    return this.#settled[clock];
  }

  #turn(now: number): void {
    const spells = Math.floor((now - this.#since) / HEARD_SETTLES_MS);
    if (spells < 1) return;
    const latest = { ...this.#latest };
    this.#settled = spells > 1 ? latest : this.#recent;
    this.#recent = latest;
    this.#since += spells * HEARD_SETTLES_MS;
  }
}

const NEVER: Moments = Object.freeze({ network: 0, table: 0 });
