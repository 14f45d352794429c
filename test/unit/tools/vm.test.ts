/** The tool for virtual machines, as far as it needs none: its manual, its complaints, and the first files of a guest. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { cpio } from "../../../tools/vm/cpio.ts";
import { loadingOrder } from "../../../tools/vm/machine.ts";

function vm(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const all = ["--import", "tsx", "tools/vm.ts", ...args];
  return spawnSync(process.execPath, all, { encoding: "utf8", timeout: 60_000, env });
}

test("the manual names every exit status", () => {
  const { status, stdout } = vm(["--help"]);
  assert.equal(status, 0);
  for (const line of ["2    wrong use", "124  out of time", "125  there is no machine"])
    assert.ok(stdout.includes(line));
});

test("wrong use is told apart from a machine that cannot be had", () => {
  for (const wrong of [[], ["--moon", "true"], ["--timeout", "soon", "true"], ["--env", "1=2", "true"]]) {
    const { status, stderr } = vm(wrong);
    assert.equal(status, 2, `${wrong.join(" ")}: ${stderr}`);
    assert.match(stderr, /^skep vm: /);
  }
  const { status, stderr } = vm(["true"], { PATH: "/nowhere" });
  assert.equal(status, 125);
  assert.match(stderr, /not installed: qemu-system-x86_64 \(qemu-system-x86\)/);
});

test("a module is loaded after those it needs, and once", () => {
  const dependencies = "k/9p.ko: k/9pnet.ko k/fscache.ko k/netfs.ko\nk/9pnet-virtio.ko: k/9pnet.ko\nk/netfs.ko:\n";
  const order = loadingOrder(dependencies, ["9pnet_virtio", "9p"]);
  assert.deepEqual(order, ["k/netfs.ko", "k/fscache.ko", "k/9pnet.ko", "k/9p.ko", "k/9pnet-virtio.ko"]);
});

test("an archive is one that cpio can list", (context) => {
  const { status: missing } = spawnSync("busybox", ["true"]);
  if (missing !== 0) return context.skip("there is no busybox");
  const archive = cpio([
    { path: "bin" },
    { path: "bin/a", contents: "abc", executable: true },
    { path: "b", contents: "" },
  ]);
  const { stdout, status } = spawnSync("busybox", ["cpio", "-tv"], { input: archive, encoding: "utf8" });
  assert.equal(status, 0);
  const listed = stdout
    .trim()
    .split("\n")
    .map((line) => line.replace(/\s.*\s/, " "));
  assert.deepEqual(listed, ["drwxr-xr-x bin", "-rwxr-xr-x bin/a", "-rw-r--r-- b"]);
});
