/**
 * ESP in user space: what a packet costs with either cipher, and what a VXLAN network carries through it, side by side
 * with the same network in clear. `npm run bench -- esp [--quick]`.
 *
 * Both networks are measured on one machine in one run, with iperf3 and two hosts as namespaces, so sender, receiver,
 * kernel and four threads of ours share its cores: the ratio says more than the figures. The kernel carries the plain
 * network in pieces of 64 KiB and never looks at the bytes; a third row shows it without that.
 */
import { randomBytes } from "node:crypto";
import { addressKeyOf } from "../src/esp/address-key.ts";
import { EspEngine } from "../src/esp/engine.ts";
import { Lab } from "../src/lab/lab.ts";
import { KeyMaterial } from "../src/model/key-material.ts";
import { systemRandom } from "../src/os/random.ts";
import type { EspCiphers } from "../src/port/esp-cipher.ts";
import { allCiphers, association, numbered, receiving, slotFor } from "../test/support/esp.ts";
import { noLab } from "../test/support/lab.ts";
import { connect, OverlayHost } from "../test/support/overlay-host.ts";
import { machine, median, nsPerCall, printTable, round } from "./table.ts";

const quick = process.argv.includes("--quick");
const SECONDS = quick ? 2 : 5;
const ROUNDS = quick ? 1 : 3;
const HERE = "192.0.2.1";
const THERE = "192.0.2.2";

console.log(machine());
packets();
if (noLab === false) await networks();
else console.log(`no networks: ${noLab}`);

function packets(): void {
  const rows = [64, 512, 1400].flatMap((length) =>
    allCiphers.map((ciphers) => [length, ciphers.name, ...costs(ciphers, length).map((ns) => round(ns / 1000))]),
  );
  printTable(
    "One packet through the engine, µs (AES-256, ICV of 16, no window, so that one packet can be opened again)",
    ["bytes", "cipher", "seal", "open"],
    rows,
  );
}

/** Nanoseconds to seal a datagram, and to open its packet. */
function costs(ciphers: EspCiphers, length: number): [number, number] {
  const engine = new EspEngine({ port: 4789 }, { ciphers, random: systemRandom() });
  const one = association({
    replay: { window: 0, senderMayRestart: true },
    material: new KeyMaterial(randomBytes(36)),
  });
  engine.step(0, { on: "install", association: one });
  engine.step(0, { on: "install", association: receiving(one) });
  engine.step(0, { on: "transmit", peer: THERE, spi: one.spi });
  const [source, destination] = [addressKeyOf(HERE), addressKeyOf(THERE)];
  const slot = slotFor(numbered(0, length));
  const { at, length: whole } = slot;
  const seal = (): void => {
    slot.at = at;
    slot.length = whole;
    slot.bytes[at + 2] = 4789 >> 8;
    slot.bytes[at + 3] = 4789 & 255;
    slot.bytes[at + 4] = whole >> 8;
    slot.bytes[at + 5] = whole & 255;
    if (engine.seal(slot, source, destination) !== undefined) throw new Error("a packet was dropped");
  };
  seal();
  const packet = slot.bytes.slice();
  const { length: sealedLength } = slot;
  const open = (): void => {
    slot.bytes.set(packet);
    slot.at = 0;
    slot.length = sealedLength;
    if (engine.open(slot, source, destination) !== undefined) throw new Error("a packet was dropped");
  };
  const options = quick ? { runs: 3, runMs: 60 } : {};
  return [nsPerCall(seal, options), nsPerCall(open, options)];
}

async function networks(): Promise<void> {
  const plain: number[] = [];
  const single: number[] = [];
  const esp: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await throughput("plain"));
    single.push(await throughput("single"));
    esp.push(await throughput("esp"));
  }
  const one = median(plain);
  const row = (name: string, values: readonly number[], middle: number): (string | number)[] => [
    name,
    round(middle / 1e6),
    `${round(Math.min(...values) / 1e6)} to ${round(Math.max(...values) / 1e6)}`,
    round(middle / one),
  ];
  printTable(
    `TCP through VXLAN, Mbit/s (median of ${ROUNDS} runs of ${SECONDS} s)`,
    ["network", "Mbit/s", "runs", "of plain"],
    [
      row("plain VXLAN", plain, one),
      row("plain VXLAN, sent packet by packet", single, median(single)),
      row("ESP in user space", esp, median(esp)),
    ],
  );
}

/** Bits per second of one TCP connection. */
async function throughput(kind: "plain" | "single" | "esp"): Promise<number> {
  const lab = await Lab.create(["a", "b"]);
  try {
    const [one, other] = await Promise.all([
      OverlayHost.create(lab.host("a"), 1, kind === "esp" ? "esp" : "plain"),
      OverlayHost.create(lab.host("b"), 2, kind === "esp" ? "esp" : "plain"),
    ]);
    // As for ESP, whose packets the kernel cannot keep together.
    if (kind === "single")
      for (const host of [one, other]) await host.run("ip", "link", "set", "vx", "gso_max_segs", "1");
    await Promise.all([one.know(other), other.know(one)]);
    if (kind === "esp") {
      const replay = { window: 4096, senderMayRestart: false };
      await connect(one, other, (source, destination, spi) =>
        association({ source, destination, spi, extendedSequence: true, replay }),
      );
    }
    const server = other.host.start("iperf3", "iperf3", ["-s", "-1", "--forceflush"]);
    await server.line("start", /Server listening/, 5000);
    const report = JSON.parse(await one.run("iperf3", "-c", other.inside, "-t", String(SECONDS), "-O", "1", "-J")) as {
      readonly end: { readonly sum_received: { readonly bits_per_second: number } };
    };
    return report.end.sum_received.bits_per_second;
  } finally {
    await lab.dispose();
  }
}
