/**
 * The set-up says what is wrong, with a different exit code for each kind of trouble, and changes nothing then. Runs
 * the real script with a search path that lacks something; the way it installs is not tried here.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const TOOLS = ["sh", "dirname", "readlink", "sed", "sort", "head", "flock", "mktemp", "rm", "id"];

/** Run the set-up with TOOLS, a Node.js of this version, and the programs of `more`, and nothing else on the path. */
function setUp(profile: string, nodeVersion: string | undefined, more: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "skep-setup-"));
  try {
    for (const tool of TOOLS) symlinkSync(which(tool), join(folder, tool));
    const programs = nodeVersion === undefined ? more : { node: `echo v${nodeVersion}`, ...more };
    for (const [name, script] of Object.entries(programs)) {
      rmSync(join(folder, name), { force: true });
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    const env = { PATH: folder, SKEP_SYSTEM_PATH: "/nowhere" };
    const { status, stderr } = spawnSync(which("sh"), ["tools/setup.sh", profile], { env, encoding: "utf8" });
    return { code: status, said: stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function which(tool: string): string {
  const folder = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].find((candidate) => existsSync(join(candidate, tool)));
  assert.ok(folder, `${tool} is on this machine`);
  return join(folder, tool);
}

test("an unknown profile is answered with the usage", () => {
  const { code, said } = setUp("everything", "20.19.0");
  assert.equal(code, 2);
  assert.match(said, /usage: tools\/setup\.sh node\|demo\|test/);
});

test("a missing Node.js, and one that is too old, are named with the version that is needed", () => {
  assert.match(setUp("node", undefined).said, /not installed; skep needs 20\.19\.0/);
  for (const version of ["18.20.8", "20.9.0", "9.11.2"]) {
    const { code, said } = setUp("node", version);
    assert.equal(code, 3);
    assert.match(said, new RegExp(`${version.replaceAll(".", "\\.")} is too old`));
  }
});

test("where there is no apt-get, the missing packages are named", () => {
  const { code, said } = setUp("demo", "22.18.0", { nft: "exit 0" });
  assert.equal(code, 5);
  assert.match(said, /not a Debian system.*: iproute2 tcpdump$/m);
});

test("who is not root is told the command for root", () => {
  const { code, said } = setUp("test", "22.18.0", { "apt-get": "exit 99", id: "echo 1000" });
  assert.equal(code, 4);
  assert.match(
    said,
    /run as root: apt-get install iproute2 nftables tcpdump serf docker\.io qemu-system-x86 busybox-static tshark python3-scapy iperf3$/m,
  );
});

test("nothing is said when nothing is missing", () => {
  const names = [
    "ip",
    "nft",
    "tcpdump",
    "serf",
    "dockerd",
    "qemu-system-x86_64",
    "busybox",
    "tshark",
    "scapy",
    "iperf3",
  ];
  const programs = Object.fromEntries(names.map((name) => [name, "exit 0"]));
  assert.deepEqual(setUp("test", "20.19.0", programs), { code: 0, said: "" });
});
