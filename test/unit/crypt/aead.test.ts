import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { Fault } from "../../../src/base/fault.ts";
import { NONCE_BYTES, SymmetricKey, TAG_BYTES } from "../../../src/crypt/aead.ts";
import { crc32 } from "../../../src/crypt/crc32.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const keyBytes = fc.oneof(bytes(16), bytes(24), bytes(32));

describe("AES-GCM", () => {
  test("a known answer: test case 4 of the GCM specification", () => {
    const key = new SymmetricKey(unhex("feffe9928665731c6d6a8f9467308308"));
    const plain = unhex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    const aad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    const sealed = key.seal(unhex("cafebabefacedbaddecaf888"), plain, aad);
    assert.equal(
      hex(sealed),
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091" +
        "5bc94fbc3221a5db94fae95ae7121a47",
    );
  });

  test("what is sealed opens to the same bytes, as any AES-GCM would", () => {
    fc.assert(
      fc.property(
        keyBytes,
        bytes(NONCE_BYTES),
        fc.uint8Array({ maxLength: 100 }),
        fc.uint8Array({ maxLength: 20 }),
        (secret, nonce, plain, aad) => {
          const key = new SymmetricKey(secret);
          const sealed = key.seal(nonce, plain, aad);
          const cipher = createCipheriv(`aes-${secret.length * 8}-gcm` as "aes-128-gcm", secret, nonce).setAAD(aad);
          const expected = concatBytes(cipher.update(plain), cipher.final(), cipher.getAuthTag());
          assert.equal(hex(sealed), hex(expected));
          const opened = new SymmetricKey(secret).open(nonce, sealed, aad);
          assert.deepEqual(opened, plain);
          assert.equal(Object.getPrototypeOf(opened), Uint8Array.prototype);
        },
      ),
    );
  });

  test("every flipped bit, every cut, another nonce, other additional data and another key open nothing", () => {
    const key = new SymmetricKey(new Uint8Array(16).fill(1));
    const nonce = new Uint8Array(NONCE_BYTES).fill(2);
    const aad = unhex("6c616231");
    const sealed = key.seal(nonce, unhex("00112233445566778899"), aad);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const tampered = sealed.slice();
      tampered[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(key.open(nonce, tampered, aad), undefined);
    }
    for (let length = 0; length < sealed.length; length++) {
      assert.equal(key.open(nonce, sealed.subarray(0, length), aad), undefined);
    }
    assert.equal(key.open(new Uint8Array(NONCE_BYTES), sealed, aad), undefined);
    assert.equal(key.open(nonce, sealed, unhex("6c616232")), undefined);
    assert.equal(key.open(nonce, sealed, new Uint8Array(0)), undefined);
    assert.equal(new SymmetricKey(new Uint8Array(16).fill(3)).open(nonce, sealed, aad), undefined);
    assert.equal(new SymmetricKey(new Uint8Array(32).fill(1)).open(nonce, sealed, aad), undefined);
    assert.ok(key.open(nonce, sealed, aad));
  });

  test("only 16, 24 and 32 bytes are a key", () => {
    for (let length = 0; length < 70; length++) {
      const make = (): SymmetricKey => new SymmetricKey(new Uint8Array(length));
      if ([16, 24, 32].includes(length)) make();
      else assert.throws(make, (error) => error instanceof Fault && error.code === "invalid", `${length} bytes`);
    }
  });

  test("a nonce of another length is a bug", () => {
    const key = new SymmetricKey(new Uint8Array(16));
    assert.throws(() => key.seal(new Uint8Array(11), new Uint8Array(1), new Uint8Array(0)), { name: "AssertionError" });
    assert.throws(() => key.open(new Uint8Array(16), new Uint8Array(TAG_BYTES), new Uint8Array(0)), {
      name: "AssertionError",
    });
  });

  test("a key keeps its own copy of the bytes", () => {
    const secret = new Uint8Array(16).fill(9);
    const key = new SymmetricKey(secret);
    secret.fill(0);
    assert.ok(key.equals(new SymmetricKey(new Uint8Array(16).fill(9))));
    assert.ok(!key.equals(new SymmetricKey(secret)));
    assert.ok(!key.equals(new SymmetricKey(new Uint8Array(32).fill(9))));
  });
});

describe("a key never shows its bytes", () => {
  const secret = Buffer.from("correct horse battery staple 32!");
  const key = new SymmetricKey(secret);
  const traces = [secret.toString("latin1"), secret.toString("hex"), secret.toString("base64"), [...secret].join(",")];
  traces.push([...secret].join(", "), secret.toString("hex").match(/../g)!.join(" "), secret.toString("base64url"));

  test("in text, JSON, inspection and errors", () => {
    const shown = [
      String(key),
      `${key}`,
      JSON.stringify({ key }),
      inspect(key, { showHidden: true, depth: Number.POSITIVE_INFINITY, getters: true }),
      inspect({ deep: [key] }, { showHidden: true, depth: Number.POSITIVE_INFINITY }),
      JSON.stringify(structuredCloneOrNot(key)),
      Object.entries(key).join(),
      Object.getOwnPropertyNames(key).join(),
    ];
    for (const wrong of [secret.subarray(1), Buffer.concat([secret, secret])]) {
      try {
        new SymmetricKey(wrong);
      } catch (error) {
        shown.push(inspect(error, { showHidden: true, depth: Number.POSITIVE_INFINITY }), String(error));
      }
    }
    assert.equal(shown.length, 12);
    for (const text of shown) for (const trace of traces) assert.ok(!text.includes(trace), text);
  });

  test("and its id tells keys apart without telling anything else", () => {
    assert.match(key.id, /^[0-9a-f]{16}$/);
    assert.equal(String(key), `key ${key.id}`);
    assert.equal(JSON.stringify(key), `"${key.id}"`);
    assert.equal(new SymmetricKey(secret).id, key.id);
    assert.notEqual(new SymmetricKey(secret.subarray(0, 16)).id, key.id);
    assert.ok(!secret.toString("hex").includes(key.id));
  });
});

function structuredCloneOrNot(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return null;
  }
}

test("CRC-32 is zlib's, unsigned", () => {
  assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
  assert.equal(crc32(new Uint8Array(0)), 0);
});
