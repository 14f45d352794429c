/** MessagePack, LZW and UTF-8: what all messages are made of. */
import assert from "node:assert/strict";
import { Fault } from "../../src/base/fault.ts";
import { KiB } from "../../src/base/units.ts";
import { lzwCompress, lzwDecompress } from "../../src/wire/lzw.ts";
import { MsgpackReader, SKIP_DEPTH_MAX, SKIPPED_VALUES_MAX } from "../../src/wire/msgpack.ts";
import { decodeValue, encodeValue, VALUES_MAX, type Value } from "../../src/wire/msgpack-value.ts";
import { readUtf8, utf8Bytes, utf8Length, writeUtf8 } from "../../src/wire/utf8.ts";
import { assertSame, bytesOf } from "./support.ts";
import { type Target, target } from "./target.ts";
import { gossipWords } from "./targets-packet.ts";
import { gossipVectors } from "./vectors.ts";

const LZW_BYTES_MAX = 64 * KiB;
const vectors = gossipVectors();
const plains = vectors.flatMap(({ wire, keyHex, plain, inner, messages }) => [
  ...(keyHex === undefined ? [wire] : []),
  ...(plain === undefined ? [] : [plain]),
  ...inner,
  ...messages,
]);
/** Maps without the type byte in front. */
const bodies = plains.map((plain) => plain.subarray(1));
const compressed = plains.map((plain) => lzwCompress(plain));
/** Something else in between, so that what one run leaves in the kept tables is not what the next would put there. */
const interlude = lzwCompress(Uint8Array.from({ length: 9_000 }, (_, index) => (index * index) >> 3));

interface Measure {
  values: number;
  depth: number;
}

/** How many values there are, and how deep. Keys count where `skip` counts them. */
function measure(value: Value, total: Measure = { values: 0, depth: 0 }, depth = 0): Measure {
  total.values += 1;
  total.depth = Math.max(total.depth, depth);
  if (Array.isArray(value)) for (const item of value) measure(item as Value, total, depth + 1);
  else if (value instanceof Map) {
    for (const item of value.values()) measure(item as Value, total, depth + 1);
    total.values += value.size;
  }
  return total;
}

/** Stepping over a value ends where reading it ends; a key said twice is skipped twice, hence the slack. */
function checkSkip(input: Uint8Array, end: number, value: Value): void {
  const reader = new MsgpackReader(input);
  try {
    reader.skip();
    assert.equal(reader.position, end, "skipping ends elsewhere than reading");
  } catch (error) {
    if (!(error instanceof Fault) || (error.code !== "tooDeep" && error.code !== "oversize")) throw error;
    const { values, depth } = measure(value);
    const isExcused = depth > SKIP_DEPTH_MAX || values > SKIPPED_VALUES_MAX || end > SKIPPED_VALUES_MAX;
    assert.ok(isExcused, `a small value was too much to skip: ${values} values, depth ${depth}, ${end} bytes`);
  }
}

interface Read {
  readonly reader: MsgpackReader;
  readonly positions: readonly number[];
}

/** The first byte says how many calls there are, the next ones which; the rest is read. */
function readInAnyOrder(input: Uint8Array): Read {
  const calls = (input[0] ?? 0) & 31;
  const reader = new MsgpackReader(input, Math.min(input.length, 1 + calls));
  const positions = [reader.position];
  for (let index = 1; index <= calls && index < input.length; index++) {
    call(reader, input[index]!);
    positions.push(reader.position);
  }
  return { reader, positions };
}

function call(reader: MsgpackReader, choice: number): unknown {
  switch (choice % 10) {
    case 0:
      return reader.raw();
    case 1:
      return reader.map();
    case 2:
      return reader.array();
    case 3:
      return reader.skip();
    case 4:
      return reader.peek();
    case 5:
      return reader.bool();
    case 6:
      return reader.float();
    case 7:
      return reader.integer();
    default:
      return reader.uint(choice % 2 === 0 ? 0xff : 0xffff_ffff);
  }
}

export const wireTargets: readonly Target[] = [
  target<Read>({
    name: "msgpack-reader",
    about: "MessagePack, asked for types in any order",
    seeds: () => bodies.map((body) => Uint8Array.of(6, 1, 0, 0, 0, 8, 3, ...body)),
    words: gossipWords,
    decode: readInAnyOrder,
    check: ({ reader, positions }, input) => {
      for (let index = 1; index < positions.length; index++) assert.ok(positions[index]! >= positions[index - 1]!);
      assert.ok(reader.position <= input.length, "it reads behind the end");
      assert.ok(reader.rawStart <= reader.rawEnd && reader.rawEnd <= input.length, "a span lies outside");
    },
  }),
  target<{ readonly value: Value; readonly end: number }>({
    name: "msgpack-value",
    about: "a MessagePack value of any shape",
    seeds: () => bodies,
    words: gossipWords,
    decode: (input) => decodeValue(input),
    check: ({ value, end }, input) => {
      assert.ok(measure(value).values <= VALUES_MAX * 2 && end <= input.length);
      checkSkip(input, end, value);
      for (const integers of ["unsigned", "signed"] as const) {
        assertSame(decodeValue(encodeValue(value, integers)).value, value);
      }
    },
  }),
  target<Uint8Array>({
    name: "lzw",
    about: "LZW as in Go's compress/lzw",
    seeds: () => compressed,
    decode: (input) => lzwDecompress(input, LZW_BYTES_MAX),
    check: (output, input) => {
      assert.ok(output.length <= LZW_BYTES_MAX, "more came out than was allowed");
      lzwDecompress(interlude, LZW_BYTES_MAX);
      assertSame(lzwDecompress(input, output.length), output, "it depends on what was decompressed before");
      assertSame(lzwDecompress(lzwCompress(output), output.length), output);
    },
  }),
  target<Uint8Array>({
    name: "lzw-compress",
    about: "LZW, there and back",
    seeds: () => plains,
    decode: (input) => lzwCompress(input),
    check: (output, input) => assertSame(lzwDecompress(output, input.length), input),
  }),
  target<string | undefined>({
    name: "utf8",
    about: "strict UTF-8",
    seeds: () => bytesOf("agent1", "Zoë", "節点", "\u{1f41d}\u{10ffff}", "\ufeff\u07ff\u0800\ud7ff"),
    decode: (input) => readUtf8(input, 0, input.length),
    check: (text, input) => {
      if (text === undefined) return;
      const spelled = new Uint8Array(utf8Length(text));
      assert.equal(writeUtf8(text, spelled, 0), spelled.length);
      assertSame(spelled, input);
      assertSame(utf8Bytes(text), input);
    },
  }),
];
