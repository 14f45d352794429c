/**
 * NetworkDB on a large simulated cluster, in virtual time: how long until an attached node sees a change, and what it
 * costs. Links take 0.5 ms plus exponential jitter of 0.5 ms and lose 1 % of all datagrams. `--quick`: a small cluster.
 */
import { minutes, seconds } from "../src/base/units.ts";
import { partition } from "../src/sim/gossip-faults.ts";
import { TablesCluster } from "../src/sim/tables-cluster.ts";
import { inSeconds, machine, printTable, quantile, round } from "./table.ts";

const quick = process.argv.includes("--quick");
const size = quick
  ? { nodes: 100, networks: 20, networksPerNode: 4, records: 5_000 }
  : { nodes: 1_000, networks: 200, networksPerNode: 4, records: 100_000 };
const SEED = 2_026;
const tables = new TablesCluster({ ...size, seed: SEED, loss: 0.01 });
const { cluster } = tables;
const rows: string[][] = [];

/** Run one phase; what its changes took to be seen, and what everything cost. */
function phase(name: string, act: () => void): void {
  const started = performance.now();
  tables.reachMs.length = 0;
  const [from, before] = [cluster.now(), cluster.traffic()];
  act();
  const { datagramBytes, streamBytes } = cluster.traffic(before);
  const perNodeSecond = 1_000 / (cluster.nodes.length * (cluster.now() - from));
  const reach = (share: number): string => inSeconds(quantile(tables.reachMs, share));
  rows.push([
    name,
    `${tables.records}`,
    `${tables.reachMs.length}`,
    reach(0.5),
    reach(0.99),
    reach(1),
    round(datagramBytes * perNodeSecond),
    round(streamBytes * perNodeSecond),
    `${tables.violations().length}`,
  ]);
  console.error(`${name}: ${inSeconds(performance.now() - started)} s for ${inSeconds(cluster.now() - from)} s`);
}

function disturbFor(durationMs: number, everyMs: number): void {
  const end = cluster.now() + durationMs;
  while (cluster.now() < end) {
    tables.disturb();
    cluster.run(everyMs);
  }
}

phase("everybody joins and publishes within 2 min, then 2 min", () => {
  tables.populate(size.records, minutes(2));
  cluster.run(minutes(2));
});
phase("20 changes a second for 30 s, then 1 min", () => {
  disturbFor(seconds(30), 50);
  cluster.run(minutes(1));
});
phase("a cut of 2 min through 40 %, changes on both sides, then 4 min", () => {
  const cut = partition(cluster, 0.4);
  disturbFor(minutes(2), 500);
  cut.heal();
  cluster.run(minutes(4));
});
phase("20 nodes die, 20 come, changes go on for 1 min, then 3 min", () => {
  for (let round = 0; round < 20; round++) {
    tables.crash(tables.anyone());
    tables.newcomer();
    disturbFor(seconds(3), 250);
  }
  cluster.run(minutes(3));
});

console.log(`NetworkDB in the simulator: ${size.nodes} nodes, ${size.networks} networks, seed ${SEED}; ${machine()}`);
printTable(
  "Seconds from a change until a node that should see it does (p50 / p99 / last); bytes per node and second; after each phase, how many nodes see something else than the truth",
  ["phase", "records", "sights", "p50", "p99", "last", "UDP B/node/s", "TCP B/node/s", "violations"],
  rows,
);
