/**
 * A Lamport clock that no message can wrap or freeze. Docker's counts in 64 bits and starts again at 0 when somebody
 * claims the last moment; ours believes no time that is further ahead than any cluster could have come meanwhile.
 * Source: serf `lamport.go`; Lamport (1978).
 */
import { LAMPORT_JUMP_MAX } from "./limits.ts";

export class LamportClock {
  #time = 0;

  get time(): number {
    return this.#time;
  }

  /** The next moment. */
  tick(): number {
    this.#time += 1;
    return this.#time;
  }

  /** Somebody was at `time`: from now on we are later. False: not believable, and not believed. */
  witness(time: number): boolean {
    if (time > this.#time + LAMPORT_JUMP_MAX) return false;
    if (time >= this.#time) this.#time = time + 1;
    return true;
  }
}
