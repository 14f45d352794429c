/**
 * Real serf agents and our real nodes under the same conditions: one process per node, one namespace per process, one
 * switch that loses packets at random (UDP and TCP alike), AES-256, LAN timing, compression.
 *
 *   npm run bench -- vs-serf [--quick] [--nodes 10] [--loss 0,1,5,25] [--minutes 2]
 *
 * Each round starts one more node, lets it join, sends user events, changes tags, kills that node. Meanwhile every
 * suspicion and every death of a node that was never touched is counted as false. Times: from the call (for serf that
 * includes starting its command, about 15 ms) until the last node has said it; medians, and the worst in brackets.
 * Needs root, `ip`, `nft` and `serf`. The two kinds run one after the other, so neither disturbs the other.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Lab, labObstacle } from "../src/lab/lab.ts";
import { hasSerf } from "../src/lab/serf.ts";
import { type Contender, type Kind, type Sight, startContender } from "./contender.ts";
import { machine, printTable } from "./table.ts";

const EVENTS_PER_ROUND = 3;
const SEEN_MS = 60_000;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    nodes: { type: "string" },
    loss: { type: "string" },
    minutes: { type: "string" },
    rounds: { type: "string" },
  },
});
const nodes = Number(values.nodes ?? (values.quick ? 5 : 10));
const losses = (values.loss ?? (values.quick ? "0,25" : "0,1,5,25")).split(",").map(Number);
const watchMs = Number(values.minutes ?? (values.quick ? 0.5 : 2)) * 60_000;
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));

interface Score {
  readonly kind: Kind;
  readonly loss: number;
  readonly times: Readonly<Record<Sight, number[]>>;
  suspicions: number;
  deaths: number;
  watchedMs: number;
}

const obstacle = (await labObstacle()) ?? ((await hasSerf()) ? undefined : "there is no serf command");
if (obstacle !== undefined) throw new Error(`cannot run here: ${obstacle}`);
console.log(`${machine()}; ${nodes} nodes and one that comes and goes, one process each, ${rounds} rounds\n`);
const scores: Score[] = [];
for (const loss of losses) for (const kind of ["serf", "skep"] as const) scores.push(await compete(kind, loss));
print(scores);
process.exit(0);

async function compete(kind: Kind, loss: number): Promise<Score> {
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  const extra = Array.from({ length: rounds }, (_, index) => `x${index + 1}`);
  const lab = await Lab.create([...names, ...extra]);
  try {
    const key = randomBytes(32).toString("base64");
    const stay = await Promise.all(names.map((name) => startContender(kind, lab, lab.host(name), key)));
    const [first] = stay;
    if (first === undefined) throw new Error("there are no nodes");
    for (const node of stay.slice(1)) await node.join(first.host.address);
    for (const { name } of stay)
      await seenByAll(
        stay.filter((node) => node.name !== name),
        "join",
        name,
        0,
      );
    await lab.lose(loss);
    const score: Score = {
      kind,
      loss,
      times: { join: [], update: [], failed: [], event: [] },
      suspicions: 0,
      deaths: 0,
      watchedMs: 0,
    };
    const sinceMs = performance.now();
    for (const name of extra) {
      await round(score, stay, await startContender(kind, lab, lab.host(name), key));
    }
    await sleep(Math.max(0, sinceMs + watchMs - performance.now()));
    for (const node of stay) {
      const { suspicions, deaths } = node.alarms(sinceMs, extra);
      score.suspicions += suspicions;
      score.deaths += deaths;
    }
    score.watchedMs = performance.now() - sinceMs;
    return score;
  } finally {
    await lab.dispose();
  }
}

async function round(score: Score, stay: readonly Contender[], guest: Contender): Promise<void> {
  const speaker = stay[0] as Contender;
  const others = stay.slice(1);
  const time = async (
    sight: Sight,
    about: string,
    seers: readonly Contender[],
    act: () => Promise<unknown>,
  ): Promise<void> => {
    const calledMs = performance.now();
    await act();
    score.times[sight].push(await seenByAll(seers, sight, about, calledMs));
  };
  await time("join", guest.name, stay, async () => {
    // A lost connection attempt is tried again, as an operator would.
    for (let attempt = 0; attempt < 5 && !(await guest.join(speaker.host.address)); attempt++);
  });
  for (let index = 0; index < EVENTS_PER_ROUND; index++) {
    const word = `${guest.name}e${index}`;
    await time("event", word, others, () => speaker.event(word));
    await time("update", speaker.name, others, () => speaker.tag(word));
  }
  await time("failed", guest.name, stay, () => guest.kill());
}

/** Until when the last of them has said so, in ms after `sinceMs`; Infinity when somebody has not within a minute. */
async function seenByAll(seers: readonly Contender[], sight: Sight, about: string, sinceMs: number): Promise<number> {
  while (performance.now() - sinceMs < SEEN_MS || sinceMs === 0) {
    const times = seers.map((node) => node.saw(sight, about, sinceMs));
    if (times.every((time) => time !== undefined)) return Math.max(...times) - sinceMs;
    await sleep(20);
  }
  return Number.POSITIVE_INFINITY;
}

function print(all: readonly Score[]): void {
  const header = [
    "loss",
    "nodes of",
    "join -> all ms",
    "event -> all ms",
    "tags -> all ms",
    "crash -> all s",
    "false suspicions",
    "false deaths",
    "in s",
  ];
  const rows = all.map(({ kind, loss, times, suspicions, deaths, watchedMs }) => [
    `${loss} %`,
    kind,
    spread(times.join, 1),
    spread(times.event, 1),
    spread(times.update, 1),
    spread(times.failed, 1_000),
    `${suspicions}`,
    `${deaths}`,
    `${Math.round(watchedMs / 1_000)}`,
  ]);
  printTable("Times until the last node has said it: median (worst)", header, rows);
}

/** Median and worst. */
function spread(times: readonly number[], unit: number): string {
  const sorted = [...times].sort((one, other) => one - other);
  const show = (time = Number.NaN): string =>
    time === Number.POSITIVE_INFINITY ? "never" : (time / unit).toFixed(unit === 1 ? 0 : 1);
  return `${show(sorted[Math.floor((sorted.length - 1) / 2)])} (${show(sorted.at(-1))})`;
}
