/**
 * MessagePack values of any shape, for payloads whose structure belongs to somebody else (serf's messages). The
 * protocol's own messages go through tables instead. Byte strings and texts come out as bytes, maps as `Map`s with
 * text keys; they are written with sorted keys, as Go does. Integers are exact up to 2^53.
 */
import { Fault } from "../base/fault.ts";
import { type IntegerProfile, MsgpackReader, MsgpackWriter } from "./msgpack.ts";
import { readUtf8, utf8Bytes } from "./utf8.ts";

export type Value = null | boolean | number | Uint8Array | readonly Value[] | ReadonlyMap<string, Value>;
/** Texts and plain objects are accepted when writing. */
export type Writable =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Writable[]
  | ReadonlyMap<string, Writable>
  | { readonly [key: string]: Writable };

/** Deepest nesting that is read. */
export const VALUE_DEPTH_MAX = 16;
/** Values in one, itself included. */
export const VALUES_MAX = 65_536;

/**
 * The value at `position` and where it ends. Byte strings share memory with `bytes`.
 * Throws `Fault`: `truncated`, `malformed`, `oversize`, `tooDeep`.
 */
export function decodeValue(bytes: Uint8Array, position = 0): { readonly value: Value; readonly end: number } {
  const reader = new MsgpackReader(bytes, position);
  const value = new ValueReader(reader).read(0);
  return { value, end: reader.position };
}

class ValueReader {
  readonly #reader: MsgpackReader;
  #left = VALUES_MAX;

  constructor(reader: MsgpackReader) {
    this.#reader = reader;
  }

  read(depth: number): Value {
    if (depth > VALUE_DEPTH_MAX) throw new Fault("tooDeep", "a value nests too deep");
    this.#left -= 1;
    if (this.#left < 0) throw new Fault("oversize", "a value holds too many values");
    const reader = this.#reader;
    switch (reader.peek()) {
      case "nil":
        reader.raw();
        return null;
      case "bool":
        return reader.bool();
      case "integer":
        return reader.integer();
      case "float":
        return reader.float();
      case "raw":
        reader.raw();
        return reader.bytes.subarray(reader.rawStart, reader.rawEnd);
      case "array":
        return this.#array(depth);
      case "map":
        return this.#map(depth);
      case "other":
        throw new Fault("malformed", "an extension has no meaning here");
    }
  }

  #array(depth: number): Value {
    const values: Value[] = [];
    for (let left = this.#reader.array(); left > 0; left--) values.push(this.read(depth + 1));
    return values;
  }

  #map(depth: number): Value {
    const values = new Map<string, Value>();
    for (let left = this.#reader.map(); left > 0; left--) {
      const reader = this.#reader;
      const key = reader.raw() ? readUtf8(reader.bytes, reader.rawStart, reader.rawEnd) : "";
      if (key === undefined) throw new Fault("malformed", "a key is no text");
      values.set(key, this.read(depth + 1));
    }
    return values;
  }
}

/** `value` as Go writes it; `integers` says how integers from 128 on are spelled. */
export function encodeValue(value: Writable, integers: IntegerProfile = "unsigned"): Uint8Array {
  const writer = new MsgpackWriter();
  writeValue(writer, value, integers);
  return writer.take();
}

function writeValue(writer: MsgpackWriter, value: Writable, integers: IntegerProfile): void {
  if (typeof value === "boolean") writer.bool(value);
  else if (typeof value === "string") writer.text(value);
  else if (typeof value === "number") writeNumber(writer, value, integers);
  else if (value === null || value instanceof Uint8Array) writer.raw(value);
  else if (isArray(value)) {
    writer.array(value.length);
    for (const item of value) writeValue(writer, item, integers);
  } else writeMap(writer, value instanceof Map ? [...value] : Object.entries(value), integers);
}

function isArray(value: object): value is readonly Writable[] {
  return Array.isArray(value);
}

function writeNumber(writer: MsgpackWriter, value: number, integers: IntegerProfile): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) writer.integer(value, integers);
  else writer.float(value);
}

function writeMap(writer: MsgpackWriter, entries: [string, Writable][], integers: IntegerProfile): void {
  writer.map(entries.length);
  for (const [key, value] of entries.sort(([a], [b]) => compareBytes(utf8Bytes(a), utf8Bytes(b)))) {
    writer.text(key);
    writeValue(writer, value, integers);
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < a.length && index < b.length; index++) {
    if (a[index] !== b[index]) return a[index]! - b[index]!;
  }
  return a.length - b.length;
}
