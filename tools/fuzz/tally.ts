/** Adds up the reports of a run, and prints them as a table. */
import type { JobReport } from "./job.ts";

/** Sums by target. */
export class Tally {
  inputs = 0;
  readonly #rows = new Map<string, { inputs: number; accepted: number; slowestMs: number; codes: Set<string> }>();

  add({ target, inputs, verdicts, slowestMs }: JobReport): void {
    this.inputs += inputs;
    const row = this.#rows.get(target) ?? { inputs: 0, accepted: 0, slowestMs: 0, codes: new Set() };
    row.inputs += inputs;
    row.accepted += verdicts.get("accepted") ?? 0;
    row.slowestMs = Math.max(row.slowestMs, slowestMs);
    for (const code of verdicts.keys()) if (code !== "accepted") row.codes.add(code);
    this.#rows.set(target, row);
  }

  table(): string {
    const lines = [...this.#rows].map(([name, { inputs, accepted, slowestMs, codes }]) => {
      const share = `${((100 * accepted) / Math.max(1, inputs)).toFixed(1)} %`;
      const numbers = `${String(inputs).padStart(10)}${share.padStart(9)}${slowestMs.toFixed(0).padStart(7)} ms`;
      return `${name.padEnd(24)}${numbers}  ${[...codes].sort().join(" ")}`;
    });
    return [`${"target".padEnd(24)}    inputs accepted   slowest  refused with`, ...lines].join("\n");
  }
}
