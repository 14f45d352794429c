import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode as oracleDecode, encode as oracleEncode } from "@msgpack/msgpack";
import fc from "fast-check";
import {
  type IntegerProfile,
  MsgpackReader,
  MsgpackWriter,
  rawLength,
  SKIP_DEPTH_MAX,
  SKIPPED_VALUES_MAX,
  uintLength,
} from "../../../src/wire/msgpack.ts";
import {
  decodeValue,
  encodeValue,
  VALUE_DEPTH_MAX,
  type Value,
  type Writable,
} from "../../../src/wire/msgpack-value.ts";
import { faultCode } from "../faults.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

function written(write: (writer: MsgpackWriter) => void): string {
  const writer = new MsgpackWriter();
  write(writer);
  return hex(writer.take());
}

describe("msgpack writer", () => {
  test("unsigned integers take the shortest unsigned form", () => {
    const cases: [value: number, bytes: string][] = [
      [0, "00"],
      [127, "7f"],
      [128, "cc80"],
      [255, "ccff"],
      [256, "cd0100"],
      [300, "cd012c"],
      [65_535, "cdffff"],
      [65_536, "ce00010000"],
      [0xffff_ffff, "ceffffffff"],
    ];
    for (const [value, bytes] of cases) {
      assert.equal(
        written((writer) => writer.uint(value)),
        bytes,
      );
      assert.equal(uintLength(value), bytes.length / 2);
    }
  });

  test("Go's int is spelled unsigned by old peers and signed by new ones", () => {
    const cases: [value: number, unsigned: string, signed: string][] = [
      [0, "00", "00"],
      [127, "7f", "7f"],
      [128, "cc80", "d10080"],
      [200, "ccc8", "d100c8"],
      [300, "cd012c", "d1012c"],
      [32_767, "cd7fff", "d17fff"],
      [32_768, "cd8000", "d200008000"],
      [40_000, "cd9c40", "d200009c40"],
      [0x7fff_ffff, "ce7fffffff", "d27fffffff"],
    ];
    for (const [value, unsigned, signed] of cases) {
      assert.equal(
        written((writer) => writer.int(value, "unsigned")),
        unsigned,
      );
      assert.equal(
        written((writer) => writer.int(value, "signed")),
        signed,
      );
    }
  });

  test("byte strings and texts are raws: never str8, never bin", () => {
    const headers: [length: number, header: string][] = [
      [0, "a0"],
      [31, "bf"],
      [32, "da0020"],
      [255, "da00ff"],
      [256, "da0100"],
      [65_535, "daffff"],
      [65_536, "db00010000"],
    ];
    for (const [length, header] of headers) {
      const body = "61".repeat(length);
      assert.equal(
        written((writer) => writer.text("a".repeat(length))),
        header + body,
      );
      assert.equal(
        written((writer) => writer.raw(new Uint8Array(length).fill(0x61))),
        header + body,
      );
      assert.equal(rawLength(length), (header + body).length / 2);
    }
  });

  test("nil and empty stay apart", () => {
    assert.equal(
      written((writer) => writer.raw(null)),
      "c0",
    );
    assert.equal(
      written((writer) => writer.raw(new Uint8Array(0))),
      "a0",
    );
    assert.equal(new MsgpackReader(unhex("c0")).raw(), false);
    assert.equal(new MsgpackReader(unhex("a0")).raw(), true);
  });

  test("what is taken does not change when the writer is used again", () => {
    const writer = new MsgpackWriter();
    writer.start(1);
    writer.text("first");
    const first = writer.take();
    const before = hex(first);
    writer.start(2);
    writer.text("second");
    assert.equal(hex(first), before);
    assert.equal(hex(writer.take()), `02a6${hex(Buffer.from("second"))}`);
  });

  test("start forgets what a broken attempt left behind", () => {
    const writer = new MsgpackWriter();
    writer.text("left over");
    writer.start(7);
    assert.equal(hex(writer.take()), "07");
  });
});

describe("msgpack reader", () => {
  test("an integer is read from every width, signed or not", () => {
    const spellings = ["2a", "cc2a", "cd002a", "ce0000002a", "cf000000000000002a"];
    spellings.push("d02a", "d1002a", "d20000002a", "d3000000000000002a");
    for (const spelling of spellings) assert.equal(new MsgpackReader(unhex(spelling)).uint(0xffff_ffff), 42, spelling);
    assert.equal(new MsgpackReader(unhex("c0")).uint(0xffff), 0);
  });

  test("an integer outside its range is malformed, whatever its width", () => {
    const outside: [bytes: string, max: number][] = [
      ["cd0100", 0xff],
      ["ce00010000", 0xffff],
      ["cf0000000100000000", 0xffff_ffff],
      ["cfffffffffffffffff", 0xffff_ffff],
      ["ff", 0xffff],
      ["d0ff", 0xffff],
      ["d1ffff", 0xffff],
      ["d2ffffffff", 0xffff_ffff],
      ["d3ffffffffffffffff", 0xffff_ffff],
      ["d38000000000000000", 0xffff_ffff],
      ["cb4045000000000000", 0xffff],
      ["ca42280000", 0xffff],
      ["c3", 0xffff],
      ["a12a", 0xffff],
      ["90", 0xffff],
    ];
    for (const [bytes, max] of outside) {
      assert.equal(
        faultCode(() => new MsgpackReader(unhex(bytes)).uint(max)),
        "malformed",
        bytes,
      );
    }
  });

  test("a byte string is read from raw, string and binary of every width", () => {
    for (const header of ["a3", "d903", "da0003", "db00000003", "c403", "c50003", "c600000003"]) {
      const reader = new MsgpackReader(unhex(`${header}61626300`));
      assert.equal(reader.raw(), true);
      assert.equal(hex(reader.bytes.subarray(reader.rawStart, reader.rawEnd)), "616263");
      assert.equal(reader.position, reader.bytes.length - 1, "trailing data starts behind it");
    }
  });

  test("announced lengths beyond the end cost nothing and say how much is missing", () => {
    const cases: [bytes: string, needed: number][] = [
      ["dbffffffff", 5 + 0xffff_ffff],
      ["c6ffffffff00", 5 + 0xffff_ffff],
      ["da0100", 259],
      ["bf61", 32],
      ["da", 3],
      ["", 1],
    ];
    for (const [bytes, needed] of cases) {
      const reader = new MsgpackReader(unhex(bytes));
      assert.equal(
        faultCode(() => reader.raw()),
        "truncated",
      );
      assert.equal(reader.needed, needed, bytes);
    }
    for (const bytes of ["dfffffffff", "de0002c0", "8f", "ddffffffff"]) {
      assert.equal(
        faultCode(() => new MsgpackReader(unhex(bytes)).skip()),
        "truncated",
        bytes,
      );
    }
  });

  test("a value of any type can be skipped", () => {
    const values = ["00", "ff", "c0", "c2", "a161", "d90161", "c40161", "ca00000000", "cb0000000000000000", "93010203"];
    values.push("81a16100", "dc000100", "dd0000000100", "de0001a16100", "df00000001a16100", "cf0000000000000000");
    values.push("d400aa", "d50011aa", `d600${"11".repeat(4)}`, `d700${"11".repeat(8)}`, `d800${"11".repeat(16)}`);
    values.push("c70200aabb", "c8000200aabb", "c90000000200aabb", "9192a16190", "d000", "d10000", "d200000000");
    for (const value of values) {
      const reader = new MsgpackReader(unhex(`${value}07`));
      reader.skip();
      assert.equal(reader.uint(0xff), 7, value);
    }
    assert.equal(
      faultCode(() => new MsgpackReader(unhex("c1")).skip()),
      "malformed",
    );
  });

  test("skipping is bounded in depth and in number", () => {
    const nested = (depth: number): Uint8Array => new Uint8Array([...new Array(depth).fill(0x91), 0xc0]);
    assert.equal(
      faultCode(() => new MsgpackReader(nested(SKIP_DEPTH_MAX)).skip()),
      "nothing",
    );
    assert.equal(
      faultCode(() => new MsgpackReader(nested(SKIP_DEPTH_MAX + 1)).skip()),
      "tooDeep",
    );
    const wide = (count: number): Uint8Array => new Uint8Array([0xdc, count >> 8, count, ...new Array(count).fill(0)]);
    assert.equal(
      faultCode(() => new MsgpackReader(wide(SKIPPED_VALUES_MAX - 1)).skip()),
      "nothing",
    );
    assert.equal(
      faultCode(() => new MsgpackReader(wide(SKIPPED_VALUES_MAX)).skip()),
      "oversize",
    );
  });
});

/** Shapes both sides know; texts only as keys, because ours come out as bytes. */
const values: fc.Arbitrary<Writable> = fc.letrec<{ value: Writable }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.integer(),
    fc.double({ noNaN: true }).filter((value) => !Number.isSafeInteger(value) || Object.is(value, -0)),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(fc.string({ unit: "binary", maxLength: 40 }), tie("value"), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value;

/** Both decoders' output in one form. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [`k${key}`, plain(item)]));
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [`k${key}`, plain(item)]));
}

describe("msgpack values against @msgpack/msgpack", () => {
  const profiles: readonly IntegerProfile[] = ["unsigned", "signed"];

  test("what we write, the other library reads", () => {
    fc.assert(
      fc.property(values, fc.constantFrom(...profiles), (value, profile) => {
        const read = oracleDecode(encodeValue(value, profile), { rawStrings: true, mapKeyConverter: asText });
        assert.deepEqual(plain(read), plain(value));
      }),
    );
  });

  test("what the other library writes, we read, to the last byte", () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = oracleEncode(value);
        const read = decodeValue(bytes);
        assert.equal(read.end, bytes.length);
        assert.deepEqual(plain(read.value), plain(value));
      }),
    );
  });

  test("reading back gives the same value, and skipping ends at the same place", () => {
    fc.assert(
      fc.property(values, fc.constantFrom(...profiles), (value, profile) => {
        const bytes = encodeValue(value, profile);
        const { value: read, end } = decodeValue(bytes);
        assert.deepEqual(plain(read), plain(value));
        assert.equal(hex(encodeValue(read as Writable, profile)), hex(bytes));
        assert.equal(end, bytes.length);
        const reader = new MsgpackReader(bytes);
        if (faultCode(() => reader.skip()) === "nothing") assert.equal(reader.position, bytes.length);
      }),
    );
  });

  test("bytes of all kinds end in a value or in a fault", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const code = faultCode(() => decodeValue(bytes));
        assert.ok(["nothing", "truncated", "malformed", "oversize", "tooDeep"].includes(code), code);
      }),
    );
  });

  test("every proper beginning of a value is truncated", () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encodeValue(value);
        for (let length = 0; length < Math.min(bytes.length, 400); length++) {
          assert.equal(
            faultCode(() => decodeValue(bytes.subarray(0, length))),
            "truncated",
          );
        }
      }),
    );
  });

  test("keys are written in the order of their bytes", () => {
    assert.equal(hex(encodeValue({ b: 1, a: 2, "\u{1f600}": 3, "￮": 4 })), "84a16102a16201a3efbfae04a4f09f988003");
  });

  test("nesting and the number of values are limited", () => {
    const nested = (depth: number): Uint8Array => new Uint8Array([...new Array(depth).fill(0x91), 0xc0]);
    assert.equal(
      faultCode(() => decodeValue(nested(VALUE_DEPTH_MAX))),
      "nothing",
    );
    assert.equal(
      faultCode(() => decodeValue(nested(VALUE_DEPTH_MAX + 1))),
      "tooDeep",
    );
    const many = new Uint8Array(70_005);
    many.set([0xdd, 0, 1, 0x11, 0x70]);
    assert.equal(
      faultCode(() => decodeValue(many)),
      "oversize",
    );
    const value: Value = decodeValue(unhex("cb3ff8000000000000")).value;
    assert.equal(value, 1.5);
  });
});

function asText(key: unknown): string {
  return key instanceof Uint8Array ? Buffer.from(key).toString("utf8") : String(key);
}
