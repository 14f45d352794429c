/**
 * Who knows when: the moments at which a piece of news reached the nodes of a cluster.
 *
 * Only the first time counts for each node. Nodes that need not know (crashed, say) are taken out.
 */
export class Spread {
  readonly startedAt: number;
  readonly #times: Float64Array;
  #missing: number;

  /** `nodes`: the indexes of those who shall learn it. */
  constructor(startedAt: number, nodes: Iterable<number>, indexMax: number) {
    this.startedAt = startedAt;
    this.#times = new Float64Array(indexMax + 1).fill(Number.NaN);
    this.#missing = 0;
    for (const index of nodes) {
      this.#times[index] = -1;
      this.#missing += 1;
    }
  }

  /** Node `index` knows it at `now`. */
  reached(index: number, now: number): void {
    if (this.#times[index] !== -1) return;
    this.#times[index] = now;
    this.#missing -= 1;
  }

  /** Node `index` need not know any more. */
  excuse(index: number): void {
    if (this.#times[index] === -1) this.#missing -= 1;
    this.#times[index] = Number.NaN;
  }

  get missing(): number {
    return this.#missing;
  }

  /** Does everybody know? */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Milliseconds from the start after which this share (0..1) of the nodes knew; `Infinity` if they never did. */
  quantileMs(share: number): number {
    const known = this.#times.filter((time) => time >= 0).sort();
    const total = known.length + this.#missing;
    if (total === 0) return 0;
    const rank = Math.max(0, Math.ceil(share * total) - 1);
    return (known[rank] ?? Number.POSITIVE_INFINITY) - this.startedAt;
  }

  /** The nodes that have not heard it. */
  unaware(): number[] {
    const indexes: number[] = [];
    for (const [index, time] of this.#times.entries()) if (time === -1) indexes.push(index);
    return indexes;
  }
}
