/**
 * A Lamport clock that no message can wrap or freeze.
 *
 * Docker's counts in 64 bits and starts again at 0 when somebody claims the last moment. A mere limit on each jump is
 * no better: who sends many packets, each a jump ahead, drives all clocks to their end, and who was not there cannot
 * follow. So ours follows anybody as long as there is more room ahead than a cluster could ever use; beyond, it is
 * moved only as fast as an allowance of moments grows, which no cluster needs and which fills no lifetime. A clock that
 * has just begun to hear others may find them beyond already, and believes more. Refused is what nobody honest says.
 *
 *   0 ............ 2^50 ................. 2^51 ................................ 2^53
 *   anybody        a young clock: anybody
 *                  an old clock: as the allowance grows, 34 years to 2^51 if somebody uses all of it
 *
 * Source: serf `lamport.go`; Lamport (1978).
 */
import { assert } from "../base/assert.ts";
import {
  LAMPORT_ALLOWANCE_MAX,
  LAMPORT_ALLOWANCE_PER_MS,
  LAMPORT_FREE_MAX,
  LAMPORT_MAX,
  LAMPORT_YOUNG_MAX,
  LAMPORT_YOUNG_MS,
} from "./limits.ts";

export class LamportClock {
  #time = 0;
  #allowance = LAMPORT_ALLOWANCE_MAX;
  #allowedAt = 0;
  #firstHeardAt: number | undefined;

  get time(): number {
    return this.#time;
  }

  /** The next moment. */
  tick(): number {
    assert(this.#time < LAMPORT_MAX, "nobody can have driven the clock to its end");
    this.#time += 1;
    return this.#time;
  }

  /** Somebody was at `time`: from now (ms) on we are later. False: not believable, and not believed. */
  witness(time: number, now: number): boolean {
    this.#firstHeardAt ??= now;
    if (time < this.#time) return true;
    if (time > this.#believedUntil(now)) return false;
    this.#allowance -= Math.max(0, time + 1 - Math.max(this.#time, LAMPORT_FREE_MAX));
    this.#time = time + 1;
    return true;
  }

  #believedUntil(now: number): number {
    const grown = Math.max(0, now - this.#allowedAt) * LAMPORT_ALLOWANCE_PER_MS;
    this.#allowance = Math.min(LAMPORT_ALLOWANCE_MAX, this.#allowance + grown);
    this.#allowedAt = now;
    const allowed = Math.max(this.#time, LAMPORT_FREE_MAX) + this.#allowance;
    const isYoung = now - (this.#firstHeardAt ?? now) < LAMPORT_YOUNG_MS;
    return Math.min(LAMPORT_MAX - 1, isYoung ? Math.max(allowed, LAMPORT_YOUNG_MAX) : allowed);
  }
}
