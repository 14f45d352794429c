import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { addressKeyOf } from "../../../src/esp/address-key.ts";
import { type EspDrop, espDrops } from "../../../src/esp/effects.ts";
import { EspEngine } from "../../../src/esp/engine.ts";
import { InboundAssociation } from "../../../src/esp/inbound.ts";
import {
  ASSOCIATIONS_PER_PEER_MAX,
  DATAGRAM_BYTES_MAX,
  EXTENDED_SEQUENCE_MAX,
  RESTARTS_TOLD_MAX,
  SEQUENCE_MAX,
} from "../../../src/esp/limits.ts";
import { TAILROOM_BYTES } from "../../../src/esp/messages.ts";
import { Meter } from "../../../src/esp/meter.ts";
import { OutboundAssociation } from "../../../src/esp/outbound.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import { type IcvBytes, noLimits, type SecurityAssociation } from "../../../src/model/security-association.ts";
import { systemRandom } from "../../../src/os/random.ts";
import {
  allCiphers,
  association,
  contentOf,
  datagram,
  HERE,
  hex,
  mustSeal,
  Node,
  numbered,
  receiving,
  slotFor,
  THERE,
  VXLAN_PORT,
} from "../../support/esp.ts";

/** Two nodes and what the first sends the second with. */
function pair(changes: Partial<SecurityAssociation> = {}, ciphers = allCiphers[0]): [Node, Node, SecurityAssociation] {
  const one = association(changes);
  const [here, there] = [new Node(HERE, ciphers), new Node(THERE, ciphers)];
  assert.deepEqual(here.install(one), []);
  assert.deepEqual(there.install(receiving(one)), []);
  return [here, there, one];
}

function assertOpens(there: Node, packet: Uint8Array, content: Uint8Array): void {
  const opened = there.open(packet, HERE);
  assert.equal(typeof opened === "string" ? opened : hex(opened), hex(content));
}

function dropped(node: Node): Partial<Record<EspDrop, number>> {
  return Object.fromEntries(Object.entries(node.engine.drops()).filter(([, count]) => count > 0));
}

describe("ESP packets", () => {
  test("what one seals the other opens, for all keys, ICVs, numbers and lengths", () => {
    const keys = fc.constantFrom(20, 28, 36);
    const icvs = fc.constantFrom<IcvBytes>(8, 12, 16);
    fc.assert(
      fc.property(
        keys,
        icvs,
        fc.boolean(),
        fc.uint8Array({ maxLength: 300 }),
        (bytes, icvBytes, extendedSequence, payload) => {
          const material = new KeyMaterial(randomBytes(bytes));
          for (const [sealer, opener] of [allCiphers, allCiphers.toReversed()]) {
            const one = association({ material, icvBytes, extendedSequence });
            const [here, there] = [new Node(HERE, sealer), new Node(THERE, opener)];
            here.install(one);
            there.install(receiving(one));
            const packet = mustSeal(here, datagram(payload), THERE);
            assert.equal((packet.length - 16 - icvBytes) % 4, 0);
            assert.ok(packet.length <= 8 + payload.length + 16 + TAILROOM_BYTES);
            assertOpens(there, packet, datagram(payload));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a packet adds what RFC 4303 says, no byte more", () => {
    const [here] = pair({ icvBytes: 8 });
    // The largest frame of an encrypted network on a link of 1500 bytes fills it: 1424 + 14 + 8 + 8 of VXLAN in 1480.
    assert.equal(mustSeal(here, datagram(new Uint8Array(1424 + 14 + 8)), THERE).length, 1500 - 20);
    assert.equal(mustSeal(here, datagram(new Uint8Array(1)), THERE).length, 16 + 9 + 1 + 2 + 8);
  });

  test("SPI and number stand in front; nothing of the datagram is readable; the room around it is kept", () => {
    const [here] = pair();
    const secret = new TextEncoder().encode("a canary that sings");
    const slot = slotFor(datagram(secret));
    assert.equal(here.engine.seal(slot, addressKeyOf(HERE), addressKeyOf(THERE)), undefined);
    assert.equal(slot.at, 0);
    const packet = contentOf(slot);
    assert.equal(hex(packet.subarray(0, 8)), "bfc7f40d00000001");
    assert.equal(hex(packet).includes(hex(secret)), false);
  });

  test("IVs never repeat: within a life, after a restart, on two engines with one key", () => {
    const one = association();
    const seen = new Set<string>();
    let sealed = 0;
    for (let life = 0; life < 20; life++) {
      const node = new Node(HERE);
      node.install(one);
      for (let packet = 0; packet < 200; packet++) {
        seen.add(hex(mustSeal(node, numbered(packet), THERE).subarray(8, 16)));
        sealed += 1;
      }
    }
    assert.equal(seen.size, sealed);
  });

  test("the IV is the number under a mask, as the kernel makes it: one mask per life", () => {
    const [here] = pair();
    const masks = new Set<bigint>();
    for (let count = 1; count <= 100; count++) {
      const view = new DataView(mustSeal(here, numbered(count), THERE).buffer);
      assert.equal(view.getUint32(4), count);
      masks.add(view.getBigUint64(8) ^ BigInt(count));
    }
    assert.equal(masks.size, 1);
    assert.notEqual([...masks][0]! >> 32n, 0n);
  });

  test("every flipped bit of a packet is a drop, and opens no other packet's way", () => {
    const [here, there] = pair({ icvBytes: 8 });
    const packet = mustSeal(here, numbered(1, 5), THERE);
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const tampered = packet.slice();
      tampered[bit >> 3]! ^= 1 << (bit & 7);
      const opened = there.open(tampered, HERE);
      assert.ok(opened === "forged" || opened === "unknownAssociation" || opened === "late", `bit ${bit}: ${opened}`);
    }
    for (let length = 0; length < packet.length; length++) {
      assert.equal(typeof there.open(packet.subarray(0, length), HERE), "string");
    }
    assertOpens(there, packet, numbered(1, 5));
  });
});

describe("ESP fails closed", () => {
  test("without an association in use nothing leaves, and the datagram is not changed", () => {
    const node = new Node(HERE);
    const slot = slotFor(numbered(1));
    const before = hex(slot.bytes);
    assert.equal(node.engine.seal(slot, addressKeyOf(HERE), addressKeyOf(THERE)), "noAssociation");
    node.engine.step(0, { on: "install", association: association() });
    assert.equal(node.engine.seal(slot, addressKeyOf(HERE), addressKeyOf(THERE)), "noAssociation");
    assert.equal(hex(slot.bytes), before);
    assert.deepEqual(dropped(node), { noAssociation: 2 });
  });

  test("removing what is sent with stops traffic, also when others are installed", () => {
    const [here, , one] = pair();
    here.engine.step(0, { on: "install", association: association({ spi: 777 }) });
    const { usage } = here.engine.step(0, { on: "remove", id: one })[0] as { usage: { packets: number } };
    assert.equal(usage.packets, 0);
    assert.equal(here.seal(numbered(1), THERE), "noAssociation");
  });

  test("only datagrams to the protected port, of the length they name, from the association's own address", () => {
    const [here, there] = pair();
    assert.equal(here.seal(datagram(new Uint8Array(4), 53), THERE), "notDatagram");
    assert.equal(here.seal(numbered(1).subarray(0, 30), THERE), "notDatagram");
    assert.equal(here.seal(new Uint8Array(7), THERE), "notDatagram");
    const slot = slotFor(numbered(1));
    assert.equal(here.engine.seal(slot, addressKeyOf("192.0.2.9"), addressKeyOf(THERE)), "wrongSource");
    // A peer that protects something else under the same key gets nothing in.
    const elsewhere = new EspEngine({ port: 53 }, { ciphers: allCiphers[0]!, random: { u32: () => 1 } });
    const one = association({ spi: 4000 });
    elsewhere.step(0, { on: "install", association: one });
    elsewhere.step(0, { on: "transmit", peer: THERE, spi: 4000 });
    there.install(receiving(one));
    const other = slotFor(datagram(new Uint8Array(4), 53));
    assert.equal(elsewhere.seal(other, addressKeyOf(HERE), addressKeyOf(THERE)), undefined);
    assert.equal(there.open(contentOf(other), HERE), "notDatagram");
  });

  test("a datagram that no packet can hold is refused", () => {
    const [here, there] = pair();
    const largest = datagram(new Uint8Array(DATAGRAM_BYTES_MAX - 8));
    assertOpens(there, mustSeal(here, largest, THERE), largest);
    assert.equal(here.seal(datagram(new Uint8Array(DATAGRAM_BYTES_MAX - 7)), THERE), "oversize");
  });

  test("wrong padding, another payload and dummies are dropped although they are genuine", () => {
    const [, there, one] = pair();
    const forge = (plain: number[], sequence: number): Uint8Array => {
      const packet = new Uint8Array(16 + plain.length + 16);
      const view = new DataView(packet.buffer);
      view.setUint32(0, one.spi);
      view.setUint32(4, sequence);
      packet.set(plain, 16);
      const cipher = one.material.withBytes((bytes) => allCiphers[0]!.create(bytes, 16, "outbound"));
      cipher.seal(packet, 8, 16, 16 + plain.length, packet.slice(0, 8));
      return packet;
    };
    assert.equal(there.open(forge([1, 2, 0, 2, 2, 17, 0, 17], 1), HERE), "notDatagram");
    assert.equal(there.open(forge([0, 0, 0, 0, 9, 9, 2, 17], 2), HERE), "malformed");
    assert.equal(there.open(forge([0, 0, 255, 17], 3), HERE), "malformed");
    assert.equal(there.open(forge([0, 0, 0, 59], 4), HERE), "dummy");
    assert.equal(there.open(forge([1, 2, 2, 6], 5), HERE), "notUdp");
    assert.equal(there.open(forge([1, 2, 2], 6), HERE), "truncated");
  });
});

describe("ESP associations", () => {
  test("an unknown SPI, another destination, another source", () => {
    const [here, there] = pair();
    const packet = mustSeal(here, numbered(1), THERE);
    assert.equal(there.open(packet, "192.0.2.77"), "wrongSource");
    assert.equal(new Node(THERE).open(packet, HERE), "unknownAssociation");
    const slot = { bytes: packet.slice(), at: 0, length: packet.length };
    assert.equal(there.engine.open(slot, addressKeyOf(HERE), addressKeyOf("192.0.2.3")), "unknownAssociation");
    assert.deepEqual(dropped(there), { wrongSource: 1, unknownAssociation: 1 });
  });

  test("two peers whose hashed SPIs collide are kept apart by their addresses", () => {
    const [here, there] = pair();
    const other = new Node("192.0.2.3");
    const colliding = association({ source: "192.0.2.3" });
    other.install(colliding);
    assert.deepEqual(there.install(receiving(colliding)), []);
    assertOpens(there, mustSeal(here, numbered(1), THERE), numbered(1));
    const opened = there.open(mustSeal(other, numbered(2), THERE), "192.0.2.3");
    assert.equal(hex(opened as Uint8Array), hex(numbered(2)));
  });

  test("the same again changes nothing, another one under its name is refused", () => {
    const [here, there, one] = pair();
    assertOpens(there, mustSeal(here, numbered(1), THERE), numbered(1));
    assert.deepEqual(here.engine.step(0, { on: "install", association: one }), []);
    const [effect] = here.engine.step(0, { on: "install", association: association() });
    assert.equal(effect?.do === "refused" && effect.fault.code, "conflict");
    assert.equal(here.engine.usage(one)?.sequence, 1);
  });

  test("what cannot be carried out is refused: unknown ones, invalid ones, too many", () => {
    const node = new Node(HERE);
    const refusal = (input: Parameters<EspEngine["step"]>[1]): string | undefined => {
      const [effect] = node.engine.step(0, input);
      return effect?.do === "refused" ? effect.fault.code : undefined;
    };
    assert.equal(refusal({ on: "remove", id: association() }), "notFound");
    assert.equal(refusal({ on: "transmit", peer: THERE, spi: 300 }), "notFound");
    assert.equal(refusal({ on: "restart", id: association() }), "notFound");
    assert.equal(refusal({ on: "install", association: association({ spi: 1 }) }), "invalid");
    for (let spi = 1000; spi < 1000 + ASSOCIATIONS_PER_PEER_MAX; spi++) {
      assert.equal(refusal({ on: "install", association: association({ spi }) }), undefined);
    }
    assert.equal(refusal({ on: "install", association: association() }), "unavailable");
    assert.equal(node.engine.associations, ASSOCIATIONS_PER_PEER_MAX);
  });

  test("who owns the key material overwrites it: after removal, after a refusal, after a copy that was not needed", () => {
    const ports = { ciphers: allCiphers[1]!, random: systemRandom() };
    const owner = new EspEngine({ port: VXLAN_PORT, ownsMaterial: true }, ports);
    const key = randomBytes(36);
    const isGone = ({ material }: SecurityAssociation): boolean => material.equals(new KeyMaterial(new Uint8Array(36)));
    const make = (changes = {}) => association({ material: new KeyMaterial(key), ...changes });
    const [first, again, other] = [make(), make(), make({ icvBytes: 8 })];
    for (const one of [first, again, other, first]) owner.step(0, { on: "install", association: one });
    assert.deepEqual([first, again, other].map(isGone), [false, true, true]);
    owner.step(0, { on: "remove", id: first });
    assert.equal(isGone(first), true);
    const last = make({ spi: 999 });
    owner.step(0, { on: "install", association: last });
    owner.destroy();
    assert.equal(isGone(last), true);
    const borrowed = make();
    const borrower = new EspEngine({ port: VXLAN_PORT }, ports);
    borrower.step(0, { on: "install", association: borrowed });
    borrower.destroy();
    assert.equal(isGone(borrowed), false);
  });

  test("IPv6 addresses", () => {
    const ends = { source: "2001:db8::1", destination: "2001:db8::2" };
    const one = association(ends);
    const [here, there] = [new Node(ends.source), new Node(ends.destination)];
    here.install(one);
    there.install(receiving(one));
    const opened = there.open(mustSeal(here, numbered(1), ends.destination), ends.source);
    assert.equal(hex(opened as Uint8Array), hex(numbered(1)));
  });

  test("make before break: while keys change in any legal order no packet is lost", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 5, maxLength: 60 }), (bursts) => {
        const [here, there] = [new Node(HERE), new Node(THERE)];
        let current: SecurityAssociation | undefined;
        let count = 0;
        const flying: Uint8Array[] = [];
        for (const [round, burst] of bursts.entries()) {
          const next = association({ spi: 1000 + round });
          there.install(receiving(next));
          here.install(next);
          for (let packet = 0; packet < burst; packet++) flying.push(mustSeal(here, numbered(count++), THERE));
          for (const packet of flying.splice(0)) assert.equal(typeof there.open(packet, HERE), "object");
          if (burst > 0) flying.push(mustSeal(here, numbered(count++), THERE));
          if (current !== undefined) here.engine.step(0, { on: "remove", id: current });
          if (round >= 2) there.engine.step(0, { on: "remove", id: receiving({ ...next, spi: 1000 + round - 2 }) });
          current = next;
        }
        assert.ok(there.engine.associations <= 3);
      }),
      { numRuns: 50 },
    );
  });
});

describe("ESP against replay", () => {
  test("a packet opens once; late ones within the window open; older ones do not", () => {
    const [here, there] = pair();
    const packets = Array.from({ length: 200 }, (_, number) => mustSeal(here, numbered(number), THERE));
    for (const at of [0, 3, 2, 199, 140]) assertOpens(there, packets[at]!, numbered(at));
    assert.equal(there.open(packets[199]!, HERE), "replayed");
    assert.equal(there.open(packets[140]!, HERE), "replayed");
    assert.equal(there.open(packets[135]!, HERE), "late");
    assertOpens(there, packets[136]!, numbered(136));
    assert.deepEqual(dropped(there), { replayed: 2, late: 1 });
  });

  test("a forged packet moves no window", () => {
    const [here, there] = pair();
    const packet = mustSeal(here, numbered(1), THERE);
    const forged = packet.slice();
    new DataView(forged.buffer).setUint32(4, 0xffff_0000);
    assert.equal(there.open(forged, HERE), "forged");
    assertOpens(there, packet, numbered(1));
  });

  test("window 0 lets everything genuine in, as Docker does", () => {
    const [here, there] = pair({ replay: { window: 0, senderMayRestart: true } });
    const packet = mustSeal(here, numbered(1), THERE);
    assertOpens(there, packet, numbered(1));
    assertOpens(there, packet, numbered(1));
  });

  test("a sender that restarts at 1 is followed at its first packet, and its old packets stay dead", () => {
    const replay = { window: 64, senderMayRestart: true };
    const [here, there, one] = pair({ replay, icvBytes: 8 });
    const old = Array.from({ length: 500 }, (_, number) => mustSeal(here, numbered(number), THERE));
    for (const packet of old) there.open(packet, HERE);
    const reborn = new Node(HERE);
    reborn.install(one);
    assertOpens(there, mustSeal(reborn, numbered(1), THERE), numbered(1));
    assert.equal(there.engine.deadline(), 0);
    assert.deepEqual(
      there.wake().map((effect) => effect.do),
      ["peerRestarted"],
    );
    for (const packet of old) assert.ok(["late", "replayed"].includes(there.open(packet, HERE) as string));
    assertOpens(there, mustSeal(reborn, numbered(2), THERE), numbered(2));
    assert.equal(there.engine.usage(receiving(one))?.restarts, 1);
    assert.equal(there.engine.usage(receiving(one))?.sequence, 2);
  });

  test("a sender that restarts all the time is told a few times only", () => {
    const [, there, one] = pair({ replay: { window: 64, senderMayRestart: true } });
    let told = 0;
    for (let life = 0; life < 50; life++) {
      const reborn = new Node(HERE);
      reborn.install(one);
      assertOpens(there, mustSeal(reborn, numbered(1), THERE), numbered(1));
      told += there.wake().length;
    }
    assert.equal(told, RESTARTS_TOLD_MAX);
    assert.equal(there.engine.usage(receiving(one))?.restarts, 49);
  });

  test("without that rule a restart is what it looks like", () => {
    const [here, there, one] = pair();
    for (let count = 0; count < 100; count++)
      assertOpens(there, mustSeal(here, numbered(count), THERE), numbered(count));
    const reborn = new Node(HERE);
    reborn.install(one);
    assert.equal(there.open(mustSeal(reborn, numbered(1), THERE), HERE), "late");
  });
});

describe("ESP limits", () => {
  const limits = {
    soft: { ageMs: 1000, packets: 3, bytes: 1000 },
    hard: { ageMs: 2000, packets: 5, bytes: 1200 },
  };

  test("packets: told once at the soft limit and once at the hard one, where traffic stops", () => {
    const [here, , one] = pair({ limits: { ...limits, soft: { ...limits.soft, bytes: Infinity } } });
    const told: string[] = [];
    for (let count = 1; count <= 7; count++) {
      const result = here.seal(numbered(count), THERE);
      assert.equal(typeof result === "string", count > 5);
      for (const effect of here.wake())
        if (effect.do === "limit") told.push(`${count} ${effect.kind} ${effect.because}`);
    }
    assert.deepEqual(told, ["3 soft packets", "6 hard packets"]);
    assert.deepEqual(dropped(here), { limitReached: 2 });
    assert.equal(here.engine.usage(one)?.packets, 5);
  });

  test("bytes: what would exceed the hard limit is not sent", () => {
    const [here, , one] = pair({ limits });
    mustSeal(here, numbered(1, 991), THERE);
    assert.deepEqual(here.wake(), []);
    mustSeal(here, numbered(1, 40), THERE);
    assert.deepEqual(here.wake(), [{ do: "limit", id: idOf(one), kind: "soft", because: "bytes" }]);
    assert.equal(here.seal(numbered(1, 200), THERE), "limitReached");
    assert.deepEqual(here.wake(), [{ do: "limit", id: idOf(one), kind: "hard", because: "bytes" }]);
  });

  test("age: the engine asks to be woken at both moments", () => {
    const [here, there, one] = pair({ limits });
    assert.equal(here.engine.deadline(), 1000);
    here.now = 999;
    assert.deepEqual(here.wake(), []);
    here.now = 1000;
    assert.deepEqual(here.wake(), [{ do: "limit", id: idOf(one), kind: "soft", because: "age" }]);
    assert.equal(here.engine.deadline(), 2000);
    const last = mustSeal(here, numbered(1), THERE);
    here.now = there.now = 2000;
    assert.deepEqual(here.wake(), [{ do: "limit", id: idOf(one), kind: "hard", because: "age" }]);
    assert.equal(here.engine.deadline(), Infinity);
    assert.equal(here.seal(numbered(2), THERE), "limitReached");
    assert.equal(there.wake().length, 1);
    assert.equal(there.open(last, HERE), "limitReached");
  });

  test("an outbound association can begin again where the receiver bears it, and only there", () => {
    const [here, there, one] = pair({ replay: { window: 64, senderMayRestart: true } });
    const first = mustSeal(here, numbered(1), THERE);
    assert.deepEqual(here.engine.step(0, { on: "restart", id: one }), []);
    const second = mustSeal(here, numbered(2), THERE);
    assert.equal(hex(second.subarray(0, 8)), hex(first.subarray(0, 8)));
    assert.notEqual(hex(second.subarray(8, 16)), hex(first.subarray(8, 16)));
    assertOpens(there, first, numbered(1));
    assertOpens(there, second, numbered(2));
    const [strict, , other] = pair();
    const [effect] = strict.engine.step(0, { on: "restart", id: other });
    assert.equal(effect?.do === "refused" && effect.fault.code, "conflict");
  });

  test("a number is never used twice: at the end of the 32-bit ones nothing is sent any more", () => {
    for (const [extendedSequence, last] of [
      [false, SEQUENCE_MAX],
      [true, EXTENDED_SEQUENCE_MAX],
    ] as const) {
      const one = association({ extendedSequence });
      const told: string[] = [];
      const meter = new Meter(noLimits, 0, (kind, because) => told.push(`${kind} ${because}`));
      const cipher = one.material.withBytes((bytes) => allCiphers[0]!.create(bytes, 16, "outbound"));
      const sender = new OutboundAssociation(one, cipher, systemRandom(), meter, last - 2);
      assert.deepEqual(
        [1, 2, 3, 4].map(() => sender.seal(slotFor(numbered(1)))),
        [undefined, undefined, "sequenceExhausted", "limitReached"],
      );
      assert.deepEqual(told, ["hard sequence"]);
      assert.equal(sender.usage.sequence, last);
    }
  });

  test("extended numbers cross 2^32 without a gap; the receiver follows", () => {
    const one = association({ extendedSequence: true });
    const cipherOf = (direction: "outbound" | "inbound") =>
      one.material.withBytes((bytes) => allCiphers[1]!.create(bytes, 16, direction));
    const meter = () => new Meter(noLimits, 0, () => undefined);
    const receiver = new InboundAssociation(receiving(one), cipherOf("inbound"), VXLAN_PORT, meter(), () => undefined);
    // A receiver learns of 2^32 numbers by as few packets as its inference bears: two of each half.
    for (let start = 0; start < 2 ** 33; start += 2 ** 31) {
      const sender = new OutboundAssociation(one, cipherOf("outbound"), systemRandom(), meter(), start);
      for (let count = 0; count < 3; count++) {
        const slot = slotFor(numbered(count));
        assert.equal(sender.seal(slot), undefined);
        const packet = { ...slot, bytes: slot.bytes.slice() };
        assert.equal(receiver.open(slot), undefined);
        assert.equal(receiver.open(packet), "replayed");
      }
    }
    assert.equal(receiver.usage.sequence, 2 ** 33 - 2 ** 31 + 3);
  });

  test("limits that were never set are never reached", () => {
    const [here] = pair({ limits: noLimits });
    assert.equal(here.engine.deadline(), Infinity);
  });
});

test("every reason of a drop has a counter from the beginning", () => {
  assert.deepEqual(Object.keys(new Node(HERE).engine.drops()), Object.keys(espDrops));
  assert.equal(VXLAN_PORT, 4789);
});

function idOf({ direction, spi, source, destination }: SecurityAssociation) {
  return { direction, spi, source, destination };
}
