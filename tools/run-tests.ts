/**
 * Runs the tests: `node --import tsx tools/run-tests.ts [unit|sim|kernel|rig|interop|vm|FILE.test.ts ...]`, all kinds by default.
 *
 * Unit tests and simulations share ONE process: a process of its own costs each file half a second, and tests
 * without common state cannot disturb each other. Tests of the kernel, in rigs and of interoperability follow, one
 * process for each file, one at a time; then those that need Debian's own kernel, all in one process in a virtual machine (vm.ts).
 * Every process is this file again with `--inside`, reporting through test-reporter.ts. A file that takes longer than
 * `--file-seconds` (default: see below), or a run that takes longer than `--run-seconds`, is ended, and what hung is named.
 * The last line is `N passed, N failed, N skipped`; the exit code is 0 only when something ran and nothing failed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { beforeEach, test } from "node:test";
import { setImmediate, setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { type Counts, lastProgress, writeProgress } from "./test-progress.ts";
import { Watch, where } from "./test-watch.ts";
import { inMachine, machineObstacle } from "./vm/tests.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const SUFFIX = ".test.ts";
/** Files that share a process are quick; the others meet real peers, or a machine that is ten times slower. */
const SHARED_FILE_SECONDS_MAX = 300;
const APART_FILE_SECONDS_MAX = 720;
const RUN_SECONDS_MAX = 3_600;
const WATCH_MS = 200;
const shared = { unit: ["test/house.test.ts", "test/unit"], sim: ["test/sim"] } as const;
const apart = { kernel: ["test/kernel"], rig: ["test/rig"], interop: ["test/interop"] } as const;
const machine = { vm: ["test/vm"] } as const;

/** Files that share one process, here or in a virtual machine. */
interface Batch {
  readonly files: readonly string[];
  readonly inside: "here" | "machine";
  readonly fileSecondsMax: number;
}

const args = process.argv.slice(2);
if (args[0] === "--inside") await importAll(args.slice(1));
else process.exitCode = await runAll(args);

/**
 * Import test files into this process; node:test runs what they register. The first test waits for all of them, so
 * that nothing counts as finished before; the last one finds what the others forgot to close.
 */
async function importAll(files: readonly string[]): Promise<void> {
  let allLoaded = (): void => undefined;
  const loading = new Promise<void>((done) => {
    allLoaded = done;
  });
  const problems: unknown[] = [];
  test("all test files can be loaded", async () => {
    await loading;
    if (problems.length > 0) throw problems.length === 1 ? problems[0] : new AggregateError(problems);
  });
  // Between its begin and its first step the reporter gets to know of each test.
  beforeEach(() => setImmediate());
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    writeProgress({ file, test: "", counts, isDone: false });
    try {
      await import(pathToFileURL(resolve(root, file)).href);
    } catch (error) {
      problems.push(error);
    }
  }
  allLoaded();
  test("no test leaves anything open", async () => {
    for (let tries = 0; tries < 10 && openResources().length > 0; tries++) await setTimeout(100);
    assert.deepEqual(openResources(), []);
  });
}

/** Sockets, servers, timers and processes that would keep this process alive. */
function openResources(): string[] {
  const harmless = ["PipeWrap", "TTYWrap", "FSReqPromise", "FSReqCallback"];
  return process.getActiveResourcesInfo().filter((name) => !harmless.includes(name));
}

async function runAll(args: string[]): Promise<number> {
  const started = performance.now();
  const seconds = { type: "string" } as const;
  const options = { "file-seconds": seconds, "run-seconds": seconds };
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const runEndsAt = started + Number(values["run-seconds"] ?? RUN_SECONDS_MAX) * 1000;
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const planned of plan(positionals)) {
    const fileSecondsMax = Number(values["file-seconds"] ?? planned.fileSecondsMax);
    const counts = await runBatch({ ...planned, fileSecondsMax }, runEndsAt);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  const took = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`\n# tests ${total.passed + total.failed + total.skipped}`);
  console.log(`# pass ${total.passed}\n# fail ${total.failed}\n# skipped ${total.skipped}\n# seconds ${took}`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

/** The files of each process, in order. */
function plan(wanted: readonly string[]): Batch[] {
  const names = Object.keys({ ...shared, ...apart, ...machine });
  const kinds = wanted.length > 0 ? wanted : names;
  const together: string[] = [];
  const alone: string[][] = [];
  const far: string[] = [];
  for (const kind of kinds) {
    if (kind in shared) together.push(...shared[kind as keyof typeof shared].flatMap(testFiles));
    else if (kind in apart) alone.push(...apart[kind as keyof typeof apart].flatMap(testFiles).map((file) => [file]));
    else if (kind in machine) far.push(...machine[kind as keyof typeof machine].flatMap(testFiles));
    else if (kind.endsWith(SUFFIX)) (inMachineFolder(kind) ? far : together).push(relative(root, resolve(kind)));
    else throw new Error(`unknown kind of tests: ${kind}; there are ${names} and paths of *${SUFFIX}`);
  }
  const batches: Batch[] = [
    { files: together, inside: "here", fileSecondsMax: SHARED_FILE_SECONDS_MAX },
    ...alone.map((files) => ({ files, inside: "here", fileSecondsMax: APART_FILE_SECONDS_MAX }) as const),
    { files: far, inside: "machine", fileSecondsMax: APART_FILE_SECONDS_MAX },
  ];
  return batches.filter(({ files }) => files.length > 0);
}

function inMachineFolder(file: string): boolean {
  return relative(root, resolve(file)).startsWith(`${machine.vm[0]}/`);
}

/** The test files at or under `path`, in alphabetical order. */
function testFiles(path: string): string[] {
  if (path.endsWith(SUFFIX)) return existsSync(join(root, path)) ? [path] : [];
  if (!existsSync(join(root, path))) return [];
  const entries = readdirSync(join(root, path), { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory() || entry.name.endsWith(SUFFIX)).map(({ name }) => name);
  return names.sort().flatMap((name) => testFiles(`${path}/${name}`));
}

/** Run files in one process; each counts as skipped where it needs a virtual machine and there can be none. */
async function runBatch(batch: Batch, runEndsAt: number): Promise<Counts> {
  const { files, inside } = batch;
  const obstacle = inside === "machine" ? await machineObstacle() : undefined;
  for (const file of obstacle === undefined ? [] : files) console.log(`skip  ${file}: ${obstacle}`);
  if (obstacle !== undefined) return { passed: 0, failed: 0, skipped: files.length };
  const folder = mkdtempSync(join(tmpdir(), "skep-tests-"));
  try {
    return await runProcess(batch, runEndsAt, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Run files in one process, which keeps its progress in `folder`. A process that ends badly without a failed test, or
 * has to be ended, counts as one failure.
 */
async function runProcess(
  { files, inside, fileSecondsMax }: Batch,
  runEndsAt: number,
  folder: string,
): Promise<Counts> {
  const reporter = pathToFileURL(join(root, "tools/test-reporter.ts")).href;
  const options = [
    "--import",
    "tsx",
    `--test-reporter=${reporter}`,
    "--test-reporter-destination=stdout",
    "--test-force-exit",
  ];
  const args = [...options, fileURLToPath(import.meta.url), "--inside", ...files];
  const path = join(folder, "counts");
  const written = openSync(path, "w");
  const child = spawn(process.execPath, inside === "here" ? args : inMachine(args, folder), {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit", written],
  });
  closeSync(written);
  const watch = new Watch(fileSecondsMax, runEndsAt);
  const timer = setInterval(() => {
    if (watch.isOverdue(lastProgress(path))) child.kill("SIGKILL");
  }, WATCH_MS);
  const end = await new Promise<string | number | null>((done) => {
    child.on("close", (code, signal) => done(signal ?? code));
  });
  clearInterval(timer);
  const { counts, isDone, ...last } = lastProgress(path);
  if (watch.verdict !== undefined || (counts.failed === 0 && (end !== 0 || !isDone))) {
    const reason = watch.verdict ?? `the process of ${files.join(" ")} ended with ${end}${where(last)}`;
    console.log(`\nFAIL  ${reason}`);
    counts.failed += 1;
  }
  return counts;
}
