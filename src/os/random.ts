/**
 * Chance for real: the system's cryptographic generator, drawn in blocks because each call costs about a microsecond.
 *
 * Bytes are wiped from the block as they are handed out, so a memory dump holds no past nonce or key.
 */
import { randomBytes, randomFillSync } from "node:crypto";
import type { Random } from "../port/random.ts";

const BLOCK_BYTES = 8_192;
/** Larger wishes go to the system directly. */
const POOLED_BYTES_MAX = 256;

/** A generator of its own block; one per process is enough. */
export function systemRandom(): Random {
  const block = new Uint8Array(BLOCK_BYTES);
  let used = BLOCK_BYTES;
  const take = (length: number): number => {
    if (used + length > BLOCK_BYTES) {
      randomFillSync(block);
      used = 0;
    }
    const start = used;
    used += length;
    return start;
  };
  return {
    u32: () => {
      const at = take(4);
      const value = new DataView(block.buffer).getUint32(at);
      block.fill(0, at, at + 4);
      return value;
    },
    bytes: (length) => {
      if (length > POOLED_BYTES_MAX) return new Uint8Array(randomBytes(length));
      const at = take(length);
      const bytes = block.slice(at, at + length);
      block.fill(0, at, at + length);
      return bytes;
    },
  };
}
