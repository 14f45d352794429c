/**
 * Remembers the nonces of what was received, so that a recorded packet or stream works only once.
 *
 * memberlist has no such protection: one recorded farewell, sent again from anywhere, takes a healthy member off the
 * air. Honest peers never send the same ciphertext twice, so refusing duplicates costs nothing. Two generations: an
 * entry is remembered for one window at least, for two at most. Ask only after authentication, or strangers fill it.
 */
import { assert } from "../base/assert.ts";
import { minutes } from "../base/units.ts";

/** For how long a nonce is remembered at least, unless more come than fit. */
export const REPLAY_WINDOW_MS = minutes(10);
/** Nonces per generation; 109 a second over the whole window. */
export const REPLAY_ENTRIES_MAX = 65_536;

const NONCE_BYTES = 12;

export class ReplayCache {
  readonly #windowMs: number;
  readonly #entriesMax: number;
  #young = new Set<string>();
  #old = new Set<string>();
  #youngSince = Number.NEGATIVE_INFINITY;
  #evicted = 0;

  constructor(options: { readonly windowMs?: number; readonly entriesMax?: number } = {}) {
    this.#windowMs = options.windowMs ?? REPLAY_WINDOW_MS;
    this.#entriesMax = options.entriesMax ?? REPLAY_ENTRIES_MAX;
  }

  /** Nonces forgotten before their time, because more came than fit. */
  get evicted(): number {
    return this.#evicted;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Remember `nonce`. False: it was here before, drop what it came with. */
  accept(now: number, nonce: Uint8Array): boolean {
    const age = now - this.#youngSince;
    if (age >= this.#windowMs * 2) {
      this.#turn(now);
      this.#turn(now);
    } else if (age >= this.#windowMs) this.#turn(this.#youngSince + this.#windowMs);
    const key = keyOf(nonce);
    if (this.#young.has(key) || this.#old.has(key)) return false;
    if (this.#young.size >= this.#entriesMax) {
      this.#evicted += this.#old.size;
      this.#turn(now);
    }
    this.#young.add(key);
    return true;
  }

  /** The young become the old; a new generation begins `since` then. */
  #turn(since: number): void {
    this.#old = this.#young;
    this.#young = new Set();
    this.#youngSince = since;
  }
}

/** Six 16-bit units: exact, and a third of the size of hexadecimal. */
function keyOf(nonce: Uint8Array): string {
  assert(nonce.length === NONCE_BYTES, "a nonce has 12 bytes");
  const unit = (at: number): number => (nonce[at]! << 8) | nonce[at + 1]!;
  return String.fromCharCode(unit(0), unit(2), unit(4), unit(6), unit(8), unit(10));
}
