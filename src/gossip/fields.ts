/**
 * Structs of the protocol as tables: one table per message gives its encoder, its encoded length and its decoder.
 *
 * The decoder takes keys in any order, skips unknown ones, and takes zero for missing ones, as every peer does. It
 * tells two kinds of bad input apart: bytes that cannot be read throw, values that cannot be true (a name that is no
 * UTF-8, an address of five bytes) are reported when the struct has been read to its end, so that one impossible
 * member does not spoil the list it stands in. Structs written as positional arrays, which nobody sends, are refused.
 */
import { Fault } from "../base/fault.ts";
import { noBytes } from "../wire/bytes.ts";
import { type IntegerProfile, type MsgpackReader, MsgpackWriter, rawLength, uintLength } from "../wire/msgpack.ts";
import { readUtf8, utf8Bytes, utf8Length } from "../wire/utf8.ts";
import { ERROR_BYTES_MAX, META_BYTES_MAX, NAME_BYTES_MAX, VSN_BYTES } from "./limits.ts";
import { type MemberState, memberStates } from "./messages.ts";

/**
 * What a field holds, and which values are possible:
 * u32, u8 · port 1..65535 · count: a Go `int`, 0..2^31-1 · bool · name 1..255 bytes of UTF-8 · anyName: also empty ·
 * text: for people, repaired if it is no UTF-8 · address: 4 or 16 bytes · meta: nil or up to 512 bytes ·
 * vsn: nil, empty or 6 bytes · bytes: nil or any · state: one of `memberStates`.
 */
export type FieldKind =
  | "u32"
  | "u8"
  | "port"
  | "count"
  | "bool"
  | "name"
  | "anyName"
  | "text"
  | "address"
  | "meta"
  | "vsn"
  | "bytes"
  | "state";

interface Field {
  readonly property: string;
  readonly kind: FieldKind;
  /** Left out of the map when empty or zero, and out of the object when absent. */
  readonly optional: boolean;
  /** The key's bytes, and the same behind its header. */
  readonly key: Uint8Array;
  readonly keyRaw: Uint8Array;
}

type Values = Record<string, unknown>;
type Row = readonly [key: string, property: string, kind: FieldKind, optional?: "optional"];

/** No struct of the protocol has more than 8 keys; leave room for future ones. */
const MAP_KEYS_MAX = 64;

const lenient = new TextDecoder();

export class Struct {
  readonly #fields: readonly Field[];
  /** Length of the map header and of the keys that are always there. */
  readonly #fixedLength: number;
  readonly #zero: Values;
  /** The same with every optional property: adding them one by one costs more than all the rest. */
  readonly #full: Values;

  /** Rows in wire order, that is by key; `constants` are properties that are not on the wire. */
  constructor(rows: readonly Row[], constants: Values = {}) {
    this.#fields = rows.map(toField);
    this.#fixedLength = this.#fields.reduce((sum, { optional, keyRaw }) => sum + (optional ? 0 : keyRaw.length), 1);
    this.#zero = { ...constants };
    for (const { property, kind, optional } of this.#fields) if (!optional) this.#zero[property] = zeroOf(kind);
    this.#full = { ...this.#zero };
    for (const { property, optional } of this.#fields) if (optional) this.#full[property] = undefined;
  }

  write(writer: MsgpackWriter, struct: object, integers: IntegerProfile): void {
    const values = struct as Values;
    let count = 0;
    for (const field of this.#fields) if (isPresent(field, values)) count += 1;
    writer.map(count);
    for (const field of this.#fields) {
      if (!isPresent(field, values)) continue;
      writer.append(field.keyRaw);
      writeValue(writer, field.kind, values[field.property], integers);
    }
  }

  /** Bytes that `write` would produce, with unsigned integers. */
  length(struct: object): number {
    const values = struct as Values;
    let length = this.#fixedLength;
    for (const field of this.#fields) {
      if (!isPresent(field, values)) continue;
      if (field.optional) length += field.keyRaw.length;
      length += valueLength(field.kind, values[field.property]);
    }
    return length;
  }

  /**
   * Read one struct. Small byte strings are copied, `bytes` fields share the reader's memory.
   * Throws `Fault` for bytes that cannot be read; check `problem` before believing what comes back.
   */
  read(reader: MsgpackReader): object {
    const count = reader.map();
    const values: Values = count < this.#fields.length ? { ...this.#zero } : { ...this.#full };
    if (count > MAP_KEYS_MAX) throw new Fault("oversize", "a map has too many keys");
    let expected = 0;
    for (let left = count; left > 0; left--) {
      const index = reader.raw() ? this.#find(reader, expected) : -1;
      const field = this.#fields[index];
      if (field === undefined) {
        reader.skip();
        continue;
      }
      expected = index + 1;
      const value = readValue(reader, field.kind);
      values[field.property] = field.optional && isZero(value) ? undefined : value;
    }
    for (const { property, optional } of this.#fields) {
      if (optional && values[property] === undefined && property in values) delete values[property];
    }
    return values;
  }

  /** Why no member can mean what `read` returned; `undefined` if one can. */
  problem(struct: object): string | undefined {
    const values = struct as Values;
    for (const { property, kind, optional } of this.#fields) {
      if (optional && !(property in values)) continue;
      if (!isPossible(kind, values[property])) return `${property} is impossible`;
    }
    return undefined;
  }

  /** Index of the field whose key the reader has just found; usually the `expected` one. */
  #find(reader: MsgpackReader, expected: number): number {
    const fields = this.#fields;
    for (let tried = 0; tried < fields.length; tried++) {
      const index = (expected + tried) % fields.length;
      if (isKey(reader, fields[index]!.key)) return index;
    }
    return -1;
  }
}

function toField([key, property, kind, optional]: Row): Field {
  const writer = new MsgpackWriter();
  writer.text(key);
  return { property, kind, optional: optional === "optional", key: utf8Bytes(key), keyRaw: writer.take() };
}

function isKey({ bytes, rawStart, rawEnd }: MsgpackReader, key: Uint8Array): boolean {
  if (rawEnd - rawStart !== key.length) return false;
  for (let index = 0; index < key.length; index++) if (bytes[rawStart + index] !== key[index]) return false;
  return true;
}

function isPresent({ optional, property }: Field, values: Values): boolean {
  return !optional || !isZero(values[property]);
}

function isZero(value: unknown): boolean {
  return !value || (value instanceof Uint8Array && value.length === 0);
}

function zeroOf(kind: FieldKind): unknown {
  if (kind === "bool") return false;
  if (kind === "name" || kind === "anyName" || kind === "text") return "";
  if (kind === "address") return noBytes;
  if (kind === "meta" || kind === "vsn" || kind === "bytes") return null;
  return kind === "state" ? memberStates[0] : 0;
}

function writeValue(writer: MsgpackWriter, kind: FieldKind, value: unknown, integers: IntegerProfile): void {
  if (kind === "bool") writer.bool(value as boolean);
  else if (kind === "state") writer.uint(memberStates.indexOf(value as MemberState));
  else if (kind === "count") writer.int(value as number, integers);
  else if (typeof value === "number") writer.uint(value);
  else if (typeof value === "string") writer.text(value);
  else writer.raw(value as Uint8Array | null);
}

function valueLength(kind: FieldKind, value: unknown): number {
  if (kind === "bool" || kind === "state" || value === null) return 1;
  if (typeof value === "number") return uintLength(value);
  return rawLength(typeof value === "string" ? utf8Length(value) : (value as Uint8Array).length);
}

function readValue(reader: MsgpackReader, kind: FieldKind): unknown {
  switch (kind) {
    case "bool":
      return reader.bool();
    case "u32":
      return reader.uint(0xffff_ffff);
    case "u8":
      return reader.uint(0xff);
    case "port":
      return reader.uint(0xffff);
    case "count":
      return reader.uint(0x7fff_ffff);
    case "state":
      return memberStates[reader.uint(0x7fff_ffff)];
    case "name":
    case "anyName":
      return reader.raw() ? readUtf8(reader.bytes, reader.rawStart, reader.rawEnd) : "";
    case "text":
      return readText(reader);
    default:
      return readBytes(reader, kind);
  }
}

/** Readable whatever it holds: it is only ever shown. */
function readText(reader: MsgpackReader): string {
  reader.raw();
  return lenient.decode(reader.bytes.subarray(reader.rawStart, reader.rawEnd));
}

function readBytes(reader: MsgpackReader, kind: "address" | "meta" | "vsn" | "bytes"): Uint8Array | null {
  const present = reader.raw();
  const { bytes, rawStart, rawEnd } = reader;
  if (!present) return kind === "address" ? noBytes : null;
  /* What a member table keeps for long must not keep a whole datagram or stream alive. */
  const isKept = kind !== "bytes" && rawEnd - rawStart <= META_BYTES_MAX;
  return isKept ? bytes.slice(rawStart, rawEnd) : bytes.subarray(rawStart, rawEnd);
}

function isPossible(kind: FieldKind, value: unknown): boolean {
  if (value === undefined) return false;
  if (kind === "port") return value !== 0;
  if (typeof value === "string") return isPossibleText(kind, value);
  const length = value instanceof Uint8Array ? value.length : 0;
  if (kind === "address") return length === 4 || length === 16;
  if (kind === "vsn") return length === 0 || length === VSN_BYTES;
  return kind !== "meta" || length <= META_BYTES_MAX;
}

function isPossibleText(kind: FieldKind, text: string): boolean {
  if (kind === "state") return true;
  if (kind === "text") return text.length <= ERROR_BYTES_MAX;
  if (text.length === 0) return kind === "anyName";
  return text.length <= NAME_BYTES_MAX && utf8Length(text) <= NAME_BYTES_MAX;
}
