/**
 * The shell that every engine shares: gives it inputs one at a time, carries out its effects in order, and wakes it at
 * its own deadline.
 *
 * An input given while effects are being carried out waits its turn, so an engine never sees half a step. An effect
 * that throws loses neither the effects after it, nor the waiting inputs, nor the timer; the first error is thrown when
 * all of that is done, or told if somebody listens. Never looks at a clock other than the one handed in.
 */
import { AssertionError } from "./assert.ts";
import type { Engine, Wake } from "./engine.ts";

/** The part of the clock port that is needed here; `port/clock.ts` has the whole door. */
export interface Alarm {
  now(): number;
  after(delayMs: number, run: () => void): () => void;
}

/** A driven engine: call it with an input. */
export interface Driven<Input> {
  (input: Input): void;
  /** Forget the timer and ignore all further inputs, waiting ones too. Never wakes the engine again. */
  stop(): void;
}

export interface DriveOptions {
  /** Told what a step or an effect threw, instead of throwing it at whoever gave the input or at the timer. */
  readonly failed?: (error: unknown) => void;
  /** Told at every wake how many milliseconds after its deadline it came; a blocked event loop shows here. */
  readonly woke?: (lateMs: number) => void;
}

export function drive<Input, Effect>(
  engine: Engine<Input, Effect>,
  clock: Alarm,
  perform: (effect: Effect) => void,
  options: DriveOptions = {},
): Driven<Input> {
  const shell = new Shell(engine, clock, perform, options);
  return Object.assign((input: Input) => shell.take(input), { stop: () => shell.stop() });
}

/** An engine that fails to serve its deadline would otherwise be asked again at once, for ever. */
const PAUSE_AFTER_FAILURE_MS = 100;

class Shell<Input, Effect> {
  readonly #engine: Engine<Input, Effect>;
  readonly #clock: Alarm;
  readonly #perform: (effect: Effect) => void;
  readonly #options: DriveOptions;
  #waiting: (Input | Wake)[] = [];
  #running = false;
  #stopped = false;
  #stepFailed = false;
  #armedAt = Infinity;
  #cancel: () => void = () => undefined;
  #error: { readonly thrown: unknown } | undefined;

  constructor(engine: Engine<Input, Effect>, clock: Alarm, perform: (effect: Effect) => void, options: DriveOptions) {
    this.#engine = engine;
    this.#clock = clock;
    this.#perform = perform;
    this.#options = options;
  }

  take(input: Input | Wake): void {
    if (this.#stopped) return;
    this.#waiting.push(input);
    if (this.#running) return;
    this.#running = true;
    while (this.#waiting.length > 0 && !this.#stopped) {
      const batch = this.#waiting;
      this.#waiting = [];
      for (const next of batch) this.#turn(next);
    }
    this.#running = false;
    this.#guard(() => this.#arm());
    this.#report();
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#cancel();
  }

  #turn(input: Input | Wake): void {
    if (this.#stopped) return;
    let effects: Effect[] | undefined;
    this.#guard(() => {
      effects = this.#engine.step(this.#clock.now(), input);
    });
    this.#stepFailed = effects === undefined;
    for (const effect of effects ?? []) this.#guard(() => this.#perform(effect));
  }

  #arm(): void {
    if (this.#stopped) return;
    const deadline = this.#engine.deadline();
    if (deadline === this.#armedAt) return;
    this.#cancel();
    this.#armedAt = deadline;
    if (deadline === Infinity) return;
    const soonestMs = this.#stepFailed ? PAUSE_AFTER_FAILURE_MS : 0;
    this.#cancel = this.#clock.after(Math.max(soonestMs, deadline - this.#clock.now()), () => this.#ring(deadline));
  }

  #ring(deadline: number): void {
    this.#armedAt = Infinity;
    const lateMs = this.#clock.now() - deadline;
    if (lateMs >= 0) this.#guard(() => this.#options.woke?.(lateMs));
    this.take({ on: "wake" });
  }

  /** Keep the first error for later; a broken invariant outranks whatever came before it. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (thrown) {
      if (this.#error === undefined || thrown instanceof AssertionError) this.#error = { thrown };
    }
  }

  #report(): void {
    const error = this.#error;
    if (error === undefined) return;
    this.#error = undefined;
    if (this.#options.failed === undefined) throw error.thrown;
    this.#options.failed(error.thrown);
  }
}
