/** The runner is the judge of everything else, so it is tried on tests that are known to pass, fail, leak and crash. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly lastLine: string;
}

/** Run the runner on one planted file with this body. */
async function runOn(body: string, ...options: readonly string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "skep-runner-"));
  try {
    const file = join(folder, "planted.test.ts");
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(file, `import { describe, test } from "node:test";\n${body}\n`);
    const child = spawn(process.execPath, ["--import", "tsx", "tools/run-tests.ts", ...options, file]);
    const guard = setTimeout(() => child.kill("SIGKILL"), 90_000);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => (stderr += chunk));
    const code = await new Promise<number | null>((done) => child.on("close", done));
    clearTimeout(guard);
    return { code, output: stdout + stderr, lastLine: stdout.trimEnd().split("\n").at(-1) ?? "" };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("passed, failed and skipped tests are counted, and why is shown", async () => {
  const run = await runOn(`
    describe("group", () => {
      test("bad", () => { throw new Error("outer", { cause: new Error("inner") }); });
      test("good", () => {});
    });
    test("not here", { skip: "needs a moon" }, () => { throw new Error("never runs"); });`);
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /^FAIL {2}group > bad$.*outer.*inner/ms);
  assert.match(run.output, /^skip {2}not here: needs a moon$/m);
  // Two of the runner's own tests pass as well.
  assert.equal(run.lastLine, "3 passed, 1 failed, 1 skipped");
});

test("a run in which all tests pass succeeds", async () => {
  const run = await runOn('test("good", () => {});');
  assert.deepEqual([run.code, run.lastLine], [0, "3 passed, 0 failed, 0 skipped"], run.output);
});

test("a test that leaves a socket open fails the run, and does not hold it up", async () => {
  const run = await runOn(`
    import { createSocket } from "node:dgram";
    test("leaks", () => new Promise<void>((done) => void createSocket("udp4").bind(0, "127.0.0.1", () => done())));`);
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /^FAIL {2}no test leaves anything open$.*UDPWrap/ms);
});

test("an error that comes after its test has passed fails the run", async () => {
  const run = await runOn(`
    test("hasty", () => { setTimeout(() => { throw new Error("too late"); }, 20); });
    test("slow", () => new Promise((done) => setTimeout(done, 200)));`);
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /too late/);
});

test("a file that cannot be loaded fails the run", async () => {
  const run = await runOn('import "./missing.ts";');
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /^FAIL {2}all test files can be loaded$.*missing\.ts/ms);
});

test("what cannot be loaded does not keep the rest from running, whatever is left open", async () => {
  const run = await runOn(`
    setInterval(() => undefined, 1_000);
    test("still runs", () => {});
    await import("./missing.ts");`);
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /^FAIL {2}all test files can be loaded$.*missing\.ts/ms);
  assert.equal(run.lastLine, "1 passed, 2 failed, 0 skipped");
});

const hanging = {
  "a test that waits for ever":
    'test("stuck", async () => { setInterval(() => undefined, 99); await new Promise(() => {}); });',
  "a subtest that loops": 'test("outer", (t) => t.test("stuck", () => { for (;;); }));',
  "a file that waits for ever": "setInterval(() => undefined, 99); await new Promise(() => {});",
};

test("what hangs is ended and named, whether it waits or loops, and so is a run that takes too long", async () => {
  const runs = Object.entries(hanging).map(async ([what, body]) => {
    const run = await runOn(body, "--file-seconds", "8");
    assert.equal(run.code, 1, run.output);
    const place = what.startsWith("a file") ? /planted\.test\.ts is loaded/ : /test "stuck"/;
    assert.match(run.output, /^FAIL {2}.*planted\.test\.ts takes more than 8 s/m);
    assert.match(run.output, place);
    assert.match(run.lastLine, /^[01] passed, 1 failed, 0 skipped$/);
  });
  const slow = 'test("slow", () => new Promise((done) => setTimeout(done, 60_000)));';
  const [run] = await Promise.all([runOn(slow, "--run-seconds", "8"), ...runs]);
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /^FAIL {2}the time for all tests is over, in .*planted\.test\.ts.*test "slow"/m);
});

test("a file that waits for nothing at all is a failure too", async () => {
  const run = await runOn("await new Promise(() => {});");
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /planted\.test\.ts|can be loaded/);
});

test("a process that dies or exits in the middle fails the run", async () => {
  for (const end of ['process.kill(process.pid, "SIGKILL")', "process.exit(0)"]) {
    const run = await runOn(`test("dies", () => { ${end}; });`);
    assert.equal(run.code, 1, run.output);
    assert.match(run.lastLine, /^1 passed, 1 failed/);
    assert.match(run.output, /^FAIL {2}the process of .*planted\.test\.ts ended with .*test "dies"/m);
  }
});
