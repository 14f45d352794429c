/** The thin layers: compound, compression, label, keyring, replay cache, encryption. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { minutes } from "../../../src/base/units.ts";
import { SymmetricKey } from "../../../src/crypt/aead.ts";
import { eachPart, encodeCompound } from "../../../src/gossip/compound.ts";
import { compress, decompress } from "../../../src/gossip/compression.ts";
import { KEYRING_KEYS_MAX, Keyring } from "../../../src/gossip/keyring.ts";
import { Label } from "../../../src/gossip/label.ts";
import { STREAM_FRAME_BYTES_MAX } from "../../../src/gossip/limits.ts";
import { looksLikePlaintext } from "../../../src/gossip/plaintext.ts";
import { REPLAY_WINDOW_MS, ReplayCache } from "../../../src/gossip/replay.ts";
import { frameLength, open, openFrame, seal, sealedLength, sealFrame } from "../../../src/gossip/seal.ts";
import { noBytes } from "../../../src/wire/bytes.ts";
import { MsgpackReader } from "../../../src/wire/msgpack.ts";
import { faultCode } from "../faults.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const bug = { name: "AssertionError" };

function partsOf(bytes: Uint8Array): string[] {
  const parts: string[] = [];
  eachPart(bytes, 0, bytes.length, (from, to) => void parts.push(hex(bytes.subarray(from, to))));
  return parts;
}

describe("compound", () => {
  test("parts come back in order", () => {
    const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { minLength: 1, maxLength: 127 });
    fc.assert(fc.property(parts, (list) => assert.deepEqual(partsOf(encodeCompound(list)), list.map(hex))));
  });

  test("the bytes are count, lengths, parts", () => {
    assert.equal(hex(encodeCompound([unhex("0b80"), unhex("0801")])), "0702000200020b800801");
  });

  test("more than 127 parts, no part and an empty part are never sent", () => {
    const part = Uint8Array.of(1);
    assert.equal(encodeCompound(new Array(127).fill(part)).length, 2 + 127 * 3);
    assert.throws(() => encodeCompound(new Array(128).fill(part)), bug);
    assert.throws(() => encodeCompound([]), bug);
    assert.throws(() => encodeCompound([part, noBytes]), bug);
    assert.equal(
      faultCode(() => encodeCompound([new Uint8Array(65_536)])),
      "oversize",
    );
  });

  test("255 parts are received", () => {
    const bytes = new Uint8Array([7, 255, ...new Array(255).fill([0, 1]).flat(), ...new Array(255).fill(9)]);
    assert.equal(partsOf(bytes).length, 255);
  });

  test("parts before the cut are given out, then it is truncated", () => {
    const bytes = encodeCompound([unhex("0b80"), unhex("0801"), unhex("080203")]);
    const seen: string[] = [];
    for (let length = 0; length < bytes.length; length++) {
      seen.length = 0;
      const cut = bytes.subarray(0, length);
      const code = faultCode(() => {
        eachPart(cut, 0, length, (from, to) => void seen.push(hex(bytes.subarray(from, to))));
      });
      assert.equal(code, "truncated");
      assert.equal(seen.length, length < 10 ? 0 : length < 12 ? 1 : 2);
    }
  });
});

describe("compression layer", () => {
  test("comes back, and needs algorithm 0 and at least one byte", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), (message) => {
        const layer = compress(message);
        assert.equal(layer[0], 9);
        assert.deepEqual(decompress(new MsgpackReader(layer, 1), message.length), message);
        assert.equal(
          faultCode(() => decompress(new MsgpackReader(layer, 1), message.length - 1)),
          "oversize",
        );
      }),
    );
    assert.throws(() => compress(noBytes), bug);
    const codes: [bytes: string, code: string][] = [
      ["82 a4416c676f 01 a3427566 a3000302", "malformed"],
      ["82 a4416c676f 00 a3427566 a3000302", "emptyMessage"],
      ["82 a4416c676f 00 a3427566 c0", "truncated"],
      ["81 a4416c676f 00", "truncated"],
      ["82 a4416c676f 00 a3427566 a0", "truncated"],
      ["82 a4416c676f 00 a3427566 05", "malformed"],
    ];
    for (const [bytes, code] of codes) {
      assert.equal(
        faultCode(() => decompress(new MsgpackReader(unhex(bytes)), 100)),
        code,
        bytes,
      );
    }
  });
});

describe("label", () => {
  test("the header is type, length and label; without a label there is none", () => {
    assert.equal(hex(new Label("lab1", false).header), "f4046c616231");
    assert.equal(hex(new Label("", false).header), "");
    assert.equal(new Label("l".repeat(255), false).header.length, 257);
    assert.equal(
      faultCode(() => new Label("l".repeat(256), false)),
      "invalid",
    );
  });

  test("what is received must carry exactly our label", () => {
    const cases: [label: string, skip: boolean, bytes: string, outcome: number | string | undefined][] = [
      ["lab1", false, "f4046c61623108", 6],
      ["lab1", false, "f4046c616231", 6],
      ["lab1", false, "f4046c61623208", "labelMismatch"],
      ["lab1", false, "f4056c6162310008", "labelMismatch"],
      ["lab1", false, "f4036c616208", "labelMismatch"],
      ["lab1", false, "08", "labelMismatch"],
      ["lab1", false, "f400", "malformed"],
      ["lab1", false, "f4", undefined],
      ["lab1", false, "f4046c", undefined],
      ["lab1", false, "", undefined],
      ["", false, "08", 0],
      ["", false, "", undefined],
      ["", false, "f4046c61623108", "labelMismatch"],
      ["lab1", true, "08", 0],
      ["lab1", true, "f4046c61623108", "labelMismatch"],
    ];
    for (const [label, skip, bytes, outcome] of cases) {
      const strip = (): number | undefined => new Label(label, skip).strip(unhex(bytes));
      if (typeof outcome === "string") assert.equal(faultCode(strip), outcome, bytes);
      else assert.equal(strip(), outcome, bytes);
    }
  });
});

describe("keyring", () => {
  const key = (fill: number, size = 16): SymmetricKey => new SymmetricKey(new Uint8Array(size).fill(fill));
  const ids = (ring: Keyring): string[] => ring.list().map(({ id }) => id);
  const [a, b, c] = [key(1), key(2, 24), key(3, 32)];

  test("the first key is primary, installing twice changes nothing", () => {
    const ring = new Keyring();
    assert.ok(ring.isEmpty);
    assert.equal(ring.primary, undefined);
    for (const one of [a, b, key(1), c, b]) ring.install(one);
    assert.deepEqual(ids(ring), [a.id, b.id, c.id]);
    assert.equal(ring.primary, a);
    assert.ok(!ring.isEmpty);
  });

  test("use moves a key to the front and keeps the order of the others", () => {
    const ring = new Keyring([a, b, c]);
    ring.use(key(3, 32));
    assert.deepEqual(ids(ring), [c.id, a.id, b.id]);
    ring.use(c);
    assert.deepEqual(ids(ring), [c.id, a.id, b.id]);
    assert.equal(
      faultCode(() => ring.use(key(9))),
      "notFound",
    );
  });

  test("the primary key cannot be removed, a missing one need not be", () => {
    const ring = new Keyring([a, b]);
    assert.equal(
      faultCode(() => ring.remove(a)),
      "conflict",
    );
    ring.remove(key(9));
    ring.remove(key(2, 24));
    assert.deepEqual(ids(ring), [a.id]);
    assert.equal(
      faultCode(() => ring.remove(a)),
      "conflict",
    );
    new Keyring().remove(a);
  });

  test("it holds as many keys as it says", () => {
    const ring = new Keyring(Array.from({ length: KEYRING_KEYS_MAX }, (_, index) => key(index)));
    ring.install(key(0));
    assert.equal(
      faultCode(() => ring.install(key(200))),
      "conflict",
    );
    assert.equal(ring.list().length, KEYRING_KEYS_MAX);
  });

  test("the list is a copy, and attempts go in order until one succeeds", () => {
    const ring = new Keyring([a, b, c]);
    (ring.list() as SymmetricKey[]).pop();
    assert.equal(ring.list().length, 3);
    const tried: string[] = [];
    const answer = ring.tryEach(({ id }) => {
      tried.push(id);
      return id === b.id ? 7 : undefined;
    });
    assert.equal(answer, 7);
    assert.deepEqual(tried, [a.id, b.id]);
    assert.equal(
      ring.tryEach(() => undefined),
      undefined,
    );
  });

  test("faults name keys by id", () => {
    const ring = new Keyring([a]);
    assert.throws(() => ring.remove(a), new RegExp(a.id));
    assert.throws(() => ring.use(b), new RegExp(b.id));
  });
});

describe("replay cache", () => {
  const nonce = (count: number): Uint8Array => {
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setUint32(8, count);
    return bytes;
  };

  test("a nonce is accepted once within the window", () => {
    const cache = new ReplayCache();
    assert.ok(cache.accept(0, nonce(1)));
    assert.ok(!cache.accept(0, nonce(1)));
    assert.ok(cache.accept(0, nonce(2)));
    assert.ok(!cache.accept(minutes(10) - 1, nonce(1)));
    assert.ok(!cache.accept(minutes(10), nonce(1)), "remembered for one window at least");
    assert.equal(REPLAY_WINDOW_MS, minutes(10));
  });

  test("every byte of the nonce counts", () => {
    const cache = new ReplayCache();
    assert.ok(cache.accept(0, new Uint8Array(12)));
    for (let at = 0; at < 12; at++) {
      const other = new Uint8Array(12);
      other[at] = 1;
      assert.ok(cache.accept(0, other));
      assert.ok(!cache.accept(0, other));
    }
  });

  test("after at most two windows it is forgotten", () => {
    const cache = new ReplayCache({ windowMs: 100 });
    assert.ok(cache.accept(0, nonce(1)));
    assert.ok(cache.accept(99, nonce(2)));
    assert.ok(cache.accept(100, nonce(3)));
    assert.ok(!cache.accept(199, nonce(2)));
    assert.ok(cache.accept(200, nonce(1)));
    assert.ok(cache.accept(200, nonce(2)));
    assert.ok(!cache.accept(200, nonce(3)));
    assert.ok(cache.accept(1_000, nonce(3)));
    assert.equal(cache.size, 1);
    assert.equal(cache.evicted, 0);
  });

  test("within any window, nothing is accepted twice", () => {
    const steps = fc.array(fc.tuple(fc.nat(60), fc.nat(8)), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (list) => {
        const cache = new ReplayCache({ windowMs: 100 });
        const lastAccepted = new Map<number, number>();
        let now = 0;
        for (const [wait, which] of list) {
          now += wait;
          const last = lastAccepted.get(which) ?? Number.NEGATIVE_INFINITY;
          const accepted = cache.accept(now, nonce(which));
          if (now - last < 100) assert.ok(!accepted);
          if (now - last >= 200) assert.ok(accepted);
          if (accepted) lastAccepted.set(which, now);
        }
      }),
    );
  });

  test("more nonces than fit push out the oldest, and are counted", () => {
    const cache = new ReplayCache({ entriesMax: 10 });
    for (let count = 0; count < 100; count++) {
      assert.ok(cache.accept(0, nonce(count)));
      assert.ok(cache.size <= 20);
      for (let recent = Math.max(0, count - 9); recent <= count; recent++) assert.ok(!cache.accept(0, nonce(recent)));
    }
    assert.equal(cache.evicted, 80);
  });

  test("a nonce of another length is a bug", () => {
    assert.throws(() => new ReplayCache().accept(0, new Uint8Array(11)), bug);
  });
});

describe("encryption", () => {
  const key = new SymmetricKey(new Uint8Array(16).fill(7));
  const ring = new Keyring([new SymmetricKey(new Uint8Array(32).fill(8)), key]);
  const nonce = unhex("101112131415161718191a1b");
  const label = unhex("6c616231");

  test("both versions open to what was sealed, with the length that was foretold", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.constantFrom(0 as const, 1 as const), (plain, version) => {
        const sealed = seal(key, version, nonce, plain, label);
        assert.equal(sealed.length, sealedLength(version, plain.length));
        const opened = open(ring, sealed, label);
        assert.deepEqual(opened.plain, plain);
        assert.equal(hex(opened.nonce), hex(nonce));
        const frame = sealFrame(key, version, nonce, plain, label);
        assert.deepEqual(openFrame(ring, frame, label).plain, plain);
        assert.equal(frameLength(frame), frame.length - 5);
      }),
    );
    assert.equal(sealedLength(0, 0), 45);
    assert.equal(sealedLength(0, 16), 61);
    assert.equal(sealedLength(1, 0), 29);
  });

  test("versions above 1 are refused", () => {
    const sealed = seal(key, 1, nonce, label, label);
    for (let version = 2; version < 256; version++) {
      sealed[0] = version;
      assert.equal(
        faultCode(() => open(ring, sealed, label)),
        "encryptionVersion",
      );
    }
  });

  test("shorter than the shortest is truncated", () => {
    for (const [version, shortest] of [
      [1, 29],
      [0, 45],
    ] as const) {
      const sealed = seal(key, version, nonce, noBytes, label);
      assert.equal(sealed.length, shortest);
      for (let length = 0; length < shortest; length++) {
        assert.equal(
          faultCode(() => open(ring, sealed.subarray(0, length), label)),
          "truncated",
        );
      }
    }
  });

  test("authenticated but wrongly padded is malformed, whatever the padding", () => {
    /* Version 1 seals the bytes as they are; calling the result version 0 lets a test choose the padding. */
    const forge = (padded: Uint8Array): Uint8Array => {
      const sealed = seal(key, 1, nonce, padded, label);
      sealed[0] = 0;
      return sealed;
    };
    const block = (text: string): Uint8Array => unhex(text.padStart(32, "0"));
    for (const bad of ["00", "11", "0102", "020202020203", "ff", "0f10"]) {
      assert.equal(
        faultCode(() => open(ring, forge(block(bad)), label)),
        "malformed",
        bad,
      );
    }
    assert.equal(
      faultCode(() => open(ring, forge(new Uint8Array(17).fill(1)), label)),
      "malformed",
    );
    assert.equal(hex(open(ring, forge(new Uint8Array(16).fill(16)), label).plain), "");
    assert.equal(hex(open(ring, forge(block("0303 03".replace(" ", ""))), label).plain), "00".repeat(13));
  });

  test("a frame of more than 20 MiB is refused by its header, and never made", () => {
    const header = (length: number): Uint8Array => {
      const bytes = new Uint8Array(5);
      bytes[0] = 10;
      new DataView(bytes.buffer).setUint32(1, length);
      return bytes;
    };
    assert.equal(frameLength(header(STREAM_FRAME_BYTES_MAX)), STREAM_FRAME_BYTES_MAX);
    assert.equal(
      faultCode(() => frameLength(header(STREAM_FRAME_BYTES_MAX + 1))),
      "oversize",
    );
    assert.equal(
      faultCode(() => frameLength(header(28))),
      "truncated",
    );
    const largest = STREAM_FRAME_BYTES_MAX - 29;
    assert.equal(sealFrame(key, 1, nonce, new Uint8Array(largest), label).length, STREAM_FRAME_BYTES_MAX + 5);
    assert.equal(
      faultCode(() => sealFrame(key, 1, nonce, new Uint8Array(largest + 1), label)),
      "oversize",
    );
  });

  test("a frame's length and label are authenticated", () => {
    const frame = sealFrame(key, 1, nonce, unhex("0801020304"), label);
    const opens = (bytes: Uint8Array, with_: Uint8Array): string => faultCode(() => openFrame(ring, bytes, with_));
    assert.equal(opens(frame, label), "nothing");
    assert.equal(opens(frame, noBytes), "undecryptable");
    const longer = frame.slice();
    longer[4]! += 1;
    assert.equal(opens(longer, label), "undecryptable");
    assert.equal(
      faultCode(() => open(ring, frame.subarray(5), label)),
      "undecryptable",
      "a frame is no packet",
    );
  });

  test("a packet that was never encrypted is recognised, an encrypted one hardly ever", () => {
    const plain = ["0082a4", "0282a750", "0383a446", "0c000000000b", "0701000208 01", "0981a4", "0b81a553"];
    plain[3] = "0c bf17e2c1 0b81".replace("bf17e2c1", "00000000");
    const told = plain.map((text) => looksLikePlaintext(unhex(text)));
    assert.deepEqual(told, [true, true, true, false, true, true, true]);
    let mistaken = 0;
    for (let count = 0; count < 2_000; count++) {
      const random = new Uint8Array(12);
      new DataView(random.buffer).setUint32(0, Math.imul(count, 2_654_435_761));
      if (looksLikePlaintext(seal(key, 1, random, label, noBytes))) mistaken += 1;
    }
    assert.ok(mistaken < 40, `${mistaken} of 2000`);
  });
});
