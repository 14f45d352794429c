import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import {
  associationName,
  checkAssociation,
  noLimits,
  pairLimits,
  peerOf,
  ringLimits,
  type SecurityAssociation,
} from "../../../src/model/security-association.ts";
import { association, unhex } from "../../support/esp.ts";

describe("key material", () => {
  const secret = unhex("000102030405060708090a0b0c0d0e0f10111213");

  test("shows no byte of itself, however it is printed", () => {
    const material = new KeyMaterial(secret);
    const shown = [
      `${material}`,
      JSON.stringify({ material }),
      inspect(association({ material }), { depth: 9, showHidden: true }),
    ];
    for (const text of shown) {
      assert.match(text, /128 bits|KeyMaterial/);
      assert.doesNotMatch(text, /0e0f|14, *15|DgA|"14"/);
    }
  });

  test("is a copy, lends its bytes, and forgets them", () => {
    const bytes = secret.slice();
    const material = new KeyMaterial(bytes);
    bytes.fill(0);
    const lent = material.withBytes((inside) => inside);
    assert.deepEqual(lent, secret);
    assert.equal(material.equals(new KeyMaterial(secret)), true);
    assert.equal(material.equals(new KeyMaterial(secret.toReversed())), false);
    assert.equal(material.equals(new KeyMaterial(new Uint8Array(36))), false);
    material.destroy();
    assert.deepEqual(lent, new Uint8Array(20));
    assert.throws(() => material.withBytes((inside) => inside), { name: "AssertionError" });
  });

  test("has a key of 128, 192 or 256 bits and 4 bytes of salt", () => {
    assert.deepEqual(
      [20, 28, 36].map((length) => new KeyMaterial(new Uint8Array(length)).keyBits),
      [128, 192, 256],
    );
    for (const length of [0, 16, 19, 21, 32, 35, 37]) {
      assert.throws(() => new KeyMaterial(new Uint8Array(length)), { code: "invalid" });
    }
  });
});

describe("security association", () => {
  test("what RFC 4303 and RFC 4106 forbid is refused, naming the association", () => {
    const wrong: [Partial<SecurityAssociation>, RegExp][] = [
      [{ spi: 0 }, /SPI is between/],
      [{ spi: 255 }, /SPI is between/],
      [{ spi: 2 ** 32 }, /SPI is between/],
      [{ spi: 300.5 }, /SPI is between/],
      [{ source: "::ffff:192.0.2.1" }, /canonical/],
      [{ source: "node-1" }, /canonical/],
      [{ source: "2001:db8::1" }, /two families/],
      [{ source: "192.0.2.2" }, /same/],
      [{ icvBytes: 10 as 8 }, /8, 12 or 16/],
      [{ replay: { window: 63, senderMayRestart: false } }, /window/],
      [{ replay: { window: 65_537, senderMayRestart: false } }, /window/],
      [{ replay: { window: 0, senderMayRestart: false }, extendedSequence: true }, /need a replay window/],
      [{ replay: { window: 64, senderMayRestart: true }, extendedSequence: true }, /never restarts/],
      [{ limits: { ...noLimits, hard: { ...noLimits.hard, packets: 0 } } }, /positive/],
    ];
    for (const [changes, why] of wrong) {
      assert.throws(() => checkAssociation(association(changes)), { code: "invalid", message: why });
    }
    checkAssociation(association());
    checkAssociation(association({ source: "2001:db8::1", destination: "2001:db8::2", limits: pairLimits }));
    checkAssociation(association({ replay: { window: 0, senderMayRestart: true }, icvBytes: 8, limits: ringLimits }));
  });

  test("its name and its peer", () => {
    const one = association();
    assert.equal(associationName(one), "outbound 192.0.2.1 -> 192.0.2.2 SPI 0xbfc7f40d");
    assert.equal(peerOf(one), "192.0.2.2");
    assert.equal(peerOf({ ...one, direction: "inbound" }), "192.0.2.1");
  });
});
