import assert from "node:assert/strict";
import { test } from "node:test";
import { repeatLine } from "../../src/sim/gossip-settings.ts";
import { freshSeed, settingsOf, told } from "./support.ts";

/** A fixed seed for what we know, a fresh one for what we do not. */
const seeds = [91_827, freshSeed];

for (const seed of seeds) {
  test(`a cut of 20 s through the middle heals: all agree afterwards (seed ${seed})`, () => {
    for (const loss of [0, 5]) {
      const settings = settingsOf("partition", seed, { nodes: 60, loss });
      const { findings } = told(settings);
      const again = `repeat with: ${repeatLine(settings)}`;
      assert.ok(Number(findings["suspected across the cut"]) > 0, `the cut was not felt; ${again}`);
      assert.ok(Number(findings["settled after ms"]) <= 90_000, `${findings["settled after ms"]} ms; ${again}`);
    }
  });

  test(`nodes that come, go, die and return for two minutes leave a cluster that agrees (seed ${seed})`, () => {
    for (const loss of [0, 5]) {
      const { findings } = told(settingsOf("churn", seed, { nodes: 50, loss }));
      for (const what of ["joins", "leaves", "crashes", "restarts"]) assert.ok(Number(findings[what]) > 0, what);
    }
  });

  test(`event loops that block up to 3 s do not break a cluster (seed ${seed})`, () => {
    told(settingsOf("slow", seed, { nodes: 100, loss: 1 }));
  });

  test(`every story ends in peace under loss and duplication of real bytes (seed ${seed})`, () => {
    for (const story of ["join", "update", "leave", "crash"] as const) {
      const { cluster } = told(settingsOf(story, seed, { nodes: 20, loss: 5, wire: true }));
      for (const node of cluster.up()) assert.equal(node.undecodable, 0, `${node.name} could not read something`);
    }
  });
}
