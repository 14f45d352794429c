/** What Docker's engine computes, logged by it, is what we compute: SPIs, salts, the key to send with, sizes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { RingKey } from "../../../src/model/ring-key.ts";
import { overlayMtu } from "../../../src/overlay/mtu.ts";
import { ringAssociations, transmitKey } from "../../../src/overlay/ring-source.ts";
import { spiOf } from "../../../src/overlay/spi.ts";

interface Vectors {
  readonly associations: readonly {
    readonly role: "rSA" | "fSA";
    readonly source: string;
    readonly destination: string;
    readonly tag: string;
    readonly spi: string;
    readonly shortSpi: string;
    readonly keyAndSalt: string;
    readonly key: string;
    readonly log: string;
  }[];
  readonly mtus: readonly { readonly option: number | null; readonly plain: number; readonly encrypted: number }[];
}

const file = new URL("../../vectors/overlay-vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;
const logs = groupByLog();

function groupByLog(): Map<string, Vectors["associations"][number][]> {
  const logs = new Map<string, Vectors["associations"][number][]>();
  for (const one of vectors.associations) logs.set(one.log, [...(logs.get(one.log) ?? []), one]);
  return logs;
}

/** The ring of the cluster that a log is of. */
function ringOf(log: string): RingKey[] {
  const keys = new Map(
    (logs.get(log) ?? []).map(({ tag, keyAndSalt }) => {
      return [tag, new RingKey(BigInt(tag), Buffer.from(keyAndSalt.slice(0, 32), "hex"))];
    }),
  );
  return [...keys.values()];
}

test("SPIs are those that Docker logged, in both spellings", () => {
  assert.equal(vectors.associations.length, 16);
  for (const { source, destination, tag, spi, shortSpi } of vectors.associations) {
    assert.equal(spiOf(source, destination, BigInt(tag), "mapped"), Number(spi));
    assert.equal(spiOf(source, destination, BigInt(tag), "short"), Number(shortSpi));
  }
});

test("of a tag, the low 32 bits count", () => {
  const [one] = vectors.associations;
  const high = BigInt(one!.tag) + (7n << 32n);
  assert.equal(spiOf(one!.source, one!.destination, high, "mapped"), Number(one!.spi));
});

for (const [log, logged] of logs) {
  describe(`associations of ${log}`, () => {
    const outbound = logged.find(({ role }) => role === "fSA")!;
    const advertised = outbound.source;
    const peer = outbound.destination;
    const made = ringAssociations(ringOf(log), { advertised, bound: advertised, port: 4789 }, peer, "mapped");

    test("it sends under the key that Docker sent under", () => {
      assert.equal(transmitKey(ringOf(log)).tag, BigInt(outbound.tag));
      assert.deepEqual([made.outbound.spi, made.outbound.source], [Number(outbound.spi), advertised]);
      const material = made.outbound.material.withBytes((bytes) => Buffer.from(bytes).toString("hex"));
      assert.equal(material, outbound.keyAndSalt);
    });

    test("it receives with what Docker received with, and with the other spelling", () => {
      const expected = logged.filter(({ role }) => role === "rSA");
      const spis = made.inbound.map(({ spi }) => spi);
      assert.equal(expected.length, 3);
      assert.deepEqual([...spis].sort(), [...expected.flatMap(({ spi, shortSpi }) => [+spi, +shortSpi])].sort());
      for (const { spi, keyAndSalt } of expected) {
        const one = made.inbound.find((association) => association.spi === Number(spi));
        const material = one?.material.withBytes((bytes) => Buffer.from(bytes).toString("hex"));
        assert.equal(material, keyAndSalt);
        assert.deepEqual([one?.source, one?.destination, one?.icvBytes], [peer, advertised, 8]);
      }
    });
  });
}

test("the address that packets come from may be another than the advertised one, and SPIs stay", () => {
  const { outbound, inbound } = ringAssociations(
    ringOf("lab1"),
    { advertised: "10.77.0.1", bound: "192.168.5.5", port: 4789 },
    "10.77.0.2",
    "short",
  );
  assert.deepEqual([outbound.source, outbound.spi], ["192.168.5.5", 0x18fad3f1]);
  assert.ok(inbound.every(({ destination }) => destination === "192.168.5.5"));
});

test("a ring of another number of keys is refused, and so are two of one tag", () => {
  const ring = ringOf("lab1");
  assert.throws(() => transmitKey(ring.slice(1)), /a ring has 3 keys/);
  assert.throws(() => transmitKey([...ring.slice(1), ring[1]!]), /a ring has 3 keys/);
  assert.throws(() => transmitKey([...ring, ring[0]!]), /a ring has 3 keys/);
});

test("a ring key shows its tag and nothing else", () => {
  const key = new RingKey(0xa853n, Buffer.from("1729ac7ae095f1828054c9ed6e769570", "hex"));
  const shown = [String(key), JSON.stringify(key), inspect(key, { depth: 9, showHidden: true })].join();
  assert.match(shown, /0xa853/);
  for (const part of ["1729ac", "23,41,172", "17 29 ac"]) assert.equal(shown.includes(part), false);
});

test("sizes are those of Docker on IPv4", () => {
  for (const { option, plain, encrypted } of vectors.mtus) {
    const underlay = { family: 4, pathMtu: undefined } as const;
    assert.equal(overlayMtu(option ?? undefined, false, underlay), plain);
    assert.equal(overlayMtu(option ?? undefined, true, underlay), encrypted);
  }
});

test("a narrow path makes packets smaller, a wide one does not make them larger", () => {
  assert.equal(overlayMtu(undefined, false, { family: 4, pathMtu: 1400 }), 1350);
  assert.equal(overlayMtu(9000, false, { family: 4, pathMtu: 1500 }), 1450);
  assert.equal(overlayMtu(undefined, false, { family: 4, pathMtu: 9000 }), 1450);
  assert.equal(overlayMtu(9000, true, { family: 4, pathMtu: 9000 }), 8924);
  assert.equal(overlayMtu(undefined, false, { family: 6, pathMtu: 1500 }), 1430);
});

test("the largest encrypted packet fills its underlay up to what ESP would pad", () => {
  for (const family of [4, 6] as const) {
    for (let underlay = 1280; underlay < 1600; underlay++) {
      const inner = overlayMtu(underlay, true, { family, pathMtu: undefined });
      const outer = outerBytes(inner, family);
      assert.ok(outer <= underlay, `${inner} inside makes ${outer} outside`);
      assert.ok(outerBytes(inner + 4, family) > underlay, `${inner + 4} would fit into ${underlay}`);
    }
  }
});

/** By RFC 7348, 768, 4303 and 4106: what goes out for a packet of `inner` bytes inside. */
function outerBytes(inner: number, family: 4 | 6): number {
  const datagram = 8 + 8 + 14 + inner;
  const padded = Math.ceil((datagram + 2) / 4) * 4;
  return (family === 4 ? 20 : 40) + 8 + 8 + padded + 8;
}
