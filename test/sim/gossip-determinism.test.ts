import assert from "node:assert/strict";
import { test } from "node:test";
import { freshSeed, settingsOf, told } from "./support.ts";

function digestOf(seed: number, wire: boolean): string {
  const settings = settingsOf("churn", seed, { nodes: wire ? 15 : 40, minutes: wire ? 0.5 : 1, loss: 5, wire });
  const { cluster } = told(settings);
  return `${cluster.trace.digest()} after ${cluster.trace.entries} effects and ${cluster.world.eventsRun} events`;
}

for (const wire of [false, true]) {
  const what = wire ? "real bytes" : "message objects";
  test(`the same seed gives the same run to the last effect, with ${what}`, () => {
    for (const seed of [7, freshSeed]) assert.equal(digestOf(seed, wire), digestOf(seed, wire), `seed ${seed}`);
  });

  test(`another seed gives another run, with ${what}`, () => {
    assert.notEqual(digestOf(freshSeed, wire), digestOf(freshSeed + 1, wire));
  });
}
