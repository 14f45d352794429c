/**
 * How fast news travels through a simulated cluster, how often it is wrong, and what it costs, in virtual time.
 *
 * Each cell runs twice with the same seeds: with skep's own improvements, and with all of them off, which leaves
 * memberlist's rules as they are written down. Packets are message objects with the sizes of encrypted, uncompressed
 * packets. Links take 0.5 ms plus exponential jitter of 0.5 ms. `--quick`: small clusters, about a minute.
 * `--only join|alarms` runs one half, `--nodes 10,1000` and `--loss 1,5` some of the cells; all of them take hours.
 */
import { minutes, seconds } from "../src/base/units.ts";
import { type Improvements, noImprovements } from "../src/gossip/improvements.ts";
import { GossipCluster } from "../src/sim/gossip-cluster.ts";
import { slowDown, slowLoops } from "../src/sim/gossip-faults.ts";
import { formByJoining, formWarm } from "../src/sim/gossip-formation.ts";
import { FalseAlarms, measureCrash, measureJoin, measureUpdate } from "../src/sim/gossip-measure.ts";
import { anyone, settle } from "../src/sim/gossip-stories.ts";
import { type Cell, inSeconds, machine, median, printTable, quantile, round } from "./table.ts";

interface Rules {
  readonly name: string;
  readonly improvements: Improvements | undefined;
}

const rules: readonly Rules[] = [
  { name: "skep", improvements: undefined },
  { name: "memberlist", improvements: noImprovements },
];

const args = process.argv.slice(2);
const quick = args.includes("--quick");
const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : undefined;
const SEED = 1_000;
const numbers = (option: string): readonly number[] | undefined =>
  args.includes(option) ? (args[args.indexOf(option) + 1] ?? "").split(",").map(Number) : undefined;
const losses = numbers("--loss") ?? (quick ? [0, 5] : [0, 1, 5, 25]);
const wantedNodes = numbers("--nodes");
const allSizes: readonly { readonly nodes: number; readonly trials: number }[] = quick
  ? [
      { nodes: 10, trials: 5 },
      { nodes: 100, trials: 3 },
    ]
  : [
      { nodes: 10, trials: 15 },
      { nodes: 100, trials: 9 },
      { nodes: 1_000, trials: 3 },
      { nodes: 5_000, trials: 1 },
    ];
const sizes = allSizes.filter(({ nodes }) => wantedNodes?.includes(nodes) ?? true);
/** Above this, joining one by one takes longer than what is measured. */
const WARM_FROM_NODES = 1_000;
const REST_MS = seconds(20);
const IDLE_MS = seconds(10);

/** A cluster that is at rest, seen from the measurements. */
function atRest(rule: Rules, nodes: number, loss: number, seed: number): GossipCluster {
  const { improvements } = rule;
  const link = { loss: 0 };
  const cluster = new GossipCluster({
    seed,
    link,
    driftPpmMax: 50,
    ...(improvements === undefined ? {} : { improvements }),
  });
  if (nodes >= WARM_FROM_NODES) formWarm(cluster, nodes);
  else {
    formByJoining(cluster, nodes);
    if (settle(cluster) === undefined) throw new Error(`${nodes} nodes of seed ${seed} do not form a cluster`);
  }
  cluster.network.setLink({ loss: loss / 100 });
  cluster.run(REST_MS);
  return cluster;
}

interface Trial {
  readonly join: readonly [p50: number, p99: number, max: number];
  readonly update: readonly [p50: number, p99: number, max: number];
  readonly suspectedMs: number;
  readonly death: readonly [p50: number, p99: number, max: number];
  readonly packets: number;
  readonly bytes: number;
  readonly idlePackets: number;
  readonly missing: number;
}

function trial(rule: Rules, nodes: number, loss: number, seed: number): Trial {
  const cluster = atRest(rule, nodes, loss, seed);
  const [startedAt, before] = [cluster.now(), cluster.traffic()];
  cluster.run(IDLE_MS);
  const idle = cluster.traffic(before);
  const join = measureJoin(cluster, anyone(cluster), minutes(1));
  cluster.run(seconds(5));
  const update = measureUpdate(cluster, anyone(cluster), minutes(1));
  cluster.run(seconds(5));
  const crash = measureCrash(cluster, anyone(cluster), minutes(3));
  const { datagrams, datagramBytes, streamBytes } = cluster.traffic(before);
  const perNodeSecond = 1_000 / (nodes * (cluster.now() - startedAt));
  return {
    join: [join.p50Ms, join.p99Ms, join.maxMs],
    update: [update.p50Ms, update.p99Ms, update.maxMs],
    suspectedMs: crash.suspectedMs,
    death: [crash.p50Ms, crash.p99Ms, crash.maxMs],
    packets: datagrams * perNodeSecond,
    bytes: (datagramBytes + streamBytes) * perNodeSecond,
    idlePackets: (idle.datagrams * 1_000) / (nodes * IDLE_MS),
    missing: join.missing + update.missing + crash.missing,
  };
}

function newsRows(): Cell[][] {
  const rows: Cell[][] = [];
  for (const { nodes, trials } of sizes) {
    for (const loss of losses) {
      for (const rule of rules) {
        const started = performance.now();
        const results = Array.from({ length: trials }, (_, at) => trial(rule, nodes, loss, SEED + at));
        const row = newsRow(rule, nodes, loss, results);
        rows.push(row);
        console.error(row.join(" | "));
        console.error(`${rule.name} ${nodes} nodes, ${loss} % loss: ${inSeconds(performance.now() - started)} s`);
      }
    }
  }
  return rows;
}

function newsRow(rule: Rules, nodes: number, loss: number, results: readonly Trial[]): Cell[] {
  const middle = (pick: (result: Trial) => number): number => median(results.map(pick));
  const worst = (pick: (result: Trial) => number): number => quantile(results.map(pick), 1);
  const reach = (pick: (result: Trial) => readonly [number, number, number]): string =>
    [middle((result) => pick(result)[0]), middle((result) => pick(result)[1]), worst((result) => pick(result)[2])]
      .map(inSeconds)
      .join(" / ");
  const isAim = nodes === 1_000 && loss === 1;
  const met = [...results].every(({ join, update }) => join[1] <= 3_000 && update[1] <= 3_000);
  return [
    `${nodes}`,
    `${loss}`,
    rule.name,
    `${results.length}`,
    reach(({ join }) => join),
    reach(({ update }) => update),
    inSeconds(middle(({ suspectedMs }) => suspectedMs)),
    reach(({ death }) => death),
    round(middle(({ idlePackets }) => idlePackets)),
    round(middle(({ packets }) => packets)),
    `${Math.round(middle(({ bytes }) => bytes))}`,
    `${results.reduce((sum, { missing }) => sum + missing, 0)}`,
    isAim ? (met ? "met" : "MISSED") : "",
  ];
}

interface AlarmSetting {
  readonly loss: number;
  readonly slowShare: number;
}

const ALARM_NODES = quick ? 50 : 200;
const ALARM_MS = quick ? minutes(3) : minutes(20);
const ALARM_TRIALS = quick ? 1 : 3;
const alarmSettings: readonly AlarmSetting[] = [
  ...losses.map((loss) => ({ loss, slowShare: 0 })),
  ...[0.01, 0.05].flatMap((slowShare) => (quick ? [1] : [0, 1, 5]).map((loss) => ({ loss, slowShare }))),
];

function alarmRows(): Cell[][] {
  const rows: Cell[][] = [];
  for (const { loss, slowShare } of alarmSettings) {
    for (const rule of rules) {
      const results = Array.from({ length: ALARM_TRIALS }, (_, at) => alarmsOf(rule, { loss, slowShare }, SEED + at));
      const nodeMinutes = (ALARM_NODES * ALARM_MS * ALARM_TRIALS) / 60_000;
      const total = (pick: (alarms: FalseAlarms) => number): string =>
        round((results.reduce((sum, alarms) => sum + pick(alarms), 0) * 1_000) / nodeMinutes);
      rows.push([
        `${loss}`,
        `${slowShare * 100}`,
        rule.name,
        `${nodeMinutes}`,
        total(({ suspicions }) => suspicions),
        total(({ deaths }) => deaths),
        total(({ believers }) => believers),
      ]);
      console.error(`${rule.name} alarms at ${loss} % loss, ${slowShare * 100} % slow`);
    }
  }
  return rows;
}

function alarmsOf(rule: Rules, { loss, slowShare }: AlarmSetting, seed: number): FalseAlarms {
  const cluster = atRest(rule, ALARM_NODES, loss, seed);
  const alarms = new FalseAlarms(cluster);
  if (slowShare > 0) slowDown(cluster, { ...slowLoops, share: slowShare, untilMs: cluster.now() + ALARM_MS });
  cluster.run(ALARM_MS);
  alarms.stop();
  return alarms;
}

console.log(
  `Gossip in the simulator: \`npm run bench -- convergence${quick ? " --quick" : ""}\`; ${machine()}; seeds from ${SEED}.`,
);
console.log('\n"skep" is this engine as it is; "memberlist" is the same engine with every improvement switched off.');
if (only !== "alarms") {
  printTable(
    "How long news takes: seconds until half of the nodes know / 99 % / all. Medians over the trials, for all: the worst. The aim is p99 <= 3 s for join and update at 1,000 nodes and 1 % loss.",
    [
      "nodes",
      "loss %",
      "rules",
      "trials",
      "join",
      "update",
      "suspected",
      "death known",
      "idle pkt/node/s",
      "pkt/node/s",
      "B/node/s",
      "missing",
      "aim",
    ],
    newsRows(),
  );
}
if (only !== "join") {
  const { blockMinMs, blockMaxMs, pauseMeanMs } = slowLoops;
  printTable(
    `False alarms per 1,000 node-minutes, ${ALARM_NODES} nodes; slow nodes block their event loop for ${blockMinMs} to ${blockMaxMs} ms, with pauses of ${pauseMeanMs} ms on average`,
    [
      "loss %",
      "slow nodes %",
      "rules",
      "node-minutes",
      "false suspicions",
      "false deaths",
      "believers in a false death",
    ],
    alarmRows(),
  );
}
