/** The runner is the judge of everything else, so it is tried on tests that are known to pass, fail, leak and crash. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
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
function runOn(body: string): Run {
  const folder = mkdtempSync(join(tmpdir(), "skep-runner-"));
  try {
    const file = join(folder, "planted.test.ts");
    writeFileSync(file, `import { describe, test } from "node:test";\n${body}\n`);
    const args = ["--import", "tsx", "tools/run-tests.ts", file];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 });
    return { code: status, output: stdout + stderr, lastLine: stdout.trimEnd().split("\n").at(-1) ?? "" };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("passed, failed and skipped tests are counted, and why is shown", () => {
  const run = runOn(`
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

test("a run in which all tests pass succeeds", () => {
  const run = runOn('test("good", () => {});');
  assert.deepEqual([run.code, run.lastLine], [0, "3 passed, 0 failed, 0 skipped"], run.output);
});

test("a test that leaves a socket open fails the run, and does not hold it up", () => {
  const run = runOn(`
    import { createSocket } from "node:dgram";
    test("leaks", () => new Promise<void>((done) => void createSocket("udp4").bind(0, "127.0.0.1", () => done())));`);
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /^FAIL {2}no test leaves anything open$.*UDPWrap/ms);
});

test("an error that comes after its test has passed fails the run", () => {
  const run = runOn(`
    test("hasty", () => { setTimeout(() => { throw new Error("too late"); }, 20); });
    test("slow", () => new Promise((done) => setTimeout(done, 200)));`);
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /too late/);
});

test("a file that cannot be loaded fails the run", () => {
  const run = runOn('import "./missing.ts";');
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /^FAIL {2}all test files can be loaded$.*missing\.ts/ms);
});

test("a process that dies or exits in the middle fails the run", () => {
  for (const end of ['process.kill(process.pid, "SIGKILL")', "process.exit(0)"]) {
    const run = runOn(`test("dies", () => { ${end}; });`);
    assert.equal(run.code, 1, run.output);
    assert.match(run.lastLine, /^0 passed, 1 failed/);
  }
});
