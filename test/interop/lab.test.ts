/**
 * The laboratory itself: what the other tests in namespaces rely on, with real packets of ordinary programs.
 * A capture that finds nothing proves something only if it finds what is there: the last tests are that control.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SymmetricKey } from "../../src/crypt/aead.ts";
import { Capture } from "../../src/lab/capture.ts";
import { overhear } from "../../src/lab/eavesdropper.ts";
import type { Host } from "../../src/lab/host.ts";
import { Lab, sweep } from "../../src/lab/lab.ts";
import { SerfAgent } from "../../src/lab/serf.ts";
import { until } from "../../src/lab/until.ts";
import { noLab, noSerf } from "../support/lab.ts";

const skip = noLab;
const aKey = new SymmetricKey(randomBytes(16));
const echo = fileURLToPath(new URL("../support/udp-echo.mjs", import.meta.url));

/** Send `count` datagrams from one host to the echo at `address`, and count what comes back. */
async function echoes(from: Host, address: string, count: number): Promise<number> {
  const { stdout } = await from.run(process.execPath, [echo, "ask", address, String(count)]);
  return Number(stdout);
}

async function labWithEcho(): Promise<{ lab: Lab; a: Host; b: Host }> {
  const lab = await Lab.create(["a", "b", "c"]);
  const b = lab.host("b");
  await b.start("echo", process.execPath, [echo, "answer"]).line("start", /ready/, 120_000);
  return { lab, a: lab.host("a"), b };
}

test("hosts of a lab reach each other over IPv4 and IPv6", { skip }, async () => {
  const { lab, a, b } = await labWithEcho();
  try {
    assert.equal(await echoes(a, b.address, 20), 20);
    assert.equal(await echoes(a, b.address6, 20), 20);
  } finally {
    await lab.dispose();
  }
});

test("a partition cuts both directions between its groups only, and heals", { skip }, async () => {
  const { lab, a, b } = await labWithEcho();
  try {
    await lab.partition([a], [b]);
    assert.equal(await echoes(a, b.address, 5), 0);
    assert.equal(await echoes(a, b.address6, 5), 0);
    assert.equal(await echoes(lab.host("c"), b.address, 5), 5);
    await lab.heal();
    assert.equal(await echoes(a, b.address, 5), 5);
  } finally {
    await lab.dispose();
  }
});

test("loss on the links is the loss that was asked for", { skip }, async () => {
  const { lab, a, b } = await labWithEcho();
  try {
    await lab.lose(25);
    const came = await echoes(a, b.address, 2_000);
    // There and back at 25 % each: 56.25 % come back; six standard deviations are 6.7 %.
    assert.ok(came > 990 && came < 1_260, `${came} of 2000 came back`);
  } finally {
    await lab.dispose();
  }
});

test("a disposed lab leaves no namespace, process or file", { skip }, async () => {
  const { lab, b } = await labWithEcho();
  const { directory, switchNamespace } = lab;
  const { stdout: before } = await b.run("ip", ["netns", "pids", b.namespace]);
  assert.equal(before.trim().split("\n").length >= 1, true);
  await lab.dispose();
  assert.deepEqual([...lab.hosts.map(({ namespace }) => namespace), switchNamespace].filter(namespaceExists), []);
  assert.equal(existsSync(directory), false);
  for (const pid of before.trim().split("\n")) assert.equal(existsSync(`/proc/${pid}`), false, `process ${pid}`);
});

test("what a killed run left behind is swept away by the next", { skip }, async () => {
  const script =
    'import { Lab } from "./src/lab/lab.ts"; Lab.create(["x"]).then((lab) => console.log(lab.switchNamespace)); setInterval(() => {}, 1000);';
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const left = await new Promise<string>((resolve) =>
    child.stdout.once("data", (chunk) => resolve(String(chunk).trim())),
  );
  assert.equal(namespaceExists(left), true);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  assert.equal(namespaceExists(left), true, "nobody cleaned up after SIGKILL");
  await sweep();
  assert.equal(namespaceExists(left), false);
});

for (const compression of [false, true]) {
  const how = compression ? "compressed" : "uncompressed";
  test(`an eavesdropper understands ${how} packets of unencrypted serf agents`, { skip: noSerf }, async () => {
    const lab = await Lab.create(["a", "b"]);
    try {
      const capture = await Capture.start(lab);
      const options = { keys: [], tags: { word: "needle" }, compression };
      const [one, two] = await Promise.all(
        lab.hosts.map((host, at) => SerfAgent.start(lab, host, { ...options, name: `readable-${at}` })),
      );
      assert.equal(await two?.join(lab.host("a").address), true);
      await until("both are alive", 10_000, async () => (await one?.status("readable-1")) === "alive");
      await until("packets", 10_000, async () => (await overhear(capture, [], [])).datagrams > 10);
      await capture.stop();
      const heard = await overhear(capture, ["readable-0", "readable-1", "needle", "absent"], [aKey]);
      assert.equal(heard.sealed, 0);
      assert.equal(heard.readable, heard.datagrams);
      assert.equal(heard.streamsInClear, heard.streams);
      assert.ok(heard.streams >= 2, `${heard.streams} streams`);
      if (!compression) assert.deepEqual([...heard.words.keys()].sort(), ["needle", "readable-0", "readable-1"]);
    } finally {
      await lab.dispose();
    }
  });
}

function namespaceExists(name: string): boolean {
  return readdirSync("/run/netns").includes(name);
}
