/**
 * What engines draw from chance, in terms of uniform 32-bit numbers.
 *
 * All of it is a pure function of the generator handed in, so the same seed gives the same run. Nothing here makes
 * keys or nonces: those are bytes from the same generator.
 */
import { assert } from "./assert.ts";

/** The part of the random port that is needed here; `port/random.ts` has the whole door. */
export interface Uniform {
  /** Uniform in [0, 2^32). */
  u32(): number;
}

const U32_VALUES = 0x1_0000_0000;

/** Uniform in 0..count-1, without bias: values from the incomplete last stretch are drawn again. */
export function below(random: Uniform, count: number): number {
  assert(Number.isInteger(count) && count >= 1 && count <= U32_VALUES, "count must be 1..2^32");
  const limit = U32_VALUES - (U32_VALUES % count);
  for (;;) {
    const value = random.u32();
    if (value < limit) return value % count;
  }
}

/** Put `items` into a uniformly random order, in place (Fisher-Yates), and return them. */
export function shuffle<T>(random: Uniform, items: T[]): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = below(random, last + 1);
    const kept = items[last] as T;
    items[last] = items[other] as T;
    items[other] = kept;
  }
  return items;
}

/** Uniform in [0, 1), in steps of 2^-32: enough for jitter, not for cryptography. */
export function fraction(random: Uniform): number {
  return random.u32() / U32_VALUES;
}
