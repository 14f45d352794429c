/** The only door to time. */

/** Undo a pending `after`; calling it late or twice does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** Monotonic milliseconds since an arbitrary moment; has a fraction, never goes back. */
  now(): number;
  /** Wall-clock time: only for certificates, log lines and starting incarnations. */
  wall(): Date;
  /** Run once, `delayMs` from now (at once when not positive), never synchronously. */
  after(delayMs: number, run: () => void): Cancel;
}
