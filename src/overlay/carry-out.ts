/**
 * Carrying out a plan: one step after the other, none whose ground another one failed to lay. Waits for nothing itself:
 * whoever has the kernel asks for the next step and says how it went.
 */
import { assert } from "../base/assert.ts";
import type { Outcome, Step } from "./effects.ts";

export class CarryOut {
  readonly #steps: readonly Step[];
  readonly #broken = new Set<string>();
  readonly #outcomes: Outcome[] = [];

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** The step whose turn it is; `undefined` at the end. */
  next(): Step | undefined {
    for (;;) {
      const step = this.#steps[this.#outcomes.length];
      if (step === undefined || !step.needs.some((key) => this.#broken.has(key))) return step;
      this.#broken.add(step.key);
      this.#outcomes.push("skipped");
    }
  }

  /** How it went. Failed: what needs it is skipped. */
  report(outcome: Outcome): void {
    const step = this.#steps[this.#outcomes.length];
    assert(step !== undefined, "a plan is at its end");
    if (outcome !== "done") this.#broken.add(step.key);
    this.#outcomes.push(outcome);
  }

  /** One for each step. */
  get outcomes(): readonly Outcome[] {
    assert(this.#outcomes.length === this.#steps.length, "a plan is at work");
    return this.#outcomes;
  }
}
