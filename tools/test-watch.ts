import type { Progress } from "./test-progress.ts";

/** Looks after one process from outside, because one that loops cannot look after itself. */
export class Watch {
  /** What was wrong, once something was. */
  verdict: string | undefined;
  readonly #fileSecondsMax: number;
  readonly #runEndsAt: number;
  #file = "";
  #since = performance.now();

  constructor(fileSecondsMax: number, runEndsAt: number) {
    this.#fileSecondsMax = fileSecondsMax;
    this.#runEndsAt = runEndsAt;
  }

  isOverdue({ file, test, isDone }: Progress): boolean {
    const now = performance.now();
    if (file !== this.#file) {
      this.#file = file;
      this.#since = now;
    }
    const isStarting = file === "" && !isDone;
    if (!isStarting && now - this.#since > this.#fileSecondsMax * 1000) {
      const name = file === "" ? "the end of the tests" : file;
      this.verdict = `${name} takes more than ${this.#fileSecondsMax} s${where({ file, test })}`;
    } else if (now > this.#runEndsAt && !isDone) {
      this.verdict = `the time for all tests is over${file === "" ? "" : `, in ${file}`}${where({ file, test })}`;
    }
    return this.verdict !== undefined;
  }
}

/** What was under way. */
export function where({ file, test }: Pick<Progress, "file" | "test">): string {
  if (file === "") return "";
  return test === "" ? `, while ${file} is loaded` : `, in or after its test "${test}" (${file})`;
}
