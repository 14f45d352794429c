/**
 * Ends synchronous code that takes too long, endless loops included. V8 can be told to stop whatever runs below a
 * script of `node:vm`; the functions that the script calls need not be in it.
 */
import { runInThisContext } from "node:vm";

/** Where the script finds what to call; the registry of symbols is shared with it. */
const slot = Symbol.for("skep.fuzz.guard");
const script = 'globalThis[Symbol.for("skep.fuzz.guard")]()';

/** Call `run`. False: it was stopped after `ms` milliseconds. What `run` throws comes out as it is. */
export function finishesWithin(ms: number, run: () => void): boolean {
  const place = globalThis as Record<symbol, unknown>;
  place[slot] = run;
  try {
    runInThisContext(script, { timeout: Math.ceil(ms), filename: "guard" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException | undefined)?.code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return false;
    throw error;
  } finally {
    delete place[slot];
  }
}
