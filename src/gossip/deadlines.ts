/**
 * Moments at which things fall due, by key. Made for many keys of which few ever fall due: finding the earliest costs
 * nothing while they are only added or removed, so the earliest may be of a key that is gone; asking what is due then
 * answers nothing, and looks again.
 */
export class Deadlines<Key> {
  readonly #moments = new Map<Key, number>();
  #earliest = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#moments.size;
  }

  /** Set, or move, the moment of `key`. */
  set(key: Key, at: number): void {
    this.#moments.set(key, at);
    this.#earliest = Math.min(this.#earliest, at);
  }

  delete(key: Key): void {
    this.#moments.delete(key);
    if (this.#moments.size === 0) this.#earliest = Number.POSITIVE_INFINITY;
  }

  /** Nothing is due before. */
  earliest(): number {
    return this.#earliest;
  }

  /** Take out what is due, in order of moments, then of arrival. */
  takeDue(now: number): Key[] {
    if (now < this.#earliest) return [];
    const due: (readonly [key: Key, at: number])[] = [];
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const entry of this.#moments) {
      if (entry[1] <= now) due.push(entry);
      else this.#earliest = Math.min(this.#earliest, entry[1]);
    }
    for (const [key] of due) this.#moments.delete(key);
    return due.sort((one, other) => one[1] - other[1]).map(([key]) => key);
  }
}
