/** A change of the encryption key while the cluster works, with real bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { shuffle } from "../../src/base/random.ts";
import { seconds } from "../../src/base/units.ts";
import type { GossipCluster } from "../../src/sim/gossip-cluster.ts";
import { formByJoining } from "../../src/sim/gossip-formation.ts";
import { FalseAlarms, measureUpdate } from "../../src/sim/gossip-measure.ts";
import { buildCluster, simKey } from "../../src/sim/gossip-settings.ts";
import { anyone, settle } from "../../src/sim/gossip-stories.ts";
import { WireCarrier } from "../../src/sim/gossip-wire.ts";
import { freshSeed } from "./support.ts";

const NODES = 50;

/** Do something to every node's keyring, one node after the other in random order. */
function eachRing(cluster: GossipCluster, overMs: number, change: (carrier: WireCarrier) => void): void {
  const order = shuffle(cluster.world.random(`rotation ${cluster.now()}`), [...cluster.nodes]);
  for (const [place, { carrier }] of order.entries()) {
    assert.ok(carrier instanceof WireCarrier);
    cluster.world.after((overMs * place) / order.length, () => change(carrier));
  }
  cluster.run(overMs);
}

for (const seed of [5, freshSeed]) {
  test(`keys change on 50 working nodes without one lost packet or false suspicion (seed ${seed})`, () => {
    const cluster = buildCluster({ seed, loss: 0, drift: 50, wire: true });
    formByJoining(cluster, NODES);
    assert.notEqual(settle(cluster), undefined);
    const [oldKey, newKey] = [simKey(seed, 0), simKey(seed, 1)];
    const alarms = new FalseAlarms(cluster);
    eachRing(cluster, seconds(5), ({ keyring }) => keyring.install(newKey));
    eachRing(cluster, seconds(5), ({ keyring }) => keyring.use(newKey));
    const during = measureUpdate(cluster, anyone(cluster), seconds(10));
    // What the old key sealed is still on its way for a moment; streams may take longer.
    cluster.run(seconds(1));
    eachRing(cluster, seconds(5), ({ keyring }) => keyring.remove(oldKey));
    const after = measureUpdate(cluster, anyone(cluster), seconds(10));
    assert.equal(during.missing + after.missing, 0);
    assert.equal(alarms.suspicions, 0);
    for (const node of cluster.nodes) assert.equal(node.undecodable, 0, `${node.name} could not read something`);
    assert.notEqual(settle(cluster), undefined);
  });
}

test("a node that missed the change is found out, and nobody can read it any more", () => {
  const seed = 6;
  const cluster = buildCluster({ seed, loss: 0, drift: 0, wire: true });
  formByJoining(cluster, 10);
  assert.notEqual(settle(cluster), undefined);
  const [oldKey, newKey] = [simKey(seed, 0), simKey(seed, 1)];
  for (const { carrier } of cluster.nodes.slice(1)) {
    assert.ok(carrier instanceof WireCarrier);
    carrier.keyring.install(newKey);
    carrier.keyring.use(newKey);
    carrier.keyring.remove(oldKey);
  }
  cluster.run(seconds(60));
  const laggard = cluster.nodes[0]!;
  for (const node of cluster.nodes.slice(1)) assert.notEqual(node.view(laggard.name)?.state, "alive", node.name);
  assert.ok(laggard.undecodable > 0);
  assert.ok(cluster.nodes[1]!.undecodable > 0);
});
