/**
 * Chance for the simulator: xoshiro128** seeded through splitmix32, one independent stream per label.
 *
 * Repeatable and fast, never secret: nothing outside simulations, tests and benchmarks may draw keys from it.
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators"; splitmix finaliser of MurmurHash3.
 */
import { fraction } from "../base/random.ts";
import type { Random } from "../port/random.ts";

export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** The same seed and label give the same stream; streams of other labels are unrelated. */
  constructor(seed: number, label = "") {
    const next = splitmix32(mixLabel(seed, label));
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  u32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result >>> 0;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const value = this.u32();
      for (let part = 0; part < 4 && at + part < length; part++) bytes[at + part] = value >>> (8 * part);
    }
    return bytes;
  }
}

/** Did something happen that happens with this probability? Draws nothing when it never or always happens. */
export function chance(random: Random, probability: number): boolean {
  if (probability <= 0) return false;
  return probability >= 1 || fraction(random) < probability;
}

/** Exponentially distributed with this mean. */
export function exponential(random: Random, mean: number): number {
  return mean <= 0 ? 0 : -mean * Math.log(1 - fraction(random));
}

/** Uniform in [low, high). */
export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * fraction(random);
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function splitmix32(start: number): () => number {
  let state = start | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  };
}

function mixLabel(seed: number, label: string): number {
  let hash = Math.imul((seed >>> 0) ^ 0x811c9dc5, 0x01000193) ^ Math.floor(seed / 0x1_0000_0000);
  for (let at = 0; at < label.length; at++) hash = Math.imul(hash ^ label.charCodeAt(at), 0x01000193);
  return hash;
}
