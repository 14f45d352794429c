/**
 * What was thrown away, and why.
 *
 * Everything refused is counted by reason for ever; only the first few of each reason and minute deserve a log line,
 * and the first line of a later minute says how many went unsaid before it. So a flood costs counters, not a disk.
 * Knows no clock and writes nothing: `record` answers whether to.
 */
import { type DecodeFaultCode, decodeFaults } from "../base/fault.ts";
import { minutes } from "../base/units.ts";

/** Log lines of one reason per `WINDOW_MS`. */
export const DROP_LINES_PER_WINDOW = 3;
const WINDOW_MS = minutes(1);

export type DropCounts = Readonly<Record<DecodeFaultCode, number>>;

export class Drops {
  readonly #counts = new Map<DecodeFaultCode, number>();
  readonly #lines = new LineLimit<DecodeFaultCode>();

  /** Count one drop. The answer is for the log: `undefined`, stay silent; else the drops unsaid since the last line. */
  record(now: number, code: DecodeFaultCode): { readonly unsaid: number } | undefined {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    return this.#lines.ask(now, code);
  }

  /** Every reason, also those that never happened. */
  counts(): DropCounts {
    const codes = Object.keys(decodeFaults) as DecodeFaultCode[];
    return Object.fromEntries(codes.map((code) => [code, this.#counts.get(code) ?? 0])) as DropCounts;
  }

  total(): number {
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    return sum;
  }
}

interface Window {
  endsAt: number;
  lines: number;
  unsaid: number;
}

/** A few lines per key and minute. `Key` must come from a closed set: keys are never forgotten. */
export class LineLimit<Key> {
  readonly #windows = new Map<Key, Window>();

  ask(now: number, key: Key): { readonly unsaid: number } | undefined {
    const window = this.#windowAt(now, key);
    if (window.lines >= DROP_LINES_PER_WINDOW) {
      window.unsaid += 1;
      return undefined;
    }
    window.lines += 1;
    const { unsaid } = window;
    window.unsaid = 0;
    return { unsaid };
  }

  #windowAt(now: number, key: Key): Window {
    const known = this.#windows.get(key);
    if (known !== undefined && now < known.endsAt) return known;
    const window: Window = { endsAt: now + WINDOW_MS, lines: 0, unsaid: known?.unsaid ?? 0 };
    this.#windows.set(key, window);
    return window;
  }
}
