import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock as clock } from "../../../src/os/clock.ts";

test("after runs once, later, and never before its time", async () => {
  for (const delayMs of [-5, 0, 0.4, 1.5, 20]) {
    const start = clock.now();
    let synchronous = true;
    const at = await new Promise<number>((resolve) => {
      clock.after(delayMs, () => {
        assert.equal(synchronous, false);
        resolve(clock.now());
      });
      synchronous = false;
    });
    assert.ok(at - start >= delayMs, `${at - start} < ${delayMs}`);
  }
});

test("a wait beyond the longest timer of Node does not end at once, and can be cancelled", async () => {
  let runs = 0;
  const cancelLong = clock.after(2 ** 31 + 5, () => (runs += 1));
  const cancelShort = clock.after(1, () => (runs += 1));
  const cancelSoon = clock.after(0, () => (runs += 1));
  cancelShort();
  cancelSoon();
  await new Promise<void>((resolve) => void clock.after(25, resolve));
  assert.equal(runs, 0);
  cancelLong();
  cancelLong();
});

test("now has fractions and never goes back", () => {
  const seen = Array.from({ length: 1000 }, () => clock.now());
  assert.ok(seen.every((value, index) => index === 0 || value >= (seen[index - 1] ?? 0)));
  assert.ok(seen.some((value) => !Number.isInteger(value)));
  assert.ok(Math.abs(clock.wall().getTime() - Date.now()) < 1000);
});
