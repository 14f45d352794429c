/**
 * MessagePack as memberlist's peers spell it: the format of before strings and binaries were told apart.
 *
 *   raw    a0|n .. bf     da n16     db n32        text and byte strings alike; nil (c0) differs from empty (a0)
 *   uint   00..7f  cc u8  cd u16  ce u32
 *   int    as uint, or, as written by newer peers, d1 i16  d2 i32 from 128 on
 *   map    80|n .. 8f     de n16     df n32        keys in ascending byte order, which is the caller's duty
 *
 * The writer never uses str8, bin or floats: old peers refuse them. The reader also accepts what any peer might
 * send, hands out spans instead of text, allocates nothing, and believes no count before it has seen that many bytes.
 * Source: MessagePack specification (old and new), go-msgpack `codec/msgpack.go`.
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { utf8Length, writeUtf8 } from "./utf8.ts";

/** How Go's `int` is spelled from 128 on: peers up to Docker 29.4.0 write `unsigned`, later ones `signed`. */
export type IntegerProfile = "unsigned" | "signed";

/** Deepest nesting inside a value that is skipped. */
export const SKIP_DEPTH_MAX = 8;
/** Values that one reader skips; also what keeps repeated attempts on a growing buffer cheap. */
export const SKIPPED_VALUES_MAX = 256;

const SCRATCH_BYTES = 4_096;
const SCRATCH_KEPT_BYTES = 65_536;

/** Bytes that `uint` takes for `value`. */
export function uintLength(value: number): number {
  return value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x1_0000 ? 3 : 5;
}

/** Bytes that a raw of `length` bytes takes, header included. */
export function rawLength(length: number): number {
  return length + (length < 32 ? 1 : length < 0x1_0000 ? 3 : 5);
}

export type ValueKind = "nil" | "bool" | "integer" | "float" | "raw" | "array" | "map" | "other";

/** What a type byte starts; `other` is an extension or reserved. */
function kindOf(type: number): ValueKind {
  if (type < 0x80 || type >= 0xe0 || (type >= 0xcc && type <= 0xd3)) return "integer";
  if (type <= 0x8f || type === 0xde || type === 0xdf) return "map";
  if (type <= 0x9f || type === 0xdc || type === 0xdd) return "array";
  if (type <= 0xbf || (type >= 0xc4 && type <= 0xc6) || (type >= 0xd9 && type <= 0xdb)) return "raw";
  if (type === 0xc0) return "nil";
  if (type === 0xc2 || type === 0xc3) return "bool";
  return type === 0xca || type === 0xcb ? "float" : "other";
}

/** A growing buffer. Meant to be kept and reused: `start`, write, `take`. */
export class MsgpackWriter {
  #bytes = new Uint8Array(SCRATCH_BYTES);
  #length = 0;

  /** Forget what was written, and write `type` as the first byte. */
  start(type: number): void {
    this.#length = 0;
    this.byte(type);
  }

  /** What was written since `start`, in fresh memory. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > SCRATCH_KEPT_BYTES) this.#bytes = new Uint8Array(SCRATCH_BYTES);
    return taken;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Bytes as they are, without a header. */
  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** `count` pairs follow. */
  map(count: number): void {
    if (count < 16) this.byte(0x80 | count);
    else if (count < 0x1_0000) this.#number(0xde, count, 2);
    else this.#number(0xdf, count, 4);
  }

  nil(): void {
    this.byte(0xc0);
  }

  bool(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2);
  }

  /** A byte string; `null` is Go's nil slice. */
  raw(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.nil();
      return;
    }
    this.#rawHeader(bytes.length);
    this.append(bytes);
  }

  text(text: string): void {
    const length = utf8Length(text);
    this.#rawHeader(length);
    this.#reserve(length);
    this.#length = writeUtf8(text, this.#bytes, this.#length);
  }

  /** An unsigned integer below 2^32. */
  uint(value: number): void {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, "unsigned integers have 32 bits");
    if (value < 0x80) this.byte(value);
    else if (value < 0x100) this.#number(0xcc, value, 1);
    else if (value < 0x1_0000) this.#number(0xcd, value, 2);
    else this.#number(0xce, value, 4);
  }

  /** Any safe integer, in the fewest bytes of its profile. */
  integer(value: number, profile: IntegerProfile): void {
    assert(Number.isSafeInteger(value), "integers beyond 2^53 are inexact");
    if (value >= 0 && value <= (profile === "signed" ? 0x7fff_ffff : 0xffff_ffff)) {
      if (profile === "signed") this.int(value, profile);
      else this.uint(value);
    } else if (value >= -32 && value < 0) this.byte(value & 0xff);
    else if (value >= -0x80 && value < 0) this.#number(0xd0, value, 1);
    else if (value >= -0x8000 && value < 0) this.#number(0xd1, value, 2);
    else if (value >= -0x8000_0000 && value < 0) this.#number(0xd2, value, 4);
    else {
      this.#number(value < 0 || profile === "signed" ? 0xd3 : 0xcf, Math.floor(value / 0x1_0000_0000), 4);
      this.#tail(value, 4);
    }
  }

  /** IEEE 754 in 8 bytes. */
  float(value: number): void {
    this.byte(0xcb);
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value);
    this.#length += 8;
  }

  /** `count` values follow. */
  array(count: number): void {
    if (count < 16) this.byte(0x90 | count);
    else if (count < 0x1_0000) this.#number(0xdc, count, 2);
    else this.#number(0xdd, count, 4);
  }

  /** A Go `int`, never negative here, below 2^31. */
  int(value: number, profile: IntegerProfile): void {
    assert(value <= 0x7fff_ffff, "signed integers have 31 bits");
    if (profile === "unsigned" || value < 0x80) this.uint(value);
    else if (value < 0x8000) this.#number(0xd1, value, 2);
    else this.#number(0xd2, value, 4);
  }

  #rawHeader(length: number): void {
    if (length < 32) this.byte(0xa0 | length);
    else if (length < 0x1_0000) this.#number(0xda, length, 2);
    else this.#number(0xdb, length, 4);
  }

  #number(type: number, value: number, width: number): void {
    this.byte(type);
    this.#tail(value, width);
  }

  #tail(value: number, width: number): void {
    this.#reserve(width);
    for (let shift = (width - 1) * 8; shift >= 0; shift -= 8) this.#bytes[this.#length++] = value >>> shift;
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/**
 * Reads values from `bytes[position..end)`. Every method throws `Fault`: `truncated` if the bytes end first (then
 * `needed` says how far they must reach before another attempt makes sense), `malformed` if another type is there,
 * `oversize` and `tooDeep` for what nobody honest sends.
 */
export class MsgpackReader {
  readonly bytes: Uint8Array;
  /** Where the next value starts; after the last one, where trailing data starts. */
  position: number;
  readonly end: number;
  /** After `truncated`: the smallest end with which the attempt gets further. */
  needed = 0;
  /** The span found by the last successful `raw`. */
  rawStart = 0;
  rawEnd = 0;
  #skipped = 0;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /** What comes next, without reading it. Throws `truncated` if nothing does. */
  peek(): ValueKind {
    this.#require(this.position + 1);
    return kindOf(this.bytes[this.position]!);
  }

  /** Number of values that follow. */
  array(): number {
    const type = this.#byte();
    if (kindOf(type) !== "array") throw new Fault("malformed", "an array was expected");
    const count = this.#children(type);
    this.#require(this.position + count);
    return count;
  }

  /** A floating-point number of either width. */
  float(): number {
    const type = this.#byte();
    if (type !== 0xca && type !== 0xcb) throw new Fault("malformed", "a floating-point number was expected");
    const width = type === 0xca ? 4 : 8;
    this.#require(this.position + width);
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.position, width);
    this.position += width;
    return width === 4 ? view.getFloat32(0) : view.getFloat64(0);
  }

  /** Any integer; inexact beyond 2^53. Nil counts as 0. */
  integer(): number {
    const type = this.#byte();
    return type < 0x80 ? type : this.#wideInteger(type);
  }

  /** Number of pairs that follow. */
  map(): number {
    const type = this.#byte();
    let count: number;
    if (type >= 0x80 && type <= 0x8f) count = type & 0x0f;
    else if (type === 0xde) count = this.#number(2);
    else if (type === 0xdf) count = this.#number(4);
    else throw new Fault("malformed", "a map was expected");
    this.#require(this.position + count * 2);
    return count;
  }

  /** Find a byte string or text and leave its span in `rawStart` and `rawEnd`. False: it is nil. */
  raw(): boolean {
    const type = this.#byte();
    if (type === 0xc0) {
      this.rawStart = this.rawEnd = this.position;
      return false;
    }
    const length = this.#rawLength(type);
    if (length < 0) throw new Fault("malformed", "a byte string was expected");
    this.#require(this.position + length);
    this.rawStart = this.position;
    this.rawEnd = this.position += length;
    return true;
  }

  /** An integer of any width in 0..max; nil counts as 0. */
  uint(max: number): number {
    const type = this.#byte();
    const value = type < 0x80 ? type : this.#wideInteger(type);
    if (value < 0 || value > max) throw new Fault("malformed", "an integer is out of its range");
    return value;
  }

  /** True or false; nil counts as false. */
  bool(): boolean {
    const type = this.#byte();
    if (type === 0xc3) return true;
    if (type === 0xc2 || type === 0xc0) return false;
    throw new Fault("malformed", "a boolean was expected");
  }

  /** Step over one value of any type. */
  skip(depth = 0): void {
    if (depth > SKIP_DEPTH_MAX) throw new Fault("tooDeep", "an unknown value nests too deep");
    if (++this.#skipped > SKIPPED_VALUES_MAX) throw new Fault("oversize", "too many unknown values");
    const type = this.#byte();
    const children = this.#children(type);
    this.#require(this.position + children);
    for (let left = children; left > 0; left--) this.skip(depth + 1);
    if (children === 0) this.#skipFlat(type);
  }

  /** Values directly inside a container whose type byte was read; 0 for everything else. */
  #children(type: number): number {
    if (type >= 0x80 && type <= 0x8f) return (type & 0x0f) * 2;
    if (type >= 0x90 && type <= 0x9f) return type & 0x0f;
    if (type === 0xdc) return this.#number(2);
    if (type === 0xdd) return this.#number(4);
    if (type === 0xde) return this.#number(2) * 2;
    if (type === 0xdf) return this.#number(4) * 2;
    return 0;
  }

  #skipFlat(type: number): void {
    const raw = this.#rawLength(type);
    const length = raw >= 0 ? raw : this.#flatLength(type);
    this.#require(this.position + length);
    this.position += length;
  }

  /** Bytes behind a type byte that is no raw. */
  #flatLength(type: number): number {
    if (type >= 0xca && type <= 0xd3) return flatLengths[type - 0xca]!;
    if (type >= 0xd4 && type <= 0xd8) return 1 + (1 << (type - 0xd4));
    if (type >= 0xc7 && type <= 0xc9) return 1 + this.#number(1 << (type - 0xc7));
    if (type === 0xc1) throw new Fault("malformed", "a reserved type byte");
    return 0;
  }

  /** Length of a raw, string or binary; -1 if `type` is none. */
  #rawLength(type: number): number {
    if (type >= 0xa0 && type <= 0xbf) return type & 0x1f;
    if (type === 0xd9 || type === 0xc4) return this.#number(1);
    if (type === 0xda || type === 0xc5) return this.#number(2);
    if (type === 0xdb || type === 0xc6) return this.#number(4);
    return -1;
  }

  #wideInteger(type: number): number {
    if (type === 0xc0) return 0;
    if (type >= 0xe0) return type - 0x100;
    if (type >= 0xcc && type <= 0xce) return this.#number(1 << (type - 0xcc));
    if (type === 0xcf) return this.#number(4) * 0x1_0000_0000 + this.#number(4);
    if (type < 0xd0 || type > 0xd3) throw new Fault("malformed", "an integer was expected");
    const width = 1 << (type - 0xd0);
    const head = this.#number(Math.min(width, 4));
    const limit = 2 ** (Math.min(width, 4) * 8 - 1);
    const signed = head >= limit ? head - limit * 2 : head;
    return width === 8 ? signed * 0x1_0000_0000 + this.#number(4) : signed;
  }

  #byte(): number {
    if (this.position >= this.end) this.#require(this.position + 1);
    return this.bytes[this.position++]!;
  }

  #number(width: number): number {
    this.#require(this.position + width);
    let value = 0;
    for (let left = width; left > 0; left--) value = value * 0x100 + this.bytes[this.position++]!;
    return value;
  }

  #require(end: number): void {
    if (end <= this.end) return;
    this.needed = end;
    throw new Fault("truncated", "the bytes end inside a value");
  }
}

/** Payload bytes of ca (float 32) to d3 (int 64). */
const flatLengths = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
