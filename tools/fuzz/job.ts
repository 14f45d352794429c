/**
 * A run of inputs against one target, in one thread. The seed, the target and the number of the job decide every input.
 *
 * Inputs run in short slices under a guard that stops endless loops; what was under way when a slice had to be stopped
 * is tried again alone before it is called a hang, because a busy machine can stop for a second too.
 */
import { MiB } from "../../src/base/units.ts";
import { SeededRandom } from "../../src/sim/random.ts";
import { finishesWithin } from "./guard.ts";
import { retainedBytes } from "./heap.ts";
import { minimise } from "./minimise.ts";
import { Mutator } from "./mutator.ts";
import type { Target } from "./target.ts";
import { isProblem, isSameProblem, judge, type Problem, type Verdict } from "./verdict.ts";

/** One input may take so long. */
export const INPUT_MS_MAX = 1_000;
/** What the inputs of one job may leave behind. A replay cache fills a part of it. */
export const JOB_GROWTH_BYTES_MAX = 16 * MiB;
const SLICE_MS = 100;
const HEAP_EVERY_MS = 1_000;
const WARM_UP_INPUTS = 500;
/** One accepted input in so many is kept to be mutated again. */
const KEPT_ONE_IN = 64;
/** A hang costs a second to see again. */
const HANG_TRIES_MAX = 24;

export interface JobOptions {
  readonly target: Target;
  readonly seed: number;
  /** Which part of the run this is. */
  readonly job: number;
  readonly inputs: number;
  /** How long one input may take; the default is `INPUT_MS_MAX`. */
  readonly inputMsMax?: number;
  /** When to stop early, on the clock of `performance.now()`. */
  readonly endsAt?: number;
  /** Told of every input before it runs, for the case that it takes the process with it. */
  readonly announce?: (input: Uint8Array) => void;
}

export interface Finding {
  readonly target: string;
  readonly problem: Problem;
  /** Minimised; `undefined` if it is the sum of many. */
  readonly input: Uint8Array | undefined;
  /** Length of the input before it was minimised. */
  readonly foundBytes: number;
}

export interface JobReport {
  readonly target: string;
  readonly inputs: number;
  /** Accepted inputs, and refused ones by code. */
  readonly verdicts: ReadonlyMap<string, number>;
  readonly slowestMs: number;
  /** What the inputs left behind, those of the warm-up apart. */
  readonly grownBytes: number;
  readonly finding: Finding | undefined;
}

/** Runs until all inputs are through, the time is over, or something is found. */
export function runJob(options: JobOptions): JobReport {
  return new Job(options).run();
}

/** What one input does to a target, stopped if it hangs. */
export function judgeWithin(target: Target, input: Uint8Array, ms = INPUT_MS_MAX): Verdict {
  let verdict: Verdict = "accepted";
  const isDone = finishesWithin(ms, () => {
    verdict = judge(target, input);
  });
  return isDone ? verdict : { kind: "hang", text: `no answer within ${ms} ms` };
}

class Job {
  readonly #options: JobOptions;
  readonly #inputMsMax: number;
  readonly #mutator: Mutator;
  readonly #verdicts = new Map<string, number>();
  #inputs = 0;
  #input = new Uint8Array(0);
  #slowestMs = 0;
  #problem: Problem | undefined;
  #heapFirst: number | undefined;
  #heapLast = 0;
  #heapAt = 0;

  constructor(options: JobOptions) {
    this.#options = options;
    this.#inputMsMax = options.inputMsMax ?? INPUT_MS_MAX;
    const { target, seed, job } = options;
    const seeds = target.seeds();
    this.#mutator = new Mutator({ seeds, words: target.words ?? [] }, new SeededRandom(seed, `${target.name} ${job}`));
    // A decoder that refuses its own seeds is fuzzed at its surface only.
    for (const input of seeds) this.#try(input);
  }

  run(): JobReport {
    while (this.#problem === undefined && !this.#isOver()) {
      if (!finishesWithin(SLICE_MS + this.#inputMsMax, () => this.#slice())) this.#confirmHang();
      this.#weigh(false);
    }
    if (this.#problem === undefined) this.#weigh(true);
    return {
      target: this.#options.target.name,
      inputs: this.#inputs,
      verdicts: this.#verdicts,
      slowestMs: this.#slowestMs,
      grownBytes: this.#heapLast - (this.#heapFirst ?? this.#heapLast),
      finding: this.#problem && this.#describe(this.#problem),
    };
  }

  #isOver(): boolean {
    return this.#inputs >= this.#options.inputs || performance.now() >= (this.#options.endsAt ?? Infinity);
  }

  #slice(): void {
    const end = performance.now() + SLICE_MS;
    for (let before = performance.now(); before < end && !this.#isOver() && this.#problem === undefined; ) {
      this.#try(this.#mutator.next());
      const after = performance.now();
      if (after - before > this.#slowestMs) this.#slowestMs = after - before;
      if (after - before > this.#inputMsMax) this.#confirmHang();
      before = after;
    }
  }

  #try(input: Uint8Array): void {
    this.#input = input as Uint8Array<ArrayBuffer>;
    this.#options.announce?.(input);
    const verdict = judge(this.#options.target, input);
    this.#inputs += 1;
    if (isProblem(verdict)) {
      this.#problem ??= verdict;
      return;
    }
    const count = this.#verdicts.get(verdict) ?? 0;
    this.#verdicts.set(verdict, count + 1);
    if (count === 0 || (verdict === "accepted" && this.#inputs % KEPT_ONE_IN === 0)) this.#mutator.keep(input);
  }

  /** Twice, alone: only what is slow every time is a finding. */
  #confirmHang(): void {
    const { target } = this.#options;
    const isSlow = (): boolean => isHang(judgeWithin(target, this.#input, this.#inputMsMax));
    if (isSlow() && isSlow()) this.#problem ??= { kind: "hang", text: `no answer within ${this.#inputMsMax} ms` };
  }

  #weigh(isLast: boolean): void {
    const now = performance.now();
    if (this.#inputs < WARM_UP_INPUTS || (!isLast && now < this.#heapAt + HEAP_EVERY_MS)) return;
    this.#heapAt = now;
    this.#heapLast = retainedBytes();
    this.#heapFirst ??= this.#heapLast;
    const grown = this.#heapLast - this.#heapFirst;
    if (grown > JOB_GROWTH_BYTES_MAX) this.#problem = growth(grown, this.#inputs);
  }

  #describe(problem: Problem): Finding {
    const { target } = this.#options;
    const foundBytes = this.#input.length;
    if (problem.kind === "growth") return { target: target.name, problem, input: undefined, foundBytes };
    const isSame = (input: Uint8Array): boolean => {
      const verdict = judgeWithin(target, input, this.#inputMsMax);
      return isProblem(verdict) && isSameProblem(verdict, problem);
    };
    const input = minimise(this.#input, isSame, problem.kind === "hang" ? HANG_TRIES_MAX : undefined);
    return { target: target.name, problem, input, foundBytes };
  }
}

/** So many bytes more than at first are still reachable. */
export function growth(bytes: number, inputs: number): Problem {
  const mebibytes = (bytes / MiB).toFixed(1);
  return { kind: "growth", text: `${mebibytes} MiB more are held after ${inputs} inputs than at first` };
}

function isHang(verdict: Verdict): boolean {
  return isProblem(verdict) && verdict.kind === "hang";
}
