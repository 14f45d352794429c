/** Words that targets share: seeds and keywords from text, comparison, chance that is none, nonces that never repeat. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { Random } from "../../src/port/random.ts";

/** Texts as bytes. */
export function bytesOf(...texts: readonly string[]): readonly Uint8Array[] {
  return texts.map((text) => new TextEncoder().encode(text));
}

/** Bytes as the text that a person might have typed; every input is some text. */
export function textOf(input: Uint8Array): string {
  return new TextDecoder().decode(input);
}

/** The same value, byte strings and all. */
export function assertSame(actual: unknown, expected: unknown, what = "the value does not come back as it was"): void {
  if (isDeepStrictEqual(actual, expected)) return;
  assert.deepEqual(actual, expected);
  assert.fail(what);
}

/** A number that an input decides: the same every time, another for nearly every other input (FNV-1a). */
export function hashOf(input: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of input) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Nonces that count, so that none is ever used twice in one process. */
export function countingRandom(): Random {
  let count = 0;
  return {
    u32: () => count++,
    bytes: (length) => {
      const bytes = new Uint8Array(length);
      count += 1;
      for (let at = 0, rest = count; at < length && rest > 0; at++, rest = Math.floor(rest / 256)) bytes[at] = rest;
      return bytes;
    },
  };
}
