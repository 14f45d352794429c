/**
 * LZW as in Go's `compress/lzw`: least significant bit first, 8-bit literals. Bytes equal to Go's for the same input.
 *
 *   0..255 literals   256 clear   257 end   258..4094 dynamic      codes are 9 bits wide at first, then up to 12
 *
 * Both sides work on tables that are kept between calls (a call never waits, so there is never a second one under
 * way). The decoder grows its output with what really comes out and stops at the caller's limit: 1 byte can become
 * about 1,350.
 * Source: Go `compress/lzw` `writer.go` and `reader.go`.
 */
import { Fault } from "../base/fault.ts";
import { plainView } from "./bytes.ts";

const CLEAR = 256;
const END = 257;
const WIDTH_MIN = 9;
const WIDTH_MAX = 12;
const CODE_MAX = 4095;
const NONE = 0xffff;

/** Hash table of (prefix code, byte) -> code: four slots per possible entry. A slot counts in its round only. */
const SLOTS = 16_384;
const slotKeys = new Uint32Array(SLOTS);
const slotCodes = new Uint16Array(SLOTS);
const slotRounds = new Uint32Array(SLOTS);
let round = 0;

function nextRound(): void {
  round += 1;
  if (round <= 0xffff_ffff) return;
  slotRounds.fill(0);
  round = 1;
}

/** Where (prefix, byte) is, or where it belongs. */
function slotOf(key: number): number {
  let slot = (key ^ (key >>> 6) ^ (key >>> 13)) & (SLOTS - 1);
  while (slotRounds[slot] === round && slotKeys[slot] !== key) slot = (slot + 1) & (SLOTS - 1);
  return slot;
}

/** Least significant bit first, into memory that is always large enough. */
class BitWriter {
  readonly #out: Uint8Array;
  #length = 0;
  #bits = 0;
  #count = 0;

  constructor(out: Uint8Array) {
    this.#out = out;
  }

  put(code: number, width: number): void {
    this.#bits |= code << this.#count;
    this.#count += width;
    while (this.#count >= 8) {
      this.#out[this.#length++] = this.#bits;
      this.#bits >>>= 8;
      this.#count -= 8;
    }
  }

  finish(): Uint8Array {
    if (this.#count > 0) this.#out[this.#length++] = this.#bits;
    return this.#out.slice(0, this.#length);
  }
}

const scratch = new Uint8Array(98_304);

/** Compress `input`; the result may be longer than it (at most half as long again, and a few bytes). */
export function lzwCompress(input: Uint8Array): Uint8Array {
  const lengthMax = 16 + Math.ceil(input.length * 1.51);
  const out = new BitWriter(lengthMax <= scratch.length ? scratch : new Uint8Array(lengthMax));
  nextRound();
  let width = WIDTH_MIN;
  let overflow = 1 << WIDTH_MIN;
  let high = END;
  let prefix = NONE;
  out.put(CLEAR, width);
  /* One code has been emitted for a finished match. False: the table was full and has been dropped. */
  const step = (): boolean => {
    high += 1;
    if (high === overflow) {
      width += 1;
      overflow <<= 1;
    }
    if (high !== CODE_MAX) return true;
    out.put(CLEAR, width);
    width = WIDTH_MIN;
    overflow = 1 << WIDTH_MIN;
    high = END;
    nextRound();
    return false;
  };
  for (let at = 0; at < input.length; at++) {
    const byte = input[at]!;
    if (prefix === NONE) {
      prefix = byte;
      continue;
    }
    const key = (prefix << 8) | byte;
    const slot = slotOf(key);
    if (slotRounds[slot] === round) {
      prefix = slotCodes[slot]!;
      continue;
    }
    out.put(prefix, width);
    prefix = byte;
    if (!step()) continue;
    slotKeys[slot] = key;
    slotCodes[slot] = high;
    slotRounds[slot] = round;
  }
  if (prefix !== NONE) {
    out.put(prefix, width);
    step();
  }
  out.put(END, width);
  return out.finish();
}

/** What a code above 257 stands for: what its prefix stands for, then one byte. */
const prefixes = new Uint16Array(CODE_MAX + 1);
const suffixes = new Uint8Array(CODE_MAX + 1);
const lengths = new Uint16Array(CODE_MAX + 1);
for (let code = 0; code < CLEAR; code++) {
  suffixes[code] = code;
  lengths[code] = 1;
}

/** Output that doubles with what is really there, up to one limit. */
class Output {
  bytes: Uint8Array;
  readonly #bytesMax: number;

  constructor(inputBytes: number, bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.bytes = new Uint8Array(Math.min(bytesMax, inputBytes * 4));
  }

  /** Make room for `length` bytes in all. Throws `Fault` (`oversize`). */
  reserve(length: number): void {
    if (length <= this.bytes.length) return;
    if (length > this.#bytesMax) throw new Fault("oversize", `decompresses to more than ${this.#bytesMax} bytes`);
    const grown = new Uint8Array(Math.min(this.#bytesMax, Math.max(length, this.bytes.length * 2)));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

/**
 * Decompress `input` to at most `bytesMax` bytes. What follows the end code is ignored.
 * Throws `Fault`: `truncated` without an end code, `malformed` for an impossible code, `oversize` beyond `bytesMax`.
 */
export function lzwDecompress(input: Uint8Array, bytesMax: number): Uint8Array {
  const source = plainView(input);
  const output = new Output(source.length, bytesMax);
  let length = 0;
  let width = WIDTH_MIN;
  let high = END;
  let last = NONE;
  let bits = 0;
  let bitCount = 0;
  for (let at = 0; ; ) {
    while (bitCount < width) {
      if (at === source.length) throw new Fault("truncated", "a compressed stream has no end code");
      bits |= source[at++]! << bitCount;
      bitCount += 8;
    }
    const code = bits & ((1 << width) - 1);
    bits >>>= width;
    bitCount -= width;
    if (code === END) return finished(output.bytes, length);
    if (code === CLEAR) {
      width = WIDTH_MIN;
      high = END;
      last = NONE;
      continue;
    }
    length = expand(output, length, code, high, last);
    last = code;
    high += 1;
    if (high < 1 << width) continue;
    if (width < WIDTH_MAX) width += 1;
    else {
      /* The table is full and stays as it is until the next clear code. */
      high = CODE_MAX;
      last = NONE;
    }
  }
}

/** Append what `code` stands for and note what `high` stands for from now on. Returns the new length. */
function expand(output: Output, length: number, code: number, high: number, last: number): number {
  if (code > high) throw new Fault("malformed", "a compressed stream holds an impossible code");
  /* The entry being made may be used at once: it starts with what `last` stands for and ends with its first byte. */
  if (last !== NONE) {
    prefixes[high] = last;
    lengths[high] = lengths[last]! + 1;
  }
  const count = lengths[code]!;
  output.reserve(length + count);
  const bytes = output.bytes;
  let from = code;
  let at = length + count - 1;
  for (; at > length; at--) {
    bytes[at] = suffixes[from]!;
    from = prefixes[from]!;
  }
  const first = suffixes[from]!;
  bytes[length] = first;
  if (last !== NONE) suffixes[high] = first;
  if (code === high && last !== NONE) bytes[length + count - 1] = first;
  return length + count;
}

function finished(bytes: Uint8Array, length: number): Uint8Array {
  return length * 2 < bytes.length ? bytes.slice(0, length) : bytes.subarray(0, length);
}
