/**
 * `skep`: the program. Reads the arguments, runs one command, turns its end into an exit code.
 *
 * Exit codes: 0 done, 1 could not be done, 2 wrong use, 70 a bug of ours, 128 + n ended at once by signal n.
 * New commands are registered in `program`, one line each; what they do lives in files of their own.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { Fault } from "../base/fault.ts";
import { printable } from "../base/printable.ts";
import { demoCommand } from "../cli/demo.ts";
import { gossipCommand } from "../cli/gossip.ts";
import { demoAction } from "./demo.ts";
import { gossipActions } from "./gossip-actions.ts";

const WRONG_USE = 2;
const BUG = 70;
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

function program(done: (exitCode: number) => void): Command {
  const skep = new Command("skep")
    .description("Docker-Swarm-mode overlay networks that are secure by default")
    .version(version(), "-V, --version")
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError('(add "--help" for help)');
  skep.addCommand(gossipCommand(gossipActions(write, stopAsked), done));
  skep.addCommand(demoCommand(demoAction(write, stopAsked), done));
  throwInsteadOfExit(skep);
  return skep.addHelpText("after", '\nSee "skep COMMAND --help" for what a command does, with examples.\n');
}

async function main(): Promise<number> {
  let exitCode = 0;
  try {
    await program((code) => {
      exitCode = code;
    }).parseAsync();
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE;
    if (!(error instanceof Fault)) return bug(error);
    process.stderr.write(`skep: ${printable(error.message)}\n`);
    return 1;
  }
}

/** For every command, because commander copies this setting only to commands it makes itself. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const below of command.commands) throwInsteadOfExit(below);
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** A reader of ours that goes away, as `head` does, does not end a node. */
function write(text: string): void {
  process.stdout.write(text, () => undefined);
}

/** The first signal asks, the second does not wait. */
function stopAsked(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    for (const [name, number] of Object.entries(SIGNALS)) {
      process.on(name, () => {
        if (asked) process.exit(128 + number);
        asked = true;
        resolve();
      });
    }
  });
}

function bug(error: unknown): number {
  const stack = error instanceof Error ? error.stack : String(error);
  process.stderr.write(`skep: this is a bug; please report it: ${stack}\n`);
  return BUG;
}

process.stdout.on("error", () => undefined);
process.on("uncaughtException", (error) => process.exit(bug(error)));
process.exitCode = await main();
