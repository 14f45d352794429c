/**
 * What one real gossip node costs: processor time and packets of one encrypted node among N on loopback, at rest and
 * while 10 updates a second go through the cluster; beside it a `serf agent` in a cluster of the same size.
 *
 * The measured node has a process of its own; the others share one. The updates come from one node of ours that is a
 * member of either cluster. `--quick`: 10 s per figure, small clusters only.
 */
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { addressOf, benchKey, PORT, type RealNode, startNode } from "./real-node.ts";
import { machine, median, printTable, round } from "./table.ts";

const quick = process.argv.includes("--quick");
const MEASURE_MS = quick ? 10_000 : 60_000;
const SETTLE_MS = quick ? 5_000 : 15_000;
const UPDATES_PER_SECOND = 10;
const CLOCK_TICKS_PER_SECOND = 100;

type Order =
  | { readonly do: "start"; readonly from: number; readonly count: number; readonly join: string | undefined }
  | { readonly do: "update"; readonly perSecond: number }
  | { readonly do: "measure"; readonly ms: number };

interface Figures {
  readonly cpuPercent: number;
  readonly packetsPerSecond: number;
  readonly rssMiB: number;
  readonly members: number;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A process that holds some nodes and does as it is told. */
function worker(): void {
  const nodes: RealNode[] = [];
  process.on("message", (order: Order) => {
    void obey(order, nodes).then((answer) => process.send?.({ answer }));
  });
  process.on("disconnect", () => process.exit(0));
}

async function obey(order: Order, nodes: RealNode[]): Promise<unknown> {
  if (order.do === "start") {
    for (let index = order.from; index < order.from + order.count; index++) {
      const node = await startNode(index);
      nodes.push(node);
      if (order.join !== undefined) await node.service.join([order.join]);
    }
    return nodes.length;
  }
  if (order.do === "update") return updates(nodes[0]!, order.perSecond);
  const { packets } = nodes[0]!.service.stats();
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  await pause(order.ms);
  const { user, system } = process.cpuUsage(cpu);
  const lasted = performance.now() - started;
  const after = nodes[0]!.service.stats();
  const count = ({ packetsIn, packetsOut }: typeof packets): number => packetsIn + packetsOut;
  const figures: Figures = {
    cpuPercent: (user + system) / 10 / lasted,
    packetsPerSecond: ((count(after.packets) - count(packets)) * 1_000) / lasted,
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
    members: after.members,
  };
  return figures;
}

let updating: NodeJS.Timeout | undefined;
function updates(node: RealNode, perSecond: number): void {
  clearInterval(updating);
  let count = 0;
  if (perSecond === 0) return;
  // A serf tag {"n": count}: any peer understands it.
  const next = (): void => node.update(Uint8Array.of(0xff, 0x81, 0xa1, 0x6e, 0xa1, 48 + (count++ % 75)));
  updating = setInterval(next, 1_000 / perSecond);
}

class Worker {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(fileURLToPath(import.meta.url), ["--worker"], { execArgv: ["--import", "tsx"] });
  }

  ask<T>(order: Order): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#child.once("message", ({ answer }: { answer: T }) => resolve(answer));
      this.#child.once("exit", (code) => reject(new Error(`worker ended with ${code}`)));
      this.#child.send(order);
    });
  }

  stop(): void {
    this.#child.removeAllListeners("exit");
    this.#child.disconnect();
  }
}

async function ours(size: number): Promise<(string | number)[][]> {
  const [crowd, measured, updater] = [new Worker(), new Worker(), new Worker()];
  const join = `${addressOf(0)}:${PORT}`;
  await crowd.ask({ do: "start", from: 0, count: 1, join: undefined });
  await crowd.ask({ do: "start", from: 1, count: size - 3, join });
  await measured.ask({ do: "start", from: size - 2, count: 1, join });
  await updater.ask({ do: "start", from: size - 1, count: 1, join });
  const rows: (string | number)[][] = [];
  for (const perSecond of [0, UPDATES_PER_SECOND]) {
    await updater.ask({ do: "update", perSecond });
    await pause(SETTLE_MS);
    const figures = await measured.ask<Figures>({ do: "measure", ms: MEASURE_MS });
    rows.push([
      "skep",
      figures.members,
      perSecond,
      round(figures.cpuPercent),
      round(figures.packetsPerSecond),
      round(figures.rssMiB),
    ]);
  }
  for (const each of [crowd, measured, updater]) each.stop();
  await pause(1_000);
  return rows;
}

async function serfs(size: number): Promise<(string | number)[][]> {
  const join = `${addressOf(0)}:${PORT}`;
  const agents: ChildProcess[] = [];
  const updater = new Worker();
  try {
    for (let index = 0; index < size - 1; index++) agents.push(startSerf(index, index === 0 ? undefined : join));
    await pause(3_000);
    await updater.ask({ do: "start", from: size - 1, count: 1, join });
    const rows: (string | number)[][] = [];
    for (const perSecond of [0, UPDATES_PER_SECOND]) {
      await updater.ask({ do: "update", perSecond });
      await pause(SETTLE_MS);
      const before = agents.map(({ pid }) => cpuSeconds(pid!));
      await pause(MEASURE_MS);
      const shares = agents.map(({ pid }, at) => ((cpuSeconds(pid!) - before[at]!) * 100_000) / MEASURE_MS);
      const rss = median(agents.map(({ pid }) => rssMiB(pid!)));
      rows.push(["serf agent (median of all)", size, perSecond, round(median(shares)), "-", round(rss)]);
    }
    return rows;
  } finally {
    updater.stop();
    for (const agent of agents) agent.kill("SIGKILL");
    await pause(1_000);
  }
}

function startSerf(index: number, join: string | undefined): ChildProcess {
  const address = addressOf(index);
  const rpc = `${address.replace(/^127\.0/, "127.1")}:7373`;
  const key = Buffer.from(benchKey).toString("base64");
  const args = ["agent", `-node=serf-${index}`, `-bind=${address}:${PORT}`, `-rpc-addr=${rpc}`, `-encrypt=${key}`];
  return spawn("serf", [...args, "-log-level=err", ...(join === undefined ? [] : [`-join=${join}`])], {
    stdio: "ignore",
  });
}

/** Processor time of a process so far. Source: proc(5), fields utime and stime. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

function rssMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1_024;
}

function hasSerf(): boolean {
  try {
    execFileSync("serf", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  console.log(`One real node on loopback, AES-256-GCM, compression; ${MEASURE_MS / 1_000} s per figure; ${machine()}`);
  const rows: (string | number)[][] = [];
  for (const size of quick ? [10] : [20, 50]) rows.push(...(await ours(size)));
  if (hasSerf()) rows.push(...(await serfs(quick ? 10 : 20)));
  else console.log("serf is not installed: no comparison");
  printTable("Processor share of one node", ["node", "members", "updates/s", "CPU %", "packets/s", "RSS MiB"], rows);
  console.log(
    "\nPackets are sent and received ones. 50 serf agents are more than two cores carry, so serf runs at 20.",
  );
}

if (process.argv.includes("--worker")) worker();
else await main();
