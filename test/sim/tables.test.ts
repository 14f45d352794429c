/** NetworkDB on simulated clusters: whatever happens, after a time of peace everybody sees the truth. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes, seconds } from "../../src/base/units.ts";
import { partition } from "../../src/sim/gossip-faults.ts";
import { TablesCluster } from "../../src/sim/tables-cluster.ts";
import { freshSeed } from "./support.ts";

const sizes = { nodes: 60, networks: 12, networksPerNode: 3, loss: 0.01 } as const;
const RECORDS = 1_200;
const PEACE_MS = minutes(3);

/** A cluster whose records everybody has. */
function populated(seed: number): TablesCluster {
  const tables = new TablesCluster({ ...sizes, seed });
  tables.populate(RECORDS, seconds(10));
  tables.cluster.run(seconds(90));
  assert.deepEqual(tables.violations(), [], `seed ${seed}: after the beginning`);
  return tables;
}

function disturbFor(tables: TablesCluster, durationMs: number, everyMs: number): void {
  const end = tables.cluster.now() + durationMs;
  while (tables.cluster.now() < end) {
    tables.disturb();
    tables.cluster.run(everyMs);
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

const seed = freshSeed;

test("the check notices what has not arrived yet", () => {
  const tables = populated(seed);
  for (let count = 0; count < 5; count++) tables.disturb();
  assert.notDeepEqual(tables.violations(), []);
});

test(`99 % of all sights of a change come within 3 s, at 1 % loss (seed ${seed})`, (t) => {
  const tables = populated(seed);
  tables.reachMs.length = 0;
  disturbFor(tables, seconds(60), 100);
  tables.cluster.run(PEACE_MS);
  const [p50, p99] = [quantile(tables.reachMs, 0.5), quantile(tables.reachMs, 0.99)];
  t.diagnostic(`${tables.reachMs.length} sights: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`);
  assert.ok(p99 <= 3_000, `p99 ${p99} ms, seed ${seed}`);
  assert.deepEqual(tables.violations(), [], `seed ${seed}`);
});

test(`a cut of two minutes, with changes on both sides, heals: nothing lost, nothing resurrected (seed ${seed})`, () => {
  const tables = populated(seed);
  const cut = partition(tables.cluster, 0.4);
  disturbFor(tables, minutes(2), 500);
  cut.heal();
  tables.cluster.run(minutes(2) + PEACE_MS);
  assert.deepEqual(tables.violations(), [], `seed ${seed}`);
});

test(`nodes that die, freeze and come new leave tables that agree (seed ${seed})`, () => {
  const tables = populated(seed);
  for (let round = 0; round < 15; round++) {
    const victim = tables.anyone();
    if (round % 3 === 0) tables.crash(victim);
    else if (round % 3 === 1) victim.node.host.block(seconds(25));
    else tables.newcomer();
    disturbFor(tables, seconds(5), 250);
  }
  tables.cluster.run(minutes(2) + PEACE_MS);
  assert.deepEqual(tables.violations(), [], `seed ${seed}`);
});
