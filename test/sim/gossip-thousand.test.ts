/** One cluster of 1,000 nodes at 1 % loss, used by several tests in order: forming it costs the most. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes, seconds } from "../../src/base/units.ts";
import { violations } from "../../src/sim/gossip-checks.ts";
import { formByJoining } from "../../src/sim/gossip-formation.ts";
import { measureCrash, measureJoin, measureLeave, measureUpdate } from "../../src/sim/gossip-measure.ts";
import { buildCluster } from "../../src/sim/gossip-settings.ts";
import { anyone, settle } from "../../src/sim/gossip-stories.ts";

const NODES = 1_000;
const SEED = 20_260;
const cluster = buildCluster({ seed: SEED, loss: 1, drift: 50, wire: false });

test("1,000 nodes that join within a second form one cluster", () => {
  formByJoining(cluster, NODES);
  const settledMs = settle(cluster, minutes(5));
  assert.ok(settledMs !== undefined, violations(cluster).join("\n"));
  cluster.run(seconds(30));
});

test("99 % of 1,000 nodes know of a join within 3 s", () => {
  const reach = measureJoin(cluster, anyone(cluster), minutes(1));
  assert.ok(reach.p99Ms <= 3_000, JSON.stringify(reach));
  assert.equal(reach.missing, 0);
});

test("99 % of 1,000 nodes know of an update within 3 s", () => {
  const reach = measureUpdate(cluster, anyone(cluster), minutes(1));
  assert.ok(reach.p99Ms <= 3_000, JSON.stringify(reach));
  assert.equal(reach.missing, 0);
});

test("99 % of 1,000 nodes know of a goodbye within 3 s", () => {
  const leaver = anyone(cluster);
  const reach = measureLeave(cluster, leaver, minutes(1));
  assert.ok(reach.p99Ms <= 3_000, JSON.stringify(reach));
  cluster.run(seconds(5));
  leaver.host.crash();
});

test("all of 1,000 nodes hold a crashed one dead within a minute", () => {
  const reach = measureCrash(cluster, anyone(cluster), minutes(1));
  assert.ok(reach.suspectedMs <= 10_000, JSON.stringify(reach));
  assert.equal(reach.missing, 0, JSON.stringify(reach));
});

test("afterwards 1,000 nodes agree on everything", () => {
  cluster.run(seconds(10));
  assert.ok(settle(cluster, minutes(1)) !== undefined, violations(cluster).join("\n"));
});
