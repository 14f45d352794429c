/**
 * How far a process of tests has come: a file of JSON lines behind file descriptor 3, of which the last one counts.
 * Written at once, by the process itself, so that it is true even when the process hangs or dies in the next moment.
 */
import { existsSync, readFileSync, writeSync } from "node:fs";

/** What one process of tests reports to run-tests.ts; tests with subtests count too, suites do not. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Progress {
  /** The test file under way, by its path from the root; "" before the first. */
  readonly file: string;
  /** The test of it; "" while the file is loaded. */
  readonly test: string;
  readonly counts: Counts;
  /** All tests are through. */
  readonly isDone: boolean;
}

const PROGRESS_FD = 3;

export function writeProgress(progress: Progress): void {
  writeSync(PROGRESS_FD, `${JSON.stringify(progress)}\n`);
}

/** What was written last to the file at `path`. */
export function lastProgress(path: string): Progress {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const end = text.lastIndexOf("\n");
  if (end < 0) return { file: "", test: "", counts: { passed: 0, failed: 0, skipped: 0 }, isDone: false };
  return JSON.parse(text.slice(text.lastIndexOf("\n", end - 1) + 1, end)) as Progress;
}
