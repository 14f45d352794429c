/** The tool that runs a command in a virtual machine, with real machines: what passes through, and when it gives up. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { machineObstacle } from "../../tools/vm/tests.ts";

const skip = (await machineObstacle()) ?? false;

function vm(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const all = ["--import", "tsx", "tools/vm.ts", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8", timeout: 120_000, env });
  return { status, stdout, stderr };
}

test("output, errors, exit status and shared files of a command come out of the machine", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "skep-vm-test-"));
  try {
    const script = `echo "$A $SKEP_VM $PWD"; echo bad >&2; echo kept > '${folder}/file'; exit 7`;
    const run = vm(["--share", folder, "--env", "A=it's here", "--", "sh", "-c", script]);
    assert.deepEqual(run, { status: 7, stdout: `it's here 1 ${process.cwd()}\n`, stderr: "bad\n" });
    assert.equal(readFileSync(join(folder, "file"), "utf8"), "kept\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a machine that takes too long is ended, and so is the wait for it", { skip }, () => {
  const started = performance.now();
  const { status, stderr } = vm(["--timeout", "2", "sleep", "60"]);
  assert.equal(status, 124);
  assert.match(stderr, /out of time after 2 s/);
  assert.ok(performance.now() - started < 20_000);
});

test("a machine that breaks down is told from a command that fails", { skip }, () => {
  const { status, stderr } = vm(["--", "sh", "-c", "echo o > /proc/sysrq-trigger; sleep 60"]);
  assert.equal(status, 125);
  assert.match(stderr, /ended before its command did/);
});
