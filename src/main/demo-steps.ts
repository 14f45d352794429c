/**
 * What the demo shows, in order. Each step does something to the cluster and answers with its evidence, or throws a
 * `Fault` that says what it saw instead. Nothing sleeps for luck: steps wait for what they claim.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../base/fault.ts";
import { seconds } from "../base/units.ts";
import { SymmetricKey } from "../crypt/aead.ts";
import type { Capture } from "../lab/capture.ts";
import { overhear } from "../lab/eavesdropper.ts";
import type { Lab } from "../lab/lab.ts";
import { hasSerf, SerfAgent } from "../lab/serf.ts";
import { until } from "../lab/until.ts";
import { DemoNode } from "./demo-node.ts";

/** Names of hosts, and of the nodes on them. */
export const names = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett"];
/** Hosts for those who do not belong, and for a Serf agent. */
export const strangerNames = ["mallory", "trudy"] as const;
export const serfName = "serf";

const CALM_MS = seconds(3);
const accusing = ["suspect", "refute", "accused", "leave", "conflict"] as const;

export interface Stage {
  readonly lab: Lab;
  /** The links of everybody who belongs to the cluster, without what strangers send there. */
  readonly capture: Capture;
  /** The link of the stranger without a key. */
  readonly control: Capture;
  readonly nodes: DemoNode[];
  serf: SerfAgent | undefined;
  /** Base64; the first that was used first. */
  readonly keys: string[];
}

export interface Step {
  readonly title: string;
  run(stage: Stage): Promise<readonly string[]>;
}

export const steps: readonly Step[] = [
  { title: "Start and join", run: startAndJoin },
  { title: "Strangers are refused", run: strangers },
  { title: "Key rotation", run: rotate },
  { title: "A Serf agent joins", run: serfJoins },
  { title: "A node is killed", run: crash },
  { title: "A node leaves", run: leave },
  { title: "On the wire", run: wire },
];

/** The key that encrypts now. */
function currentKey({ keys }: Stage): string {
  return keys[keys.length - 1] ?? "";
}

function freshKey(): string {
  return randomBytes(32).toString("base64");
}

async function startAndJoin(stage: Stage): Promise<readonly string[]> {
  const { lab, nodes } = stage;
  stage.keys.push(freshKey());
  const hosts = lab.hosts.filter(({ name }) => names.includes(name));
  for (const host of hosts) {
    const [first] = nodes;
    const node = new DemoNode(lab, { host, key: currentKey(stage), ...(first && { join: first.host.address }) });
    nodes.push(node);
    if (first === undefined) await node.ready();
  }
  const readyMs = Math.max(...(await Promise.all(nodes.map((node) => node.ready()))));
  const pairs = nodes.flatMap((node) => nodes.filter((other) => other !== node).map(({ name }) => ({ node, name })));
  const heard = await Promise.all(pairs.map(({ node, name }) => node.heard("join", name, 0, seconds(15))));
  const tookMs = Math.max(...heard.map(({ atMs }) => atMs)) - readyMs;
  return [
    nodes.map(({ name, host }) => `${name} ${host.address}`).join(", "),
    `everybody knows everybody ${Math.max(0, tookMs).toFixed(0)} ms after the last one was ready`,
  ];
}

async function strangers({ lab, nodes: [first] }: Stage): Promise<readonly string[]> {
  if (first === undefined) throw new Fault("notFound", "there is no first node");
  const cases = [
    { host: lab.host(strangerNames[0]), key: freshKey(), what: "a wrong key", reason: "undecryptable" },
    { host: lab.host(strangerNames[1]), key: undefined, what: "no key", reason: "plaintext" },
  ] as const;
  const evidence: string[] = [];
  for (const { host, key, what, reason } of cases) {
    const before = (await first.stats()).drops[reason];
    const { program } = new DemoNode(lab, { host, key, join: first.host.address });
    const { code } = await program.exited;
    const counted = (await first.stats()).drops[reason] - before;
    if (code !== 1) throw new Fault("conflict", `a node with ${what} ended with ${code}:\n${program.tail(5)}`);
    if (counted < 1) throw new Fault("conflict", `${first.name} did not count the node with ${what}`);
    evidence.push(`a node with ${what} could not join; ${first.name} counted ${reason}: ${counted}`);
  }
  const known = (await first.members()).map(({ name }) => name);
  const intruder = strangerNames.find((name) => known.includes(name));
  if (intruder !== undefined) throw new Fault("conflict", `${first.name} lists ${intruder} as a member`);
  return evidence;
}

async function rotate(stage: Stage): Promise<readonly string[]> {
  const { nodes } = stage;
  const startedMs = performance.now();
  const old = currentKey(stage);
  const next = freshKey();
  stage.keys.push(next);
  for (const [op, key] of [
    ["keysInstall", next],
    ["keysUse", next],
    ["keysRemove", old],
  ] as const) {
    for (const node of nodes) await node.ask({ op, key });
  }
  await sleep(CALM_MS);
  const id = idOf(next);
  for (const node of nodes) {
    const keys = await node.ask<{ id: string }[]>({ op: "keysList" });
    if (keys.length !== 1 || keys[0]?.id !== id) {
      throw new Fault("conflict", `${node.name} holds ${keys.map((key) => key.id)} instead of ${id}`);
    }
  }
  const accusations = nodes.flatMap((node) => node.told(accusing, startedMs));
  if (accusations.length > 0) throw new Fault("conflict", `during the rotation: ${JSON.stringify(accusations)}`);
  return [
    `installed, used and old key removed on ${nodes.length} nodes: ${idOf(old)} -> ${id}`,
    `${CALM_MS / 1000} s of probes later: 0 suspicions`,
  ];
}

async function serfJoins(stage: Stage): Promise<readonly string[]> {
  const { lab, nodes } = stage;
  if (!(await hasSerf())) return ["skipped: serf is not installed (Debian package serf)"];
  const agent = await SerfAgent.start(lab, lab.host(serfName), { name: serfName, keys: [currentKey(stage)] });
  stage.serf = agent;
  const askedMs = performance.now();
  if (!(await agent.join(nodes[0]?.host.address ?? ""))) {
    throw new Fault("conflict", `serf could not join:\n${agent.program.tail(6)}`);
  }
  const heard = await Promise.all(nodes.map((node) => node.heard("join", serfName, askedMs, seconds(10))));
  const tookMs = Math.max(...heard.map(({ atMs }) => atMs)) - askedMs;
  const { value } = await until("serf sees everybody alive", seconds(10), async () => {
    const members = await agent.members();
    const alive = members.filter(({ status }) => status === "alive");
    return alive.length === nodes.length + 1 ? alive : undefined;
  });
  return [
    `all ${nodes.length} nodes know it ${tookMs.toFixed(0)} ms after "serf join" was called`,
    `"serf members" there: ${value.map(({ name, status }) => `${name} ${status}`).join(", ")}`,
  ];
}

async function crash(stage: Stage): Promise<readonly string[]> {
  const victim = takeLast(stage);
  const killedMs = performance.now();
  await victim.program.stop("SIGKILL");
  const suspected = Promise.race(
    stage.nodes.map((node) => node.heard("suspect", victim.name, killedMs, seconds(45))),
  ).catch(() => undefined);
  const found = await Promise.all(stage.nodes.map((node) => node.heard("leave", victim.name, killedMs, seconds(45))));
  const suspectedMs = ((await suspected)?.atMs ?? Number.NaN) - killedMs;
  const wrong = found.find(({ state }) => state !== "dead");
  if (wrong !== undefined) throw new Fault("conflict", `${victim.name} was killed, but is called ${wrong.state}`);
  const tookMs = Math.max(...found.map(({ atMs }) => atMs)) - killedMs;
  const evidence = [
    `${victim.name} killed with -9: suspected after ${inSeconds(suspectedMs)}, dead on all nodes after ${inSeconds(tookMs)}`,
  ];
  if (stage.serf !== undefined) evidence.push(await serfSays(stage.serf, victim.name, "failed"));
  return evidence;
}

async function leave(stage: Stage): Promise<readonly string[]> {
  const leaver = takeLast(stage);
  const askedMs = performance.now();
  leaver.program.signal("SIGTERM");
  const found = await Promise.all(stage.nodes.map((node) => node.heard("leave", leaver.name, askedMs, seconds(15))));
  const wrong = found.find(({ state }) => state !== "left");
  if (wrong !== undefined) throw new Fault("conflict", `${leaver.name} left, but is called ${wrong.state}`);
  const tookMs = Math.max(...found.map(({ atMs }) => atMs)) - askedMs;
  const { code } = await leaver.program.ended(seconds(15));
  if (code !== 0) throw new Fault("conflict", `${leaver.name} ended with ${code} after saying goodbye`);
  return [`${leaver.name} asked to end: seen as left, not as dead, after ${inSeconds(tookMs)}; it ended with 0`];
}

async function wire({ lab, capture, control, keys }: Stage): Promise<readonly string[]> {
  await Promise.all([capture.stop(), control.stop()]);
  const ring = keys.map((key) => new SymmetricKey(Buffer.from(key, "base64")));
  const words = [...lab.hosts.map(({ name }) => name), ...keys];
  const heard = await overhear(capture, words, ring);
  const found = [...heard.words].map(([word, count]) => `${word} ${count} times`);
  if (found.length > 0) throw new Fault("conflict", `readable on the wire: ${found.join(", ")}`);
  if (heard.sealed !== heard.datagrams || heard.streamsInClear > 0 || heard.datagrams === 0) {
    throw new Fault("conflict", `not all of it was encrypted: ${JSON.stringify({ ...heard, words: 0 })}`);
  }
  const stranger = await overhear(control, [], ring);
  if (stranger.streamsInClear === 0) throw new Fault("conflict", "the check does not notice what is not encrypted");
  return [
    `${heard.datagrams} datagrams and ${heard.streams} stream directions captured by tcpdump on all links`,
    "every one encrypted: each datagram opens with a key of the cluster, no node's name and no key is found in clear",
    `the same check on ${strangerNames[1]}, the stranger without a key: ${stranger.streamsInClear} stream directions in clear`,
  ];
}

function takeLast({ nodes }: Stage): DemoNode {
  const last = nodes.pop();
  if (last === undefined) throw new Fault("notFound", "no node is left");
  return last;
}

async function serfSays(agent: SerfAgent, name: string, status: string): Promise<string> {
  await until(`serf calls ${name} ${status}`, seconds(30), async () => (await agent.status(name)) === status);
  return `"serf members" calls it ${status} too`;
}

function idOf(key: string): string {
  return new SymmetricKey(Buffer.from(key, "base64")).id;
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
