import assert from "node:assert/strict";
import { test } from "node:test";
import { Command, CommanderError } from "commander";
import {
  type ControlOptions,
  type GossipActions,
  type GossipRunOptions,
  gossipCommand,
} from "../../../src/cli/gossip.ts";
import type { ControlRequest } from "../../../src/cli/gossip-control.ts";

interface Seen {
  readonly run: GossipRunOptions[];
  readonly asked: [ControlRequest, ControlOptions][];
  readonly keys: number[];
  readonly exitCodes: number[];
  readonly output: string[];
}

/** Parse as `skep …` would, with actions that only remember. */
function skep(...args: readonly string[]): Promise<Seen> {
  return skepInto([], ...args);
}

async function skepInto(output: string[], ...args: readonly string[]): Promise<Seen> {
  const seen: Seen = { run: [], asked: [], keys: [], exitCodes: [], output };
  const actions: GossipActions = {
    run: async (options) => {
      seen.run.push(options);
      return 3;
    },
    ask: async (request, options) => {
      seen.asked.push([request, options]);
      return 0;
    },
    keygen: async (bytes) => {
      seen.keys.push(bytes);
      return 0;
    },
  };
  const program = new Command("skep").enablePositionalOptions();
  program.addCommand(gossipCommand(actions, (code) => seen.exitCodes.push(code)));
  const quiet = (command: Command): void => {
    const keep = (text: string) => void seen.output.push(text);
    command.exitOverride().configureOutput({ writeOut: keep, writeErr: keep });
    command.commands.forEach(quiet);
  };
  quiet(program);
  await program.parseAsync([...args], { from: "user" });
  return seen;
}

const refused = (...args: readonly string[]) =>
  assert.rejects(skep(...args), (error) => error instanceof CommanderError && error.exitCode !== 0, args.join(" "));

test("without a command the node runs, with memberlist's defaults", async () => {
  const { run, exitCodes } = await skep("gossip");
  const { bind, join, profile, label, delegateProtocol, format, logLevel } = run[0] ?? assert.fail();
  assert.deepEqual(bind, { address: "0.0.0.0", port: 7946 });
  assert.deepEqual(
    [join, profile, label, delegateProtocol, format, logLevel],
    [[], "lan", "", [0, 0, 0], "text", "info"],
  );
  assert.deepEqual(exitCodes, [3]);
});

test("every flag of the node arrives in its type", async () => {
  const words = "--node a --bind [::1]:1 --advertise 10.0.0.1 --join b --join c/d:5 --encrypt KEY --keyring-file F";
  const more = "--profile wan --label L --delegate-protocol 2,5,5 --log-level debug --control S --format json";
  const { run } = await skep("gossip", ...words.split(" "), ...more.split(" "));
  assert.deepEqual(
    { ...run[0] },
    {
      node: "a",
      bind: { address: "::1", port: 1 },
      advertise: { address: "10.0.0.1", port: 0 },
      join: ["b", "c/d:5"],
      encrypt: "KEY",
      keyringFile: "F",
      profile: "wan",
      label: "L",
      delegateProtocol: [2, 5, 5],
      logLevel: "debug",
      control: "S",
      format: "json",
    },
  );
});

test("subcommands become requests to the node behind --control", async () => {
  const cases: [words: string, request: ControlRequest][] = [
    ["members", { op: "members" }],
    ["stats", { op: "stats" }],
    ["keys list", { op: "keysList" }],
    ["keys install KEY", { op: "keysInstall", key: "KEY" }],
    ["keys use -", { op: "keysUse", key: "-" }],
    ["keys remove ID", { op: "keysRemove", key: "ID" }],
    ["leave", { op: "leave", timeoutMs: 10_000 }],
    ["leave --timeout 2", { op: "leave", timeoutMs: 2_000 }],
  ];
  for (const [words, request] of cases) {
    const { asked, run } = await skep("gossip", ...words.split(" "), "--control", "S", "--format", "json");
    assert.deepEqual(run, []);
    assert.deepEqual(
      asked.map(([seen]) => seen),
      [request],
      words,
    );
    assert.deepEqual([asked[0]?.[1].control, asked[0]?.[1].format], ["S", "json"]);
  }
});

test("keygen makes 32 bytes unless told otherwise", async () => {
  assert.deepEqual((await skep("gossip", "keygen")).keys, [32]);
  assert.deepEqual((await skep("gossip", "keygen", "--bytes", "16")).keys, [16]);
});

test("wrong use is refused", async () => {
  const cases = [
    "gossip nonsense",
    "gossip --bind localhost",
    "gossip --bind 10.0.0.1:70000",
    "gossip --profile moon",
    "gossip --delegate-protocol 2,5",
    "gossip --delegate-protocol 2,5,6",
    "gossip --delegate-protocol 5,2,3",
    "gossip members",
    "gossip keys use --control S",
    "gossip keys list extra --control S",
    "gossip keygen --bytes 20",
    "gossip leave --control S --timeout soon",
    "gossip --unknown",
  ];
  for (const words of cases) await refused(...words.split(" "));
});

test("the secret in the environment is used and not shown by --help", async () => {
  Object.assign(process.env, { SKEP_GOSSIP_KEY: "c2VjcmV0" });
  try {
    const { run, output } = await skep("gossip");
    assert.equal(run[0]?.encrypt, "c2VjcmV0");
    const help: string[] = [];
    await assert.rejects(
      skepInto(help, "gossip", "--help"),
      (error) => error instanceof CommanderError && error.exitCode === 0,
    );
    assert.match(help.join(""), /Examples:/);
    assert.ok(![...output, ...help].join("").includes("c2VjcmV0"));
  } finally {
    Reflect.deleteProperty(process.env, "SKEP_GOSSIP_KEY");
  }
});
