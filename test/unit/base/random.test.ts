import assert from "node:assert/strict";
import { test } from "node:test";
import { below, fraction, shuffle } from "../../../src/base/random.ts";

/** Plays back these numbers. */
function script(...numbers: number[]) {
  return { u32: () => numbers.shift() ?? assert.fail("drew more often than expected") };
}

/** A small, good enough generator (mulberry32), so that the statistics below always come out the same. */
function seeded(seed: number) {
  let state = seed;
  return {
    u32: () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return (mixed ^ (mixed >>> 14)) >>> 0;
    },
  };
}

test("below draws again when the number falls into the incomplete last stretch", () => {
  // 2^32 = 3 * 1431655765 + 1, so only 0xffffffff is refused for 3.
  assert.equal(below(script(0xffffffff, 7), 3), 1);
  assert.equal(below(script(0xfffffffe), 3), 2);
  assert.equal(below(script(0xffffffff), 2 ** 32), 0xffffffff);
  assert.equal(below(script(123), 1), 0);
});

test("below refuses a range that cannot be drawn from", () => {
  for (const count of [0, -1, 1.5, Number.NaN, 2 ** 32 + 1]) assert.throws(() => below(script(1), count), /count/);
});

test("shuffle gives each of the orders of four the same chance", () => {
  const random = seeded(1);
  const seen = new Map<string, number>();
  for (let round = 0; round < 24_000; round++) {
    const order = shuffle(random, [1, 2, 3, 4]).join("");
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  assert.equal(seen.size, 24);
  for (const [order, count] of seen) assert.ok(count > 850 && count < 1150, `${order}: ${count}`);
});

test("fraction is in [0, 1)", () => {
  assert.equal(fraction(script(0)), 0);
  assert.equal(fraction(script(2 ** 31)), 0.5);
  assert.ok(fraction(script(0xffffffff)) < 1);
});
