/**
 * How far a node trusts its own senses: 0 is healthy; each sign that it is slow itself adds to the score, each
 * success takes away. Probes wait longer in proportion, so that a slow node accuses later.
 * Source: memberlist `awareness.go`; Lifeguard (Dadgar, Phillips, Currey 2018), local health multiplier.
 */
export class Awareness {
  readonly #scoreMax: number;
  #score = 0;

  /** `maxMultiplier`: one more than the highest score. */
  constructor(maxMultiplier: number) {
    this.#scoreMax = maxMultiplier - 1;
  }

  get score(): number {
    return this.#score;
  }

  apply(delta: number): void {
    this.#score = Math.min(this.#scoreMax, Math.max(0, this.#score + delta));
  }

  /** A time to wait, as long as health demands. */
  scale(timeMs: number): number {
    return timeMs * (this.#score + 1);
  }
}
