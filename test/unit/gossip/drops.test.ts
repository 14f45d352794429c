import assert from "node:assert/strict";
import { test } from "node:test";
import { DROP_LINES_PER_WINDOW, Drops } from "../../../src/gossip/drops.ts";

test("everything is counted, but only the first few of a minute are worth a line", () => {
  const drops = new Drops();
  let lines = 0;
  for (let at = 0; at < 1000; at++) if (drops.record(at, "undecryptable") !== undefined) lines += 1;
  assert.equal(lines, DROP_LINES_PER_WINDOW);
  assert.equal(drops.counts().undecryptable, 1000);
  assert.equal(drops.counts().truncated, 0);
  assert.equal(drops.total(), 1000);
});

test("one reason does not silence another", () => {
  const drops = new Drops();
  for (let at = 0; at < 100; at++) drops.record(at, "undecryptable");
  assert.deepEqual(drops.record(100, "plaintext"), { unsaid: 0 });
});

test("the first line of a later minute says how many went unsaid", () => {
  const drops = new Drops();
  for (let at = 0; at < 10; at++) drops.record(0, "malformed");
  assert.equal(drops.record(59_999, "malformed"), undefined);
  assert.deepEqual(drops.record(60_000, "malformed"), { unsaid: 11 - DROP_LINES_PER_WINDOW });
  assert.deepEqual(drops.record(60_001, "malformed"), { unsaid: 0 });
});
