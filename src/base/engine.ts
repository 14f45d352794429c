/**
 * The one idea of this house: engines step, shells wait.
 *
 * A protocol core is synchronous. It takes a moment and one input, and returns what the world should do about it.
 * It never waits, never opens a socket and never asks what time it is, so a thousand of them run in one simulator
 * with one seed. `drive` (drive.ts) is the thin shell that gives an engine a real (or simulated) clock.
 */

/** The input every engine understands: the moment it asked for has come. */
export interface Wake {
  readonly on: "wake";
}

/** A protocol core. `now` is monotonic, in milliseconds, and never goes back. */
export interface Engine<Input, Effect> {
  /** Take one input at one moment; answer with what the world should do about it, in order. */
  step(now: number, input: Input | Wake): Effect[];
  /** When this engine next wants `{ on: "wake" }`, in the same milliseconds; `Infinity` if never. */
  deadline(): number;
}
