/**
 * What all benchmarks share: medians of several runs, spreads, and tables that read well in a terminal and in Markdown.
 */
export type Cell = string | number;

/** Aligned Markdown: numbers to the right, text to the left. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(3, ...texts.map((row) => (row[column] ?? "").length)));
  const isNumeric = head.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[\d<~-]/.test(String(row[column] ?? ""))),
  );
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => pad(row[column] ?? "", width, isNumeric[column] === true)).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => "-".repeat(width + 1) + (isNumeric[column] ? ":" : "-")).join("|")}|`;
  return [line(texts[0]!), rule, ...texts.slice(1).map(line)].join("\n");
}

export function printTable(title: string, head: readonly string[], rows: readonly (readonly Cell[])[]): void {
  console.log(`\n${title}\n\n${formatTable(head, rows)}`);
}

function pad(text: string, width: number, right: boolean): string {
  return right ? text.padStart(width) : text.padEnd(width);
}

/** The value below which this share (0..1) of the values lies: nearest rank. `NaN` of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** "12.3", with as many digits as make sense. */
export function round(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "-" : "never";
  if (value === 0) return "0";
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 3));
}

/** Milliseconds as seconds. */
export const inSeconds = (ms: number): string => (Number.isFinite(ms) ? (ms / 1_000).toFixed(2) : round(ms));

/**
 * Nanoseconds per call: the median of `runs` runs of about `runMs` each, after one run to warm up.
 * The work must return something, so that it cannot be optimised away.
 */
export function nsPerCall(work: () => unknown, { runs = 7, runMs = 120 } = {}): number {
  let sink: unknown;
  const timed = (calls: number): number => {
    const started = process.hrtime.bigint();
    for (let call = 0; call < calls; call++) sink = work();
    return Number(process.hrtime.bigint() - started);
  };
  let calls = 16;
  while (timed(calls) < runMs * 2e5) calls *= 2;
  const perRun = Math.max(1, Math.round((calls * runMs * 1e6) / timed(calls)));
  timed(perRun);
  const result = median(Array.from({ length: runs }, () => timed(perRun) / perRun));
  keep(sink);
  return result;
}

let kept: unknown;
function keep(value: unknown): void {
  kept = value ?? kept;
}

/** What the machine is, in neutral words, for the head of a report. */
export function machine(): string {
  return `Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${process.arch}, 2 cores shared with other work`;
}
