/**
 * Prints what node:test reports: one line for each file that passes, everything about each test that fails, and why
 * a test was skipped. Writes how far it is, with its counts, for run-tests.ts, who adds them up.
 * Node.js loads it by `--test-reporter`, which wants a default export.
 */
import { relative } from "node:path";
import { inspect } from "node:util";
import { type Counts, writeProgress } from "./test-progress.ts";

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name: string;
    readonly nesting: number;
    readonly file?: string;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly duration_ms: number; readonly type?: string; readonly error?: unknown };
  };
}

/** Its own checks are worth a line only when they fail. */
const RUNNER = "tools/run-tests.ts";
/** node:test ends with its own totals as diagnostics; ours replace them. The first of them is "tests". */
const OWN_TOTAL = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;
const FIRST_TOTAL = /^tests \d+$/;
/** node:test only remarks on an error that comes too late for its test; for us it is a failure. */
const LATE_ERROR = /generated asynchronous activity after the test ended/;

// biome-ignore lint/style/noDefaultExport: node:test asks for it.
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const parents: string[] = [];
  let file: FileLine | undefined;
  for await (const { type, data } of events) {
    if (type === "test:dequeue") noteBegin(data, counts);
    if (type === "test:start") parents[data.nesting] = data.name;
    if (type === "test:diagnostic") {
      const message = data.message ?? "";
      if (LATE_ERROR.test(message)) counts.failed += 1;
      if (data.nesting > 0 || !OWN_TOTAL.test(message)) yield `      # ${message}\n`;
      else if (FIRST_TOTAL.test(message)) {
        // Now and not after the loop: node:test may exit before that.
        if (file !== undefined) yield file.print();
        writeProgress({ file: "", test: "", counts, isDone: true });
      }
    }
    if (type !== "test:pass" && type !== "test:fail") continue;
    const path = data.file === undefined ? "?" : relative(process.cwd(), data.file);
    if (file?.path !== path) {
      if (file !== undefined) yield file.print();
      file = new FileLine(path);
    }
    file.add(type, data);
    if (data.details?.type !== "suite") count(counts, type, data);
    if (data.skip !== undefined) yield `skip  ${fullName(parents, data)}: ${reason(data.skip)}\n`;
    if (type === "test:fail" && !onlySubtestsFailed(data)) yield describeFailure(path, parents, data);
  }
}

/** A test begins. While files are loaded, run-tests.ts says itself which. */
function noteBegin({ name, file }: TestEvent["data"], counts: Counts): void {
  const path = file === undefined ? "" : relative(process.cwd(), file);
  if (path !== RUNNER) writeProgress({ file: path, test: name, counts, isDone: false });
}

/** The line about one file; printed when the next file begins. */
class FileLine {
  readonly path: string;
  #tests = 0;
  #failed = 0;
  #durationMs = 0;

  constructor(path: string) {
    this.path = path;
  }

  add(type: string, data: TestEvent["data"]): void {
    if (data.details?.type !== "suite") this.#tests += 1;
    if (type === "test:fail") this.#failed += 1;
    if (data.nesting === 0) this.#durationMs += data.details?.duration_ms ?? 0;
  }

  print(): string {
    if (this.path === RUNNER && this.#failed === 0) return "";
    const word = this.#failed > 0 ? "FAIL" : "ok  ";
    return `${word}  ${this.path}  ${this.#tests} ${this.#tests === 1 ? "test" : "tests"}, ${Math.round(this.#durationMs)} ms\n`;
  }
}

function count(counts: Counts, type: string, data: TestEvent["data"]): void {
  if (data.skip !== undefined) counts.skipped += 1;
  else if (type === "test:pass" || data.todo !== undefined) counts.passed += 1;
  else counts.failed += 1;
}

function fullName(parents: readonly string[], data: TestEvent["data"]): string {
  return [...parents.slice(0, data.nesting), data.name].join(" > ");
}

function reason(skip: string | boolean): string {
  return typeof skip === "string" && skip !== "" ? skip : "no reason given";
}

function onlySubtestsFailed(data: TestEvent["data"]): boolean {
  const error = data.details?.error;
  return error instanceof Error && "failureType" in error && error.failureType === "subtestsFailed";
}

function describeFailure(path: string, parents: readonly string[], data: TestEvent["data"]): string {
  const error = data.details?.error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = typeof cause === "string" ? cause : inspect(cause, { depth: 6 });
  const details = text.replaceAll(/^/gm, "      ");
  return `\nFAIL  ${fullName(parents, data)}\n      ${path}\n${details}\n\n`;
}
