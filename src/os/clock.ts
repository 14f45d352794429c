/**
 * Real time. The only file of the project that calls `setTimeout`, `performance` or `Date`.
 *
 * `now` stands still while the machine is suspended on some kernels and goes on on others; engines must bear both.
 */
import type { Cancel, Clock } from "../port/clock.ts";

/** Node runs a longer timer at once, so longer waits are made of several. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => new Date(),
  after: (delayMs, run) => (delayMs > 0 ? later(delayMs, run) : soon(run)),
};

function soon(run: () => void): Cancel {
  const handle = setImmediate(run);
  return () => clearImmediate(handle);
}

function later(delayMs: number, run: () => void): Cancel {
  const due = performance.now() + delayMs;
  let handle: NodeJS.Timeout;
  const sleep = (): void => {
    const leftMs = due - performance.now();
    if (leftMs <= 0) run();
    else handle = setTimeout(sleep, Math.min(Math.ceil(leftMs), TIMER_MS_MAX));
  };
  sleep();
  return () => clearTimeout(handle);
}
