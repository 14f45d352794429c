/**
 * What happens next: a binary heap of events in order of time, then of the order in which they were added.
 *
 * The second key makes runs repeatable: two events of the same moment never change places.
 */
export interface SimEvent {
  readonly at: number;
  readonly order: number;
  /** Called once; `undefined` after cancelling. */
  run: (() => void) | undefined;
}

export class EventHeap {
  readonly #items: SimEvent[] = [];

  get size(): number {
    return this.#items.length;
  }

  first(): SimEvent | undefined {
    return this.#items[0];
  }

  push(event: SimEvent): void {
    const items = this.#items;
    let at = items.length;
    items.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = items[above]!;
      if (!before(event, parent)) break;
      items[at] = parent;
      at = above;
    }
    items[at] = event;
  }

  pop(): SimEvent | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last !== undefined && items.length > 0) this.#sink(last);
    return top;
  }

  /** Put `event` in at the top and let it down to its place. */
  #sink(event: SimEvent): void {
    const items = this.#items;
    const count = items.length;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= count) break;
      if (below + 1 < count && before(items[below + 1]!, items[below]!)) below += 1;
      const child = items[below]!;
      if (!before(child, event)) break;
      items[at] = child;
      at = below;
    }
    items[at] = event;
  }
}

function before(one: SimEvent, other: SimEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
