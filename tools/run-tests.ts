/**
 * Runs the tests: `node --import tsx tools/run-tests.ts [unit|sim|kernel|rig|interop|vm|FILE.test.ts ...]`, all kinds by default.
 *
 * Unit tests and simulations share ONE process: a process of its own costs each file half a second, and tests
 * without common state cannot disturb each other. Tests of the kernel, in rigs and of interoperability follow, one
 * process for each file, one at a time; then those that need Debian's own kernel, all in one process in a virtual machine (vm.ts).
 * Every process is this file again with `--inside`, reporting through test-reporter.ts.
 * The last line is `N passed, N failed, N skipped`; the exit code is 0 only when something ran and nothing failed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Counts } from "./test-reporter.ts";
import { inMachine, machineObstacle } from "./vm/tests.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const SUFFIX = ".test.ts";
/** A process that takes longer hangs, and is ended. */
const PROCESS_MINUTES_MAX = 12;
const shared = { unit: ["test/house.test.ts", "test/unit"], sim: ["test/sim"] } as const;
const apart = { kernel: ["test/kernel"], rig: ["test/rig"], interop: ["test/interop"] } as const;
const machine = { vm: ["test/vm"] } as const;

/** Files that share one process, here or in a virtual machine. */
interface Batch {
  readonly files: readonly string[];
  readonly inside: "here" | "machine";
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
  for (const file of files) {
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

async function runAll(wanted: readonly string[]): Promise<number> {
  const started = performance.now();
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { files, inside } of plan(wanted)) {
    const counts = inside === "here" ? await runProcess(files) : await runMachine(files);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`\n# tests ${total.passed + total.failed + total.skipped}`);
  console.log(`# pass ${total.passed}\n# fail ${total.failed}\n# skipped ${total.skipped}\n# seconds ${seconds}`);
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
  const batches: Batch[] = [together, ...alone].map((files) => ({ files, inside: "here" }));
  return [...batches, { files: far, inside: "machine" } as const].filter(({ files }) => files.length > 0);
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

/** Run files in one process of a virtual machine; each counts as skipped where there can be none. */
async function runMachine(files: readonly string[]): Promise<Counts> {
  const obstacle = await machineObstacle();
  for (const file of obstacle === undefined ? [] : files) console.log(`skip  ${file}: ${obstacle}`);
  if (obstacle !== undefined) return { passed: 0, failed: 0, skipped: files.length };
  const folder = mkdtempSync(join(tmpdir(), "skep-tests-"));
  try {
    return await runProcess(files, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Run files in one process, in a virtual machine if there is a `folder` to share with it. A process that ends badly
 * without a failed test counts as one failure.
 */
function runProcess(files: readonly string[], folder?: string): Promise<Counts> {
  const reporter = pathToFileURL(join(root, "tools/test-reporter.ts")).href;
  const options = [
    "--import",
    "tsx",
    `--test-reporter=${reporter}`,
    "--test-reporter-destination=stdout",
    "--test-force-exit",
  ];
  const inside = [...options, fileURLToPath(import.meta.url), "--inside", ...files];
  const child = spawn(process.execPath, folder === undefined ? inside : inMachine(inside, folder), {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  let written = "";
  child.stdio[3]?.on("data", (chunk: Uint8Array) => {
    written += Buffer.from(chunk).toString();
  });
  let overdue = false;
  const guard = globalThis.setTimeout(() => {
    overdue = true;
    child.kill("SIGKILL");
  }, PROCESS_MINUTES_MAX * 60_000);
  return new Promise((done) => {
    child.on("close", (code, signal) => {
      clearTimeout(guard);
      if (folder !== undefined) written = readIfThere(join(folder, "counts"));
      const counts: Counts = written === "" ? { passed: 0, failed: 0, skipped: 0 } : JSON.parse(written);
      const badEnd = overdue ? `took more than ${PROCESS_MINUTES_MAX} minutes` : `ended with ${signal ?? code}`;
      if (counts.failed === 0 && (code !== 0 || written === "")) {
        console.log(`\nFAIL  the process of ${files.join(" ")} ${badEnd}`);
        counts.failed = 1;
      }
      done(counts);
    });
  });
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
