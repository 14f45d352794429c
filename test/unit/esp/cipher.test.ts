import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { EspCiphers } from "../../../src/port/esp-cipher.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";
import { allCiphers, hex, unhex } from "../../support/esp.ts";

interface Vector {
  readonly key: string;
  readonly nonce: string;
  readonly aad: string;
  readonly plain: string;
  readonly cipher: string;
  readonly icv: string;
}

const { vectors } = JSON.parse(
  readFileSync(new URL("../../vectors/esp-gcm-vectors.json", import.meta.url), "utf8"),
) as { vectors: readonly Vector[] };

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const materials = fc.oneof(bytes(20), bytes(28), bytes(36));
const icvSizes = fc.constantFrom(8, 12, 16);
const aads = fc.oneof(bytes(8), bytes(12));

for (const ciphers of allCiphers) {
  describe(`AES-GCM for ESP by ${ciphers.name}`, () => {
    for (const [at, { key, nonce, aad, plain, cipher, icv }] of vectors.entries()) {
      test(`case ${at + 1} of the published ones, sealed and opened, with each size of ICV`, () => {
        for (const icvBytes of [8, 12, 16]) {
          const { sealed, open } = runner(ciphers, unhex(key + nonce.slice(0, 8)), icvBytes, unhex(aad));
          const packet = sealed(unhex(nonce.slice(8)), unhex(plain));
          assert.equal(hex(packet), cipher + icv.slice(0, icvBytes * 2));
          assert.equal(hex(open(unhex(nonce.slice(8)), packet) ?? new Uint8Array(0)), plain);
        }
      });
    }

    test("it is the AES-GCM of OpenSSL, wherever the packet lies in its buffer", () => {
      fc.assert(
        fc.property(
          materials,
          icvSizes,
          aads,
          bytes(8),
          fc.uint8Array({ maxLength: 200 }),
          (material, icvBytes, aad, iv, plain) => {
            const { sealed, open } = runner(ciphers, material, icvBytes, aad);
            const split = material.length - 4;
            const nonce = concatBytes(material.subarray(split), iv);
            const name = `aes-${split * 8}-gcm` as "aes-128-gcm";
            const reference = createCipheriv(name, material.subarray(0, split), nonce, { authTagLength: icvBytes });
            reference.setAAD(aad);
            const expected = concatBytes(reference.update(plain), reference.final(), reference.getAuthTag());
            const packet = sealed(iv, plain);
            assert.equal(hex(packet), hex(expected));
            assert.deepEqual(open(iv, packet), plain);
          },
        ),
      );
    });

    test("every flipped bit opens nothing and leaves zeros", () => {
      for (const icvBytes of [8, 12, 16]) {
        const material = new Uint8Array(36).fill(5);
        const aad = new Uint8Array(8).fill(1);
        const iv = new Uint8Array(8).fill(2);
        const packet = runner(ciphers, material, icvBytes, aad).sealed(iv, new Uint8Array(20).fill(3));
        const whole = concatBytes(iv, packet);
        for (let bit = 0; bit < whole.length * 8; bit++) {
          const tampered = whole.slice();
          tampered[bit >> 3]! ^= 1 << (bit & 7);
          const cipher = ciphers.create(material, icvBytes, "inbound");
          assert.equal(cipher.open(tampered, 0, 8, 28, aad), false);
          assert.deepEqual(tampered.subarray(8, 28), new Uint8Array(20));
          cipher.destroy();
        }
        const wrongAad = aad.slice();
        wrongAad[7] = 9;
        assert.equal(ciphers.create(material, icvBytes, "inbound").open(whole.slice(), 0, 8, 28, wrongAad), false);
        assert.equal(ciphers.create(material, icvBytes, "inbound").open(whole.slice(), 0, 8, 28, aad), true);
      }
    });

    test("a cipher serves many packets, in many buffers, shared ones too", () => {
      const material = new Uint8Array(36).fill(7);
      const aad = new Uint8Array(12).fill(8);
      const [sealing, opening] = [ciphers.create(material, 16, "outbound"), ciphers.create(material, 16, "inbound")];
      const shared = new Uint8Array(new SharedArrayBuffer(4096));
      for (let round = 0; round < 500; round++) {
        const buffer = round % 3 === 0 ? shared : new Uint8Array(round % 3 === 1 ? 60 : 4096).subarray(round % 5);
        buffer.fill(round, 0, 40);
        sealing.seal(buffer, 0, 8, 40, aad);
        assert.notDeepEqual(buffer.slice(8, 40), new Uint8Array(32).fill(round));
        assert.equal(opening.open(buffer, 0, 8, 40, aad), true);
        assert.deepEqual(buffer.slice(8, 40), new Uint8Array(32).fill(round));
      }
    });

    test("a destroyed cipher is a bug of whoever uses it", () => {
      const cipher = ciphers.create(new Uint8Array(20), 8, "outbound");
      cipher.destroy();
      assert.throws(() => cipher.seal(new Uint8Array(64), 0, 8, 40, new Uint8Array(8)), { name: "AssertionError" });
      cipher.destroy();
    });
  });
}

/** Seal and open with fresh ciphers, three bytes into a larger buffer. */
function runner(ciphers: EspCiphers, material: Uint8Array, icvBytes: number, aad: Uint8Array) {
  return {
    sealed(iv: Uint8Array, plain: Uint8Array): Uint8Array {
      const buffer = concatBytes(new Uint8Array(3), iv, plain, new Uint8Array(icvBytes));
      const cipher = ciphers.create(material, icvBytes, "outbound");
      cipher.seal(buffer, 3, 11, 11 + plain.length, aad);
      cipher.destroy();
      return buffer.slice(11);
    },
    open(iv: Uint8Array, packet: Uint8Array): Uint8Array | undefined {
      const buffer = concatBytes(new Uint8Array(3), iv, packet);
      const to = buffer.length - icvBytes;
      const cipher = ciphers.create(material, icvBytes, "inbound");
      const genuine = cipher.open(buffer, 3, 11, to, aad);
      cipher.destroy();
      return genuine ? buffer.slice(11, to) : undefined;
    },
  };
}
