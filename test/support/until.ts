/** Waits for real sockets and processes in tests. */
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";

/** Resolves once `done` says so, asking every few milliseconds; fails after `timeoutMs`. */
export async function until(done: () => boolean, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!done()) {
    assert.ok(performance.now() < end, `not within ${timeoutMs} ms: ${done}`);
    await setTimeout(2);
  }
}
