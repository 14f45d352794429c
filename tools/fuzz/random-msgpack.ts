/**
 * Random MessagePack, mostly well-formed: all types, old and new spellings, claims that are larger than what follows,
 * and maps whose keys are words of the protocol at hand.
 */
import type { Random } from "../../src/port/random.ts";

const DEPTH_MAX = 24;

/** One random value as bytes. `words` are used as keys and as texts, without headers. */
export function randomMsgpack(random: Random, words: readonly Uint8Array[]): Uint8Array {
  const out: number[] = [];
  write(random, words, out, 0, 40);
  return Uint8Array.from(out);
}

function write(random: Random, words: readonly Uint8Array[], out: number[], depth: number, budget: number): number {
  const choice = random.u32() % 16;
  if (depth < DEPTH_MAX && budget > 0 && choice < 5) return container(random, words, out, depth, budget);
  if (choice < 9) text(random, words, out);
  else if (choice < 14) scalar(random, out);
  else out.push(random.u32() & 0xff);
  return budget - 1;
}

function container(random: Random, words: readonly Uint8Array[], out: number[], depth: number, budget: number): number {
  const isMap = random.u32() % 4 !== 0;
  const count = random.u32() % 6;
  // One in 16 promises more, up to the largest number.
  const claimed = random.u32() % 16 === 0 ? random.u32() >>> (random.u32() & 31) : count;
  const wide = random.u32() % 3;
  if (claimed < 16 && wide === 0) out.push((isMap ? 0x80 : 0x90) | claimed);
  else if (claimed < 0x1_0000 && wide <= 1) out.push(isMap ? 0xde : 0xdc, claimed >>> 8, claimed & 0xff);
  else out.push(isMap ? 0xdf : 0xdd, claimed >>> 24, (claimed >>> 16) & 0xff, (claimed >>> 8) & 0xff, claimed & 0xff);
  let left = budget - 1;
  for (let index = 0; index < count; index++) {
    if (isMap) text(random, words, out);
    left = write(random, words, out, depth + 1, left);
  }
  return left;
}

function text(random: Random, words: readonly Uint8Array[], out: number[]): void {
  const known = words[random.u32() % Math.max(1, words.length)];
  const bytes = known !== undefined && random.u32() % 4 !== 0 ? known : random.bytes(random.u32() % 20);
  const length = bytes.length;
  const form = random.u32() % 8;
  if (form === 0) out.push(0xd9, length & 0xff);
  else if (form === 1) out.push(0xda, length >>> 8, length & 0xff);
  else if (form === 2) out.push(0xdb, 0, 0, length >>> 8, length & 0xff);
  else if (form === 3) out.push(0xc4, length & 0xff);
  else if (length < 32) out.push(0xa0 | length);
  else out.push(0xda, length >>> 8, length & 0xff);
  for (const byte of bytes) out.push(byte);
}

function scalar(random: Random, out: number[]): void {
  const small = random.u32() & 0xff;
  const choice = random.u32() % 6;
  if (choice === 0) out.push(small & 0x7f);
  else if (choice === 1) out.push(0xc0 + (small & 3));
  else if (choice === 2) out.push(0xe0 | (small & 0x1f));
  else {
    /* ca, cb floats; cc..d3 integers of 1, 2, 4, 8 bytes; d4..d8 extensions. */
    const type = 0xca + (small % 15);
    const width = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17][small % 15]!;
    out.push(type);
    const fill = random.u32() % 3;
    for (let index = 0; index < width; index++) out.push(fill === 0 ? 0 : fill === 1 ? 0xff : random.u32() & 0xff);
  }
}
