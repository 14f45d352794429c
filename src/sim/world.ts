/**
 * A world of its own: one time line, one seed.
 *
 * Nothing waits here: `runUntil` jumps from event to event. The same seed and the same calls give the same run, to the
 * last bit. Knows nothing of networks or protocols.
 */
import { assert } from "../base/assert.ts";
import { EventHeap, type SimEvent } from "./event-heap.ts";
import { SeededRandom } from "./random.ts";

export class World {
  readonly seed: number;
  #now = 0;
  #order = 0;
  #ran = 0;
  readonly #events = new EventHeap();

  constructor({ seed }: { readonly seed: number }) {
    this.seed = seed;
  }

  /** Milliseconds since the world began. */
  now(): number {
    return this.#now;
  }

  /** How many events have happened. */
  get eventsRun(): number {
    return this.#ran;
  }

  /** A stream of chance of its own: the same for the same seed and label. */
  random(label: string): SeededRandom {
    return new SeededRandom(this.seed, label);
  }

  /** Let something happen at a moment, which must not be past. */
  at(time: number, run: () => void): SimEvent {
    assert(time >= this.#now, "the past cannot be changed");
    const event: SimEvent = { at: time, order: this.#order++, run };
    this.#events.push(event);
    return event;
  }

  after(delayMs: number, run: () => void): SimEvent {
    return this.at(this.#now + Math.max(0, delayMs), run);
  }

  /** Let everything happen up to and including `time`. Returns early, at the present event, when `done` says so. */
  runUntil(time: number, done?: () => boolean): boolean {
    for (;;) {
      const next = this.#events.first();
      if (next === undefined || next.at > time) break;
      this.#events.pop();
      if (next.run === undefined) continue;
      this.#now = next.at;
      this.#ran += 1;
      next.run();
      if (done?.() === true) return true;
    }
    this.#now = Math.max(this.#now, time);
    return false;
  }

  /** Let time pass. */
  run(durationMs: number, done?: () => boolean): boolean {
    return this.runUntil(this.#now + durationMs, done);
  }
}

/** Undo `World.at`; late or twice does nothing. */
export function cancel(event: SimEvent): void {
  event.run = undefined;
}
