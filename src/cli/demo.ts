/** The grammar of `skep demo`: flags and help. What it does is handed in. */
import { Command, InvalidArgumentError, Option } from "commander";
import { type OutputFormat, outputFormats } from "./print.ts";

export const DEMO_NODES_MIN = 3;
export const DEMO_NODES_MAX = 10;

export interface DemoOptions {
  readonly nodes: number;
  /** Leave everything running until SIGINT. */
  readonly keep: boolean;
  readonly format: OutputFormat;
}

const help = `
Builds hosts as network namespaces on one switch inside this machine, runs a real "skep gossip" in each, and shows
step by step, with evidence: they find each other; nothing they send can be read; strangers are refused and counted;
keys are rotated under way; a real Serf agent is one of them (if serf is installed); a killed node is found dead; a
node that leaves is seen to have left. Takes less than a minute, needs root, leaves nothing behind, also after Ctrl-C.

Exit status:
  0  every step succeeded
  1  a step failed, or this machine cannot run it: the reason is printed
  130  ended by Ctrl-C

Examples:
  $ sudo ./skep demo
  $ sudo ./skep demo --nodes 5 --keep
  $ sudo ./skep demo --format json | jq -r 'select(.ok == false)'
`;

/** `run` resolves to the exit code. */
export function demoCommand(run: (options: DemoOptions) => Promise<number>, done: (exitCode: number) => void): Command {
  return new Command("demo")
    .description("show what works today, on this machine, in under a minute")
    .option("--nodes <count>", `hosts with a node each, ${DEMO_NODES_MIN} to ${DEMO_NODES_MAX}`, nodeCount, 3)
    .option("--keep", "leave everything running until Ctrl-C, to look around", false)
    .addOption(new Option("--format <format>", "json: one object a step").choices(outputFormats).default("text"))
    .addHelpText("after", help)
    .action(async (options: DemoOptions) => done(await run(options)));
}

function nodeCount(text: string): number {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (count >= DEMO_NODES_MIN && count <= DEMO_NODES_MAX) return count;
  throw new InvalidArgumentError(`A number from ${DEMO_NODES_MIN} to ${DEMO_NODES_MAX}.`);
}
