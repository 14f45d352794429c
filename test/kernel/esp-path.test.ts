/** The packet path of our ESP, between two hosts as namespaces: a VXLAN network through it, and what the link shows. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Capture } from "../../src/lab/capture.ts";
import { Lab } from "../../src/lab/lab.ts";
import { until } from "../../src/lab/until.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { pairLimits, type SecurityAssociation } from "../../src/model/security-association.ts";
import { association } from "../support/esp.ts";
import { noLab } from "../support/lab.ts";
import { connect, OverlayHost } from "../support/overlay-host.ts";

/** Rounds that an old key is still understood. */
const KEYS_KEPT = 4;

const STREAM = fileURLToPath(new URL("../support/udp-stream.mjs", import.meta.url));
const CANARY = "a canary that sings";
const ESP = 50;

/** Between two of ours: 256 bits, 16 bytes of ICV, extended numbers, a window. */
function strict(source: string, destination: string, spi: number): SecurityAssociation {
  const replay = { window: 4096, senderMayRestart: false };
  return association({ source, destination, spi, extendedSequence: true, replay, limits: pairLimits });
}

/** As with Docker's engine. */
function ring(source: string, destination: string, spi: number): SecurityAssociation {
  const replay = { window: 4096, senderMayRestart: true };
  return association({ source, destination, spi, icvBytes: 8, replay, material: new KeyMaterial(randomBytes(20)) });
}

for (const [name, make] of [
  ["pair keys", strict],
  ["keys of a ring", ring],
] as const) {
  describe(`VXLAN through ESP with ${name}`, { skip: noLab }, () => {
    let lab: Lab;
    let capture: Capture;
    let one: OverlayHost;
    let other: OverlayHost;

    before(async () => {
      lab = await Lab.create(["a", "b"]);
      capture = await Capture.start(lab);
      [one, other] = await Promise.all([
        OverlayHost.create(lab.host("a"), 1, "esp"),
        OverlayHost.create(lab.host("b"), 2, "esp"),
      ]);
      await Promise.all([one.know(other), other.know(one)]);
    });

    after(async () => {
      await capture.stop();
      await lab.dispose();
    });

    test("without associations nothing leaves", async () => {
      const { code } = await one.host.run("busybox", ["ping", "-c", "2", "-i", "0.2", "-W", "1", other.inside]);
      assert.notEqual(code, 0);
      await until("drops are counted", 5000, async () => (await one.counts()).outbound?.drops.noAssociation > 0);
      assert.equal((await link(capture)).esp, 0);
    });

    test("ping and TCP pass", async () => {
      await connect(one, other, make);
      await one.run("busybox", "ping", "-c", "5", "-i", "0.05", "-W", "2", "-s", "1300", other.inside);
      const server = other.host.start("iperf3", "iperf3", ["-s", "-1", "--forceflush"]);
      await server.line("start", /Server listening/, 120_000);
      const result = JSON.parse(await one.run("iperf3", "-c", other.inside, "-n", "32M", "-J")) as {
        end: { sum_received: { bytes: number } };
      };
      // The other end stops counting somewhat earlier.
      assert.ok(result.end.sum_received.bytes > 24 * 1024 * 1024, `${result.end.sum_received.bytes} bytes`);
      await server.ended(5000);
    });

    test("no packet is lost while keys change every second, for 30 seconds", async () => {
      const counter = other.host.start("count", process.execPath, [STREAM, "count"]);
      await counter.line("start", /ready/, 120_000);
      const sender = one.host.start("send", process.execPath, [STREAM, "send", other.inside, "30", "400"]);
      const old: SecurityAssociation[][] = [];
      for (let round = 1; sender.exit === undefined && round < 60; round++) {
        old.push(await connect(one, other, make, round));
        await setTimeout(1000);
        // What was sent with keys older than these has arrived by now, on a busy machine too.
        for (const [there, back] of old.splice(0, Math.max(0, old.length - KEYS_KEPT)) as [
          SecurityAssociation,
          SecurityAssociation,
        ][]) {
          await Promise.all([one.remove(there), other.remove(back)]);
          await Promise.all([
            other.remove({ ...there, direction: "inbound" }),
            one.remove({ ...back, direction: "inbound" }),
          ]);
        }
      }
      const sent = JSON.parse((await sender.line("end", /^\{/, 5000)).text) as { sent: number };
      counter.write("end");
      const received = await counter.line("end", /^\{/, 5000);
      assert.equal(sent.sent, 12_000);
      assert.deepEqual(JSON.parse(received.text), { seen: sent.sent, doubles: 0 });
    });

    test("a lane that dies stops traffic, is counted, and comes back", async () => {
      await connect(one, other, make, 100);
      for (const direction of ["outbound", "inbound"] as const) {
        await one.crash(direction);
        await until("the crash is counted", 10_000, async () => ((await one.counts())[direction]?.crashes ?? 0) > 0);
        if (make === strict) {
          // A new life under old keys would be wrong on either side, so its owner was told to bring others.
          await until("the loss is told", 5000, async () =>
            (await one.counts()).events.some((event) => event.do === "lost"),
          );
          const { code } = await one.host.run("busybox", ["ping", "-c", "1", "-W", "1", other.inside]);
          assert.notEqual(code, 0);
          await connect(one, other, make, direction === "outbound" ? 101 : 102);
        }
        await until("traffic flows again", 10_000, async () => {
          const { code } = await one.host.run("busybox", ["ping", "-c", "1", "-W", "1", other.inside]);
          return code === 0;
        });
      }
    });

    test("after the end nothing finds another way", async () => {
      await one.stop();
      const { code } = await one.host.run("busybox", ["ping", "-c", "2", "-i", "0.2", "-W", "1", other.inside]);
      assert.notEqual(code, 0);
    });

    test("the link has seen ESP only, and no canary", async () => {
      const { esp, others, canaries } = await link(capture);
      assert.ok(esp > 20_000, `${esp} packets`);
      assert.deepEqual({ others, canaries }, { others: 0, canaries: 0 });
    });
  });
}

/** IPv4 packets that crossed the switch, each seen twice. */
async function link(capture: Capture): Promise<{ esp: number; others: number; canaries: number }> {
  const seen = { esp: 0, others: 0, canaries: 0 };
  for await (const frame of capture.frames()) {
    if (frame.readUInt16BE(12) !== 0x0800) continue;
    if (frame[14 + 9] === ESP) seen.esp += 1;
    else seen.others += 1;
    if (frame.includes(CANARY.slice(0, 16))) seen.canaries += 1;
  }
  return seen;
}
