/**
 * The grammar of `skep gossip`: flags, subcommands, help. What they do is handed in, so that this file knows neither
 * sockets nor files nor the process.
 */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { formatEndpoint, parseEndpoint } from "../base/ip.ts";
import { type PresetName, presets } from "../gossip/config.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { ControlRequest } from "./gossip-control.ts";
import { examples, runHelp } from "./gossip-help.ts";
import { type OutputFormat, outputFormats } from "./print.ts";

export const GOSSIP_PORT = 7946;

const levels = ["debug", "info", "warn", "error"] as const;

export interface GossipRunOptions {
  /** Default: the host's name. */
  readonly node?: string;
  readonly bind: Endpoint;
  readonly advertise?: Endpoint;
  readonly join: readonly string[];
  /** Base64; secret. */
  readonly encrypt?: string;
  readonly keyringFile?: string;
  readonly profile: PresetName;
  readonly label: string;
  readonly delegateProtocol: readonly [min: number, max: number, current: number];
  readonly logLevel: (typeof levels)[number];
  readonly control?: string;
  readonly format: OutputFormat;
}

export interface ControlOptions {
  readonly control: string;
  readonly format: OutputFormat;
}

/** What the commands do. Each resolves to the exit code. */
export interface GossipActions {
  run(options: GossipRunOptions): Promise<number>;
  /** Ask a running node and print its answer. A key "-" stands for standard input. */
  ask(request: ControlRequest, options: ControlOptions): Promise<number>;
  keygen(bytes: number): Promise<number>;
}

/** `done` hears the exit code of whichever command ran. */
export function gossipCommand(actions: GossipActions, done: (exitCode: number) => void): Command {
  const gossip = new Command("gossip")
    .description("run one gossip node in the foreground, or ask one that runs")
    .usage("[options] | [command]")
    .enablePositionalOptions();
  addRunOptions(gossip);
  gossip.action(async (options: GossipRunOptions) => done(await actions.run(options)));
  const ask = (request: ControlRequest, command: Command): Promise<void> =>
    actions.ask(request, command.opts<ControlOptions>()).then(done);
  gossip.addCommand(simple("members", "list the members that the node knows", { op: "members" }, ask));
  gossip.addCommand(keysCommand(ask));
  gossip.addCommand(simple("stats", "show the node's counters", { op: "stats" }, ask));
  gossip.addCommand(leaveCommand(ask));
  gossip.addCommand(keygenCommand(actions, done));
  return gossip.addHelpText("after", runHelp);
}

function addRunOptions(gossip: Command): void {
  const anyBound: Endpoint = { address: "0.0.0.0", port: GOSSIP_PORT };
  gossip
    .option("--node <name>", "name in the cluster, unique (default: the host's name)")
    .addOption(
      new Option("--bind <addr[:port]>", "address and port for UDP and TCP; port 0: any")
        .argParser(endpoint(GOSSIP_PORT))
        .default(anyBound, formatEndpoint(anyBound)),
    )
    .option("--advertise <addr[:port]>", "what the others are told (default: bound or first private)", endpoint(0))
    .addOption(
      new Option("--join <target>", "exchange state with [nodename/]host[:port]; may be repeated")
        .argParser((target: string, before: readonly string[]) => [...before, target])
        .default([], "nobody"),
    )
    .addOption(
      new Option("--encrypt <base64key>", "encrypt with this key; better in the environment").env("SKEP_GOSSIP_KEY"),
    )
    .option("--keyring-file <file>", "JSON array of base64 keys, the first encrypts; kept up to date")
    .addOption(
      new Option("--profile <name>", "timing").choices(Object.keys(presets)).default("lan" satisfies PresetName),
    )
    .option("--label <text>", "label in front of everything, to keep clusters apart", "")
    .addOption(
      new Option("--delegate-protocol <min,max,current>", "versions of the layer above; serf: 2,5,5")
        .argParser(versions)
        .default([0, 0, 0], "0,0,0"),
    )
    .addOption(new Option("--log-level <level>", "to standard error").choices(levels).default("info"))
    .addOption(controlOption())
    .addOption(formatOption());
}

type Ask = (request: ControlRequest, command: Command) => Promise<void>;

function simple(name: string, description: string, request: ControlRequest, ask: Ask): Command {
  const command = controlled(new Command(name).description(description));
  return command.action(() => ask(request, command)).addHelpText("after", examples(name));
}

function keysCommand(ask: Ask): Command {
  const keys = new Command("keys")
    .description("list and rotate the keys of the node")
    .addHelpText("after", examples("keys"));
  keys.addCommand(simple("list", "show the ids of the installed keys, never the keys", { op: "keysList" }, ask));
  const verbs = [
    ["install", "keysInstall", "accept what this key encrypts", "the key in base64"],
    ["use", "keysUse", "encrypt with this installed key from now on", "the key in base64, or its id"],
    ["remove", "keysRemove", "forget this key; the primary key stays", "the key in base64, or its id"],
  ] as const;
  for (const [verb, op, description, argument] of verbs) {
    const command = controlled(new Command(verb).description(description));
    command.addArgument(new Argument("<key>", `${argument}; "-" reads it from standard input`));
    keys.addCommand(command.action((key: string) => ask({ op, key }, command)));
  }
  return keys;
}

function leaveCommand(ask: Ask): Command {
  const command = controlled(new Command("leave").description("let the node say goodbye and end"));
  command.option("--timeout <seconds>", "how long saying goodbye may take", wholeSeconds, 10);
  return command
    .action(({ timeout }: { timeout: number }) => ask({ op: "leave", timeoutMs: timeout * 1000 }, command))
    .addHelpText("after", examples("leave"));
}

function keygenCommand(actions: GossipActions, done: (exitCode: number) => void): Command {
  return new Command("keygen")
    .description("print a fresh key in base64")
    .addOption(new Option("--bytes <count>", "AES-128, AES-192 or AES-256").choices(["16", "24", "32"]).default("32"))
    .action(async ({ bytes }: { bytes: string }) => done(await actions.keygen(Number(bytes))))
    .addHelpText("after", examples("keygen"));
}

function controlled(command: Command): Command {
  return command.addOption(controlOption().makeOptionMandatory()).addOption(formatOption());
}

function controlOption(): Option {
  return new Option("--control <socket>", "unix socket to ask the running node through").env("SKEP_GOSSIP_CONTROL");
}

function formatOption(): Option {
  return new Option("--format <format>", "of what goes to standard output").choices(outputFormats).default("text");
}

/** Turns a `Fault` into what commander reports as wrong use. */
function endpoint(defaultPort: number): (text: string) => Endpoint {
  return (text) => {
    try {
      return parseEndpoint(text, defaultPort);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}

function versions(text: string): [number, number, number] {
  const [min = -1, max = -1, current = -1, ...more] = text
    .split(",")
    .map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : -1));
  const isRight = more.length === 0 && min >= 0 && max <= 255 && min <= current && current <= max;
  if (!isRight) throw new InvalidArgumentError("Three numbers from 0 to 255, the third between the first two.");
  return [min, max, current];
}

function wholeSeconds(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("A whole number of seconds, at most 9999.");
  return Number(text);
}
