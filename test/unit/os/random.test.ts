import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "../../../src/os/random.ts";

test("no two draws share bytes, across many refills of the pool", () => {
  const random = systemRandom();
  const seen = new Set<string>();
  for (let round = 0; round < 5000; round++) seen.add(Buffer.from(random.bytes(12)).toString("hex"));
  for (const length of [255, 256, 257, 8192, 20_000]) {
    const bytes = random.bytes(length);
    assert.equal(bytes.length, length);
    seen.add(Buffer.from(bytes).toString("hex"));
  }
  assert.equal(seen.size, 5005);
  assert.equal(random.bytes(0).length, 0);
});

test("bytes belong to the caller", () => {
  const random = systemRandom();
  const first = random.bytes(16);
  const copy = first.slice();
  for (let round = 0; round < 2000; round++) random.bytes(16).fill(0);
  assert.deepEqual(first, copy);
  assert.equal(first.buffer.byteLength, 16);
});

test("u32 reaches the whole range evenly", () => {
  const random = systemRandom();
  const quarters = [0, 0, 0, 0];
  for (let round = 0; round < 40_000; round++) {
    const value = random.u32();
    assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** 32);
    quarters[value >>> 30] = (quarters[value >>> 30] ?? 0) + 1;
  }
  for (const count of quarters) assert.ok(count > 9_400 && count < 10_600, String(quarters));
});
