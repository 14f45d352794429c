/** Waiting for a condition instead of for a time. */
import { Fault } from "../base/fault.ts";

/** Time between two looks, ms. */
const POLL_MS = 100;

/**
 * Ask until the answer is neither `undefined` nor `false`, and return it with the time that took. Rejects with a
 * `Fault` (`timeout`) after `withinMs`, naming `what` and, if given, what `seen` says about the state instead.
 */
export async function until<T>(
  what: string,
  withinMs: number,
  ask: () => T | Promise<T>,
  seen?: () => string | Promise<string>,
): Promise<{ readonly value: Exclude<T, undefined | false>; readonly tookMs: number }> {
  const started = performance.now();
  for (;;) {
    const value = await ask();
    const tookMs = performance.now() - started;
    if (value !== undefined && value !== false) return { value: value as Exclude<T, undefined | false>, tookMs };
    if (tookMs > withinMs) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const instead = seen === undefined ? "" : `; instead: ${await seen()}`;
  throw new Fault("timeout", `${what}: not within ${withinMs} ms${instead}`);
}
