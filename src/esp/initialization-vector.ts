/**
 * The explicit IV of outgoing packets: the sequence number, 64 bits, XOR a mask drawn at random when an association is
 * set up, and never stored. Within one life the numbers never repeat, so neither do the IVs.
 *
 * The mask is what keeps nonces apart where key and salt are the same: after `kill -9` and restart, on two engines
 * that share a key, on two pairs of nodes whose SPI collides. Two lives of n packets each meet with a probability of
 * about n / 2^64. A bare counter would meet at the first packet. The kernel does the same (crypto/seqiv.c), and
 * `sender-lives.ts` relies on it.
 */
import type { Uniform } from "../base/random.ts";
import { putU32 } from "./packet.ts";
import { highHalf } from "./sequence.ts";

export class InitializationVectors {
  readonly #maskHigh: number;
  readonly #maskLow: number;

  /** `random` must be unpredictable and different in each life; the system's generator in a real node. */
  constructor(random: Uniform) {
    this.#maskHigh = random.u32();
    this.#maskLow = random.u32();
  }

  /** Write the 8 bytes for `sequence`, which the caller uses once. */
  put(bytes: Uint8Array, at: number, sequence: number): void {
    putU32(bytes, at, highHalf(sequence) ^ this.#maskHigh);
    putU32(bytes, at + 4, sequence ^ this.#maskLow);
  }
}
