/**
 * Which of the latest sequence numbers have been received: a ring of bits, moved forward a word at a time.
 *
 * Ask `judge` before a packet is opened, say `accept` after its integrity check has passed, never before: strangers
 * would move the window. Source: RFC 6479 (the ring with one word to spare), RFC 4303 section 3.4.3.
 */
import { assert } from "../base/assert.ts";

const WORD_BITS = 32;

export type Verdict = "fresh" | "late" | "replayed";

export class ReplayWindow {
  readonly #packets: number;
  readonly #words: Uint32Array;
  readonly #wordMask: number;
  #top = 0;

  /** `packets`: how far behind the highest number one may be. */
  constructor(packets: number) {
    assert(Number.isInteger(packets) && packets > 0, "a window has at least one packet");
    this.#packets = packets;
    // One word more than the window, because the newest is filled bit by bit while the oldest must still be whole.
    const words = 2 ** Math.ceil(Math.log2(Math.ceil(packets / WORD_BITS) + 1));
    this.#words = new Uint32Array(words);
    this.#wordMask = words - 1;
  }

  /** The highest number accepted; 0 before the first. */
  get top(): number {
    return this.#top;
  }

  get packets(): number {
    return this.#packets;
  }

  /** May a packet with this number be let in, if it turns out to be genuine? 0 is no number of a packet. */
  judge(sequence: number): Verdict {
    if (sequence > this.#top) return "fresh";
    if (sequence === 0 || sequence + this.#packets <= this.#top) return "late";
    const word = this.#words[wordOf(sequence) & this.#wordMask]!;
    return (word & bitOf(sequence)) === 0 ? "fresh" : "replayed";
  }

  /** A genuine packet with a number that is `fresh` was received. */
  accept(sequence: number): void {
    if (sequence > this.#top) this.#advance(sequence);
    this.#words[wordOf(sequence) & this.#wordMask]! |= bitOf(sequence);
  }

  /** Clear the words between the old top and the new one. */
  #advance(sequence: number): void {
    const from = Math.floor(this.#top / WORD_BITS);
    const steps = Math.min(Math.floor(sequence / WORD_BITS) - from, this.#words.length);
    for (let step = 1; step <= steps; step++) this.#words[(from + step) & this.#wordMask] = 0;
    this.#top = sequence;
  }
}

/** Only the low bits matter: the ring divides 2^27 words evenly. */
function wordOf(sequence: number): number {
  return (sequence >>> 0) >>> 5;
}

function bitOf(sequence: number): number {
  return 1 << (sequence & (WORD_BITS - 1));
}
