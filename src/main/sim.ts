/**
 * `npm run sim -- --seed 91827 --nodes 40 --minutes 30 --loss 1 --story partition`
 *
 * Tells one story of a simulated gossip cluster, or all of them, and prints what came out, the fingerprint of the run
 * and, first of all, the line that repeats it. Exit code 1 when the cluster did not come to rest as it should.
 */
import { randomInt } from "node:crypto";
import { Command, InvalidArgumentError, Option } from "commander";
import type { GossipCluster } from "../sim/gossip-cluster.ts";
import { defaultSettings, repeatLine, runStory, type SimSettings } from "../sim/gossip-settings.ts";
import { type Outcome, type StoryName, stories } from "../sim/gossip-stories.ts";

type Options = Omit<SimSettings, "story" | "seed"> & { readonly seed?: number; readonly story: StoryName | "all" };

const names = Object.keys(stories) as StoryName[];

const program = new Command("sim")
  .description("Tell a story of a simulated gossip cluster.")
  .option("--seed <number>", "what all chance is drawn from; a fresh one if not given", wholeNumber)
  .option("--nodes <count>", "nodes at the beginning", wholeNumber, defaultSettings.nodes)
  .option(
    "--minutes <count>",
    "how long trouble lasts in the stories slow and churn",
    positive,
    defaultSettings.minutes,
  )
  .option("--loss <percent>", "datagrams and stream trips lost", positive, defaultSettings.loss)
  .option("--drift <ppm>", "clocks run up to this much too fast or too slow", positive, defaultSettings.drift)
  .addOption(new Option("--story <name>", "which").choices([...names, "all"]).default("all"))
  .option("--wire", "encode, encrypt and decode every packet", defaultSettings.wire);

process.exitCode = main(program.parse().opts());

function main({ seed = randomInt(2 ** 31), story, ...rest }: Options): number {
  const chosen = story === "all" ? names : [story];
  const failed = chosen.filter((name) => !run({ ...rest, seed, story: name }));
  return failed.length === 0 ? 0 : 1;
}

function run(settings: SimSettings): boolean {
  console.log(`\n${repeatLine(settings)}`);
  const started = performance.now();
  const { cluster, outcome } = runStory(settings);
  print(outcome, cluster, performance.now() - started);
  return outcome.problems.length === 0;
}

function print({ findings, problems }: Outcome, cluster: GossipCluster, tookMs: number): void {
  for (const [what, value] of Object.entries(findings)) console.log(`  ${what.padEnd(30)} ${value}`);
  const ratio = (cluster.now() / tookMs).toFixed(1);
  console.log(`  ${"virtual seconds".padEnd(30)} ${(cluster.now() / 1_000).toFixed(1)} (${ratio} times real time)`);
  console.log(`  ${"trace".padEnd(30)} ${cluster.trace.digest()} (${cluster.trace.entries} effects)`);
  for (const problem of problems) console.log(`  WRONG: ${problem}`);
}

function wholeNumber(text: string): number {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError("must be a whole number");
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("must be a number, not negative");
  return value;
}
