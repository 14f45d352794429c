/**
 * Replay protection against a sender that restarts: it counts from 1 again under the same key and SPI, as Docker's
 * engine does, so its first packets look like old ones.
 *
 * Linux and we make the explicit IV of a packet from its sequence number and a random mask drawn once per life of an
 * association (seqiv of the kernel's crypto API, `initialization-vector.ts` here). So IV XOR number tells the lives
 * apart, and it is authenticated. Each life gets a window of its own: a restart loses no packet and forgets nothing of
 * the life before. What was recorded of a life we never saw can be played once; a run of old packets, which other
 * rules take for a restart, cannot move a window back. A sender whose IVs follow no number makes a life of each
 * packet, which is no protection, and shows as a number of restarts.
 */
import { ReplayWindow, type Verdict } from "./replay-window.ts";

interface Life {
  readonly maskHigh: number;
  readonly maskLow: number;
  readonly window: ReplayWindow;
}

export class SenderLives {
  readonly #packets: number;
  readonly #livesMax: number;
  /** The one that spoke last is first. */
  readonly #lives: Life[] = [];
  #begun = 0;

  /** `packets` per window; the life that has been silent for the longest makes room for another one. */
  constructor(packets: number, livesMax: number) {
    this.#packets = packets;
    this.#livesMax = livesMax;
  }

  /** The highest number of the life that spoke last. */
  get top(): number {
    return this.#lives[0]?.window.top ?? 0;
  }

  /** Lives after the first. */
  get restarts(): number {
    return Math.max(0, this.#begun - 1);
  }

  /** `maskHigh`, `maskLow`: the two halves of IV XOR number, each as an unsigned 32-bit number. */
  judge(sequence: number, maskHigh: number, maskLow: number): Verdict {
    const at = this.#find(maskHigh, maskLow);
    if (at >= 0) return this.#lives[at]!.window.judge(sequence);
    return sequence === 0 ? "late" : "fresh";
  }

  /** Remember a genuine packet that is `fresh`. True: it is the first of a life, and not of the first one. */
  accept(sequence: number, maskHigh: number, maskLow: number): boolean {
    const at = this.#find(maskHigh, maskLow);
    const life = at >= 0 ? this.#lives[at]! : this.#begin(maskHigh, maskLow);
    if (at > 0) {
      this.#lives.splice(at, 1);
      this.#lives.unshift(life);
    }
    life.window.accept(sequence);
    return at < 0 && this.#begun > 1;
  }

  #find(maskHigh: number, maskLow: number): number {
    const lives = this.#lives;
    for (let at = 0; at < lives.length; at++) {
      const life = lives[at]!;
      if (life.maskLow === maskLow && life.maskHigh === maskHigh) return at;
    }
    return -1;
  }

  #begin(maskHigh: number, maskLow: number): Life {
    const life = { maskHigh, maskLow, window: new ReplayWindow(this.#packets) };
    if (this.#lives.length >= this.#livesMax) this.#lives.pop();
    this.#lives.unshift(life);
    this.#begun += 1;
    return life;
  }
}
