/**
 * `node --import tsx tools/fuzz.ts [OPTION]...`: feeds damaged input to every decoder. The help below is its manual;
 * fuzz/job.ts does the work, fuzz/target.ts says how a decoder is added.
 */
import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runCampaign } from "./fuzz/campaign.ts";
import { type Finding, INPUT_MS_MAX, judgeWithin } from "./fuzz/job.ts";
import { targetNamed, targets } from "./fuzz/registry.ts";
import { Tally } from "./fuzz/tally.ts";
import { isProblem, type Problem } from "./fuzz/verdict.ts";

const INPUTS = 10_000_000;
const PROGRESS_MS = 5_000;
/** Longer ones do not fit on a command line everywhere. */
const SHOWN_BYTES_MAX = 30_000;

class WrongUse extends Error {}

const HELP = `NAME
  fuzz - feed damaged input to every decoder

SYNOPSIS
  npm run fuzz -- [OPTION]...

DESCRIPTION
  Takes good inputs (real peers' bytes in test/vectors), damages them, and holds every decoder to its promises: each
  input gives a value or a fault with a code of the decoder's own; a value comes back the same after encoding; no input
  takes longer than ${INPUT_MS_MAX} ms, endless loops included; nothing of many inputs stays in memory.

OPTIONS
  --inputs N      inputs in all, shared out evenly (default: ${INPUTS})
  --seconds S     stop after so long, whatever is left
  --target NAME   only this decoder; repeatable
  --seed N        repeat a run (default: drawn and printed)
  --threads N     worker threads (default: one per processor, here ${availableParallelism()})
  --input HEX     try this one input, of the one --target
  --list          name the targets
  --help          show this text

EXIT STATUS
  0  nothing was found
  1  something was found; what, with which input, and how to see it again is on standard output
  2  wrong use

EXAMPLES
  npm run fuzz
  npm run fuzz -- --seconds 60 --target packet-sealed --target stream-sealed
  npm run fuzz -- --target lzw --input 80
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    if (!(error instanceof WrongUse) && !(error instanceof TypeError && "code" in error)) throw error;
    console.error(`fuzz: ${error.message}; --help explains`);
    return 2;
  }
}

async function run(args: string[]): Promise<number> {
  const number = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      inputs: number,
      seconds: number,
      seed: number,
      threads: number,
      target: { type: "string", multiple: true },
      input: { type: "string" },
      list: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return print(HELP.trimEnd());
  if (values.list === true) return print(targets.map(({ name, about }) => `${name.padEnd(24)}${about}`).join("\n"));
  const names = values.target ?? targets.map(({ name }) => name);
  for (const name of names) if (targetNamed(name) === undefined) throw new WrongUse(`there is no target ${name}`);
  if (values.input !== undefined) return tryOne(names, values.input);
  const seconds = values.seconds === undefined ? undefined : count("seconds", values.seconds);
  return fuzz({
    names,
    seconds,
    seed: values.seed === undefined ? randomInt(2 ** 32) : count("seed", values.seed, 0),
    inputs: values.inputs === undefined && seconds !== undefined ? 1e12 : count("inputs", values.inputs ?? `${INPUTS}`),
    threads: count("threads", values.threads ?? `${availableParallelism()}`),
  });
}

function print(text: string): number {
  console.log(text);
  return 0;
}

function count(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least) throw new WrongUse(`--${name} wants a whole number from ${least}`);
  return value;
}

/** One input that is already known. */
function tryOne(names: readonly string[], hex: string): number {
  const target = names.length === 1 ? targetNamed(names[0]!) : undefined;
  if (target === undefined || !/^([0-9a-f]{2})*$/i.test(hex)) {
    throw new WrongUse("--input wants hexadecimal bytes, and exactly one --target");
  }
  const verdict = judgeWithin(target, new Uint8Array(Buffer.from(hex, "hex")));
  console.log(isProblem(verdict) ? describe(verdict) : verdict);
  return isProblem(verdict) ? 1 : 0;
}

interface Plan {
  readonly names: readonly string[];
  readonly seed: number;
  readonly inputs: number;
  readonly seconds: number | undefined;
  readonly threads: number;
}

async function fuzz({ names, ...plan }: Plan): Promise<number> {
  const started = performance.now();
  const tally = new Tally();
  console.log(`# seed ${plan.seed}, ${names.length} targets, ${plan.threads} threads`);
  const progress = (): void => console.log(`# ${rate(tally.inputs, performance.now() - started)}`);
  const timer = setInterval(progress, PROGRESS_MS);
  const findings = await runCampaign({ targets: names, ...plan, onReport: (report) => tally.add(report) });
  clearInterval(timer);
  console.log(tally.table());
  for (const finding of findings) console.log(`\n${report(finding, plan)}`);
  progress();
  console.log(`${tally.inputs} inputs, ${findings.length} found`);
  return findings.length > 0 ? 1 : 0;
}

function rate(inputs: number, ms: number): string {
  return `${inputs} inputs in ${(ms / 1000).toFixed(0)} s, ${Math.round((inputs / ms) * 1000)} a second`;
}

function report({ target, problem, input, foundBytes }: Finding, { seed, inputs }: Omit<Plan, "names">): string {
  const hex = Buffer.from(input ?? []).toString("hex");
  const isShown = input !== undefined && input.length <= SHOWN_BYTES_MAX;
  const again = isShown ? `--input '${hex}'` : `--seed ${seed} --inputs ${inputs}`;
  const lines = [`FOUND  ${target}: ${problem.kind}, seed ${seed}`, describe(problem)];
  if (isShown) lines.push(`input  ${hex} (${input.length} bytes, found with ${foundBytes})`);
  return [...lines, `again  npm run fuzz -- --target ${target} ${again}`].join("\n");
}

function describe({ kind, text }: Problem): string {
  return `${kind}: ${text}`.replaceAll(/^/gm, "       ");
}
