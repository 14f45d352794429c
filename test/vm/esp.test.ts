/** Our ESP against the kernel's XFRM, which needs a kernel that has it: one VXLAN network, an engine of each kind. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { Capture } from "../../src/lab/capture.ts";
import { Lab } from "../../src/lab/lab.ts";
import { until } from "../../src/lab/until.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import type { SecurityAssociation } from "../../src/model/security-association.ts";
import { association, hex } from "../support/esp.ts";
import { noMachine } from "../support/machine.ts";
import { OverlayHost } from "../support/overlay-host.ts";

const ESP = 50;

// Where there is udev, the device file is there before the module.
if (noMachine === false) execFileSync("modprobe", ["tun"]);

describe("the kernel and we understand each other", { skip: noMachine }, () => {
  let lab: Lab;
  let capture: Capture;
  let ours: OverlayHost;
  let kernel: OverlayHost;

  before(async () => {
    lab = await Lab.create(["ours", "kernel"]);
    capture = await Capture.start(lab);
    [ours, kernel] = await Promise.all([
      OverlayHost.create(lab.host("ours"), 1, "esp"),
      OverlayHost.create(lab.host("kernel"), 2, "plain"),
    ]);
    await Promise.all([ours.know(kernel), kernel.know(ours)]);
  });

  after(async () => {
    await capture.stop();
    await lab.dispose();
  });

  let spi = 0x1000;
  for (const [icvBytes, keyBytes] of [
    [8, 16],
    [12, 24],
    [16, 32],
  ] as const) {
    for (const extendedSequence of [false, true]) {
      const numbers = extendedSequence ? "extended numbers" : "32-bit numbers";
      test(`key of ${keyBytes} bytes, ICV of ${icvBytes}, ${numbers}`, async () => {
        const make = (from: OverlayHost, to: OverlayHost): SecurityAssociation =>
          association({
            source: from.host.address,
            destination: to.host.address,
            spi: spi++,
            icvBytes,
            extendedSequence,
            replay: { window: 128, senderMayRestart: !extendedSequence },
            material: new KeyMaterial(randomBytes(keyBytes + 4)),
          });
        const [there, back] = [make(ours, kernel), make(kernel, ours)];
        await kernel.run("ip", "xfrm", "policy", "flush");
        await kernel.run("ip", "xfrm", "state", "flush");
        for (const one of [there, back]) await addState(kernel, one);
        await addPolicy(kernel, back);
        await ours.install({ ...back, direction: "inbound" });
        await ours.install(there);
        await ours.transmit(there.destination, there.spi);
        await ours.run("busybox", "ping", "-c", "3", "-i", "0.1", "-W", "3", kernel.inside);
        await kernel.run("busybox", "ping", "-c", "3", "-i", "0.1", "-W", "3", "-s", "1300", ours.inside);
        await transfer(ours, kernel);
        await transfer(kernel, ours);
        const carried = async (id: SecurityAssociation): Promise<number> => {
          const { usages } = (await ours.counts())[id.direction];
          return usages.find((one) => one.id.spi === id.spi)?.usage.packets ?? 0;
        };
        for (const one of [there, { ...back, direction: "inbound" } as const]) {
          await until("all is counted", 5000, async () => (await carried(one)) > 190);
          await ours.remove(one);
        }
      });
    }
  }

  test("nothing was refused, and the link has seen ESP only", async () => {
    const { drops } = (await ours.counts()).inbound;
    assert.deepEqual([drops.forged, drops.malformed, drops.notDatagram, drops.late, drops.replayed], [0, 0, 0, 0, 0]);
    let sealed = 0;
    for await (const frame of capture.frames()) {
      if (frame.readUInt16BE(12) !== 0x0800) continue;
      assert.equal(frame[14 + 9], ESP, "something else than ESP was on the link");
      sealed += 1;
    }
    assert.ok(sealed > 2000, `${sealed} packets`);
  });
});

async function transfer(from: OverlayHost, to: OverlayHost): Promise<void> {
  const server = to.host.start("iperf3", "iperf3", ["-s", "-1", "--forceflush"]);
  await server.line("start", /Server listening/, 120_000);
  await from.run("iperf3", "-c", to.inside, "-n", "256K");
  await server.ended(5000);
}

async function addState(host: OverlayHost, one: SecurityAssociation): Promise<void> {
  const key = one.material.withBytes((bytes) => `0x${hex(bytes)}`);
  const ends = ["src", one.source, "dst", one.destination, "proto", "esp", "spi", String(one.spi)];
  const aead = ["aead", "rfc4106(gcm(aes))", key, String(one.icvBytes * 8)];
  const replay = one.extendedSequence ? ["replay-window", "128", "flag", "esn"] : ["replay-window", "32"];
  await host.run("ip", "xfrm", "state", "add", ...ends, "reqid", "1", "mode", "transport", ...replay, ...aead);
}

async function addPolicy(host: OverlayHost, one: SecurityAssociation): Promise<void> {
  const ends = ["src", one.source, "dst", one.destination];
  const template = ["tmpl", ...ends, "proto", "esp", "spi", String(one.spi), "reqid", "1", "mode", "transport"];
  await host.run("ip", "xfrm", "policy", "add", "dir", "out", ...ends, "proto", "udp", "dport", "4789", ...template);
}
