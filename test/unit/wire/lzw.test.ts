import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { KiB } from "../../../src/base/units.ts";
import { lzwCompress, lzwDecompress } from "../../../src/wire/lzw.ts";
import { faultCode } from "../faults.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

const CLEAR = 256;
const END = 257;

/** Codes with their widths, as text of bits, least significant first: slow and plain. */
function pack(codes: readonly (readonly [code: number, width: number])[]): Uint8Array {
  const bits = codes.map(([code, width]) => [...code.toString(2).padStart(width, "0")].reverse().join("")).join("");
  const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, "0").match(/.{8}/g) ?? [];
  return Uint8Array.from(bytes, (byte) => Number.parseInt([...byte].reverse().join(""), 2));
}

/** The encoder as the format describes it, with a `Map` of texts. */
function naiveCompress(input: Uint8Array): Uint8Array {
  const codes: [number, number][] = [[CLEAR, 9]];
  let table = new Map<string, number>();
  let high = END;
  let width = 9;
  const key = (bytes: readonly number[]): string => String.fromCharCode(...bytes);
  const codeOf = (bytes: readonly number[]): number => (bytes.length === 1 ? bytes[0]! : table.get(key(bytes))!);
  const emit = (match: readonly number[]): boolean => {
    codes.push([codeOf(match), width]);
    high += 1;
    if (high === 2 ** width) width += 1;
    if (high < 4095) return true;
    codes.push([CLEAR, width]);
    table = new Map();
    high = END;
    width = 9;
    return false;
  };
  let match: number[] = [];
  for (const byte of input) {
    const longer = [...match, byte];
    if (longer.length === 1 || table.has(key(longer))) match = longer;
    else {
      if (emit(match)) table.set(key(longer), high);
      match = [byte];
    }
  }
  if (match.length > 0) emit(match);
  codes.push([END, width]);
  return pack(codes);
}

/** The decoder, with a table of whole byte strings. */
function naiveDecompress(input: Uint8Array): Uint8Array {
  const bits = Array.from(input, (byte) => [...byte.toString(2).padStart(8, "0")].reverse().join("")).join("");
  const out: number[] = [];
  let table = new Map<number, readonly number[]>();
  let next = 258;
  let width = 9;
  let last: readonly number[] | undefined;
  let at = 0;
  for (;;) {
    assert.ok(at + width <= bits.length, "no end code");
    const code = Number.parseInt([...bits.slice(at, at + width)].reverse().join(""), 2);
    at += width;
    if (code === END) return Uint8Array.from(out);
    if (code === CLEAR) {
      table = new Map();
      next = 258;
      width = 9;
      last = undefined;
      continue;
    }
    const known = code < CLEAR ? [code] : table.get(code);
    const entry: readonly number[] = known ?? [...last!, last![0]!];
    if (last !== undefined && next <= 4095) table.set(next++, [...last, entry[0]!]);
    out.push(...entry);
    last = entry;
    if (next === 2 ** width && width < 12) width += 1;
  }
}

/** Inputs that compress well, badly, and that fill the table several times. */
const inputs: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 3_000, max: 3 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 300 }))
    .map(([unit, times]) => Uint8Array.from({ length: unit.length * times }, (_, index) => unit[index % unit.length]!)),
  fc.tuple(fc.integer(), fc.integer({ min: 4_000, max: 20_000 })).map(([seed, length]) => noise(seed, length)),
);

function noise(seed: number, length: number): Uint8Array {
  let state = seed | 1;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1_103_515_245) + 12_345;
    return (state >>> 16) & 0xff;
  });
}

describe("LZW", () => {
  test("known streams", () => {
    assert.equal(
      hex(lzwCompress(Buffer.from("TOBEORNOTTOBEORTOBEORNOT"))),
      "00a93c1152e48914274fa80824687061c183090302",
    );
    assert.equal(hex(lzwCompress(new Uint8Array(0))), "000302");
    assert.equal(hex(lzwDecompress(unhex("000302"), 10)), "");
  });

  test("compressing gives what the slow twin gives, and decompressing gives it back", () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const compressed = lzwCompress(input);
        assert.equal(hex(compressed), hex(naiveCompress(input)));
        assert.equal(hex(lzwDecompress(compressed, input.length)), hex(input));
      }),
      { numRuns: 60 },
    );
  });

  test("every length around a change of width or of the table comes back", () => {
    const input = noise(7, 9_000);
    for (const around of [0, 255, 256, 767, 1_791, 3_837, 3_838, 7_675, 7_676]) {
      for (let length = Math.max(0, around - 4); length < around + 5; length++) {
        const part = input.subarray(0, length);
        const compressed = lzwCompress(part);
        assert.equal(hex(compressed), hex(naiveCompress(part)), `length ${length}`);
        assert.equal(hex(lzwDecompress(compressed, length)), hex(part), `length ${length}`);
      }
    }
  });

  test("a sender that keeps a full table instead of clearing it is understood", () => {
    const codes: [number, number][] = [];
    const input = noise(3, 5_000);
    let next = 258;
    let width = 9;
    input.forEach((byte, index) => {
      codes.push([byte, width]);
      if (index > 0 && next <= 4_095) next += 1;
      if (next === 2 ** width && width < 12) width += 1;
    });
    const entry = 4_095;
    codes.push([entry, width], [300, width], [END, width]);
    const compressed = pack(codes);
    const plain = lzwDecompress(compressed, 10 * KiB);
    assert.equal(hex(plain), hex(naiveDecompress(compressed)));
    assert.equal(hex(plain.subarray(0, 5_000)), hex(input));
    assert.equal(plain.length, 5_004);
  });

  test("a code may be used while it is being made", () => {
    const compressed = pack([
      [CLEAR, 9],
      [97, 9],
      [258, 9],
      [259, 9],
      [END, 9],
    ]);
    assert.equal(Buffer.from(lzwDecompress(compressed, 10)).toString(), "aaaaaa");
  });

  test("impossible codes are malformed", () => {
    for (const codes of [[CLEAR, 258], [CLEAR, 300], [CLEAR, 97, 259], [97, CLEAR, 258], [511]]) {
      const compressed = pack([...codes, END].map((code) => [code, 9] as const));
      assert.equal(
        faultCode(() => lzwDecompress(compressed, 100)),
        "malformed",
        `${codes}`,
      );
    }
  });

  test("a stream cut anywhere before its end code is truncated", () => {
    const compressed = lzwCompress(noise(1, 2_000));
    for (let length = 0; length < compressed.length - 2; length++) {
      assert.equal(
        faultCode(() => lzwDecompress(compressed.subarray(0, length), 4_000)),
        "truncated",
      );
    }
  });

  test("what follows the end code is ignored", () => {
    const compressed = new Uint8Array([...lzwCompress(noise(5, 100)), 1, 2, 3]);
    assert.equal(hex(lzwDecompress(compressed, 100)), hex(noise(5, 100)));
  });

  test("output stops at the limit, to the byte", () => {
    for (const length of [1, 2, 3, 100, 5_000]) {
      const compressed = lzwCompress(new Uint8Array(length));
      assert.equal(lzwDecompress(compressed, length).length, length);
      assert.equal(
        faultCode(() => lzwDecompress(compressed, length - 1)),
        "oversize",
      );
    }
  });

  test("a bomb is refused before it unfolds", () => {
    const bomb = lzwCompress(new Uint8Array(64 * 1_024 * KiB));
    assert.ok(bomb.length < 64 * KiB);
    const before = process.memoryUsage().arrayBuffers;
    assert.equal(
      faultCode(() => lzwDecompress(bomb, 64 * KiB)),
      "oversize",
    );
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_024 * KiB);
  });

  test("bytes of all kinds end in output or in a fault, and an earlier call leaves no trace", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), inputs, (bytes, input) => {
        const first = faultCode(() => lzwDecompress(bytes, 4 * KiB));
        assert.ok(["nothing", "truncated", "malformed", "oversize"].includes(first));
        const firstOutput = first === "nothing" ? hex(lzwDecompress(bytes, 4 * KiB)) : undefined;
        assert.equal(hex(lzwDecompress(lzwCompress(input), input.length)), hex(input));
        assert.equal(
          faultCode(() => lzwDecompress(bytes, 4 * KiB)),
          first,
        );
        if (firstOutput !== undefined) assert.equal(hex(lzwDecompress(bytes, 4 * KiB)), firstOutput);
      }),
    );
  });

  test("decompressing a Buffer gives memory of its own kind", () => {
    const plain = lzwDecompress(Buffer.from(lzwCompress(Buffer.from("abcabcabc"))), 100);
    assert.equal(Object.getPrototypeOf(plain), Uint8Array.prototype);
  });
});
