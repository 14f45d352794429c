/**
 * `npm run sim -- --seed 91827 --nodes 40 --minutes 30 --loss 1 --story partition`
 *
 * Tells one story of a simulated gossip cluster, or all of them, and prints what came out, the fingerprint of the run
 * and, first of all, the line that repeats it. Exit code 1 when the cluster did not come to rest as it should.
 */
import { randomInt } from "node:crypto";
import { Command, InvalidArgumentError, Option } from "commander";
import { minutes } from "../base/units.ts";
import { SymmetricKey } from "../crypt/aead.ts";
import { lan } from "../gossip/config.ts";
import { Keyring } from "../gossip/keyring.ts";
import { GossipCluster } from "../sim/gossip-cluster.ts";
import { type Outcome, type StoryName, stories, tell } from "../sim/gossip-stories.ts";
import { WireCarrier } from "../sim/gossip-wire.ts";
import { SeededRandom } from "../sim/random.ts";

interface Options {
  readonly seed: number;
  readonly nodes: number;
  readonly minutes: number;
  readonly loss: number;
  readonly drift: number;
  readonly story: StoryName | "all";
  readonly wire: boolean;
}

const names = Object.keys(stories) as StoryName[];

const program = new Command("sim")
  .description("Tell a story of a simulated gossip cluster.")
  .option("--seed <number>", "what all chance is drawn from; a fresh one if not given", wholeNumber)
  .option("--nodes <count>", "nodes at the beginning", wholeNumber, 40)
  .option("--minutes <count>", "how long trouble lasts in the stories slow and churn", positive, 2)
  .option("--loss <percent>", "datagrams and stream trips lost", positive, 0)
  .option("--drift <ppm>", "clocks run up to this much too fast or too slow", positive, 50)
  .addOption(new Option("--story <name>", "which").choices([...names, "all"]).default("all"))
  .option("--wire", "encode, encrypt and decode every packet", false);

process.exitCode = main(program.parse().opts());

function main(given: Partial<Options>): number {
  const options = { seed: randomInt(2 ** 31), ...given } as Options;
  const chosen = options.story === "all" ? names : [options.story];
  let failed = 0;
  for (const story of chosen) failed += run(story, options) ? 0 : 1;
  return failed === 0 ? 0 : 1;
}

function run(story: StoryName, options: Options): boolean {
  console.log(`\n${repeatLine(story, options)}`);
  const cluster = build(options);
  const started = performance.now();
  const outcome = tell(story, cluster, { nodes: options.nodes, durationMs: minutes(options.minutes) });
  print(outcome, cluster, performance.now() - started);
  return outcome.problems.length === 0;
}

function repeatLine(story: StoryName, { seed, nodes, minutes, loss, drift, wire }: Options): string {
  const settings = `--seed ${seed} --nodes ${nodes} --minutes ${minutes} --loss ${loss} --drift ${drift}`;
  return `npm run sim -- ${settings} --story ${story}${wire ? " --wire" : ""}`;
}

function build({ seed, loss, drift, wire }: Options): GossipCluster {
  const random = new SeededRandom(seed, "keys");
  const key = random.bytes(32);
  const carrier = (index: number): WireCarrier =>
    new WireCarrier(
      { config: lan, keyring: new Keyring([new SymmetricKey(key)]) },
      { random: new SeededRandom(seed, `nonces ${index}`) },
    );
  return new GossipCluster({
    seed,
    trace: true,
    driftPpmMax: drift,
    link: { loss: loss / 100 },
    ...(wire ? { carrier } : {}),
  });
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
