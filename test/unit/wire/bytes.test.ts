import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ByteQueue } from "../../../src/wire/byte-queue.ts";
import { concatBytes, equalBytes, plainView } from "../../../src/wire/bytes.ts";
import { readUtf8, utf8Bytes, utf8Length, writeUtf8 } from "../../../src/wire/utf8.ts";

describe("bytes", () => {
  test("a plain view shares memory and is no Buffer", () => {
    const buffer = Buffer.from("hello").subarray(1, 4);
    const view = plainView(buffer);
    assert.equal(Object.getPrototypeOf(view), Uint8Array.prototype);
    assert.equal(Buffer.from(view).toString(), "ell");
    buffer[0] = 0x45;
    assert.equal(view[0], 0x45);
  });

  test("equal means same length and same bytes", () => {
    assert.ok(equalBytes(Uint8Array.of(1, 2), Buffer.from([1, 2])));
    assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3)));
    assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
    assert.deepEqual(concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)), Uint8Array.of(1, 2, 3));
  });

  test("a queue holds what was appended, however it was cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 30 }), (chunks) => {
        const queue = new ByteQueue();
        for (const chunk of chunks) queue.append(chunk);
        assert.deepEqual(queue.bytes, concatBytes(...chunks));
        assert.equal(queue.length, concatBytes(...chunks).length);
      }),
    );
  });
});

describe("UTF-8", () => {
  test("lengths and bytes are those of the platform's encoder", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const bytes = utf8Bytes(text);
        assert.equal(utf8Length(text), bytes.length);
        const into = new Uint8Array(bytes.length + 4).fill(0xee);
        assert.equal(writeUtf8(text, into, 2), bytes.length + 2);
        assert.deepEqual(into.subarray(2, -2), bytes);
        assert.deepEqual([...into.subarray(0, 2), ...into.subarray(-2)], [0xee, 0xee, 0xee, 0xee]);
      }),
    );
  });

  test("a lone surrogate takes the three bytes of U+FFFD", () => {
    for (const text of ["\ud800", "a\udc00b", "\ud800\ud800\udc00", "x\udbff"]) {
      const into = new Uint8Array(utf8Length(text));
      assert.equal(writeUtf8(text, into, 0), into.length);
      assert.deepEqual(into, utf8Bytes(text));
    }
  });

  test("what is read goes back to the same bytes, or is refused", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.string({ unit: "binary" }).map(utf8Bytes)), (bytes) => {
        const text = readUtf8(bytes, 0, bytes.length);
        if (text !== undefined) assert.deepEqual(utf8Bytes(text), bytes);
        else assert.notDeepEqual(utf8Bytes(new TextDecoder().decode(bytes)), bytes);
      }),
      { numRuns: 1_000 },
    );
  });

  test("what is not UTF-8 is refused, a byte order mark is kept", () => {
    const wrong = [[0x80], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x61, 0xff]];
    for (const bytes of wrong) assert.equal(readUtf8(Uint8Array.from(bytes), 0, bytes.length), undefined);
    assert.equal(readUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), 0, 4), "\ufeffa");
    assert.equal(readUtf8(Uint8Array.of(0xff, 0x61, 0xff), 1, 2), "a");
  });
});
