/**
 * A child process whose output is kept line by line with the moment of its arrival, so that what several programs
 * say can be put on one time axis. Knows nothing of hosts or networks; `host.ts` prefixes the command.
 *
 * Every program still running when this process exits is killed: no lab leaves anything behind.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { Fault } from "../base/fault.ts";

/** One line of output. `atMs` is `performance.now()` of this process. */
export interface Line {
  readonly atMs: number;
  readonly source: "stdout" | "stderr";
  readonly text: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type LineMatch = (line: Line) => boolean;

/** Lines kept per program; the oldest are forgotten. */
const LINES_MAX = 200_000;
/** A line longer than this is cut into pieces. */
const LINE_BYTES_MAX = 1_048_576;

const running = new Set<Program>();
process.on("exit", () => {
  for (const program of running) program.signal("SIGKILL");
});

export class Program {
  readonly name: string;
  readonly lines: Line[] = [];
  /** Resolves when the process is gone and all its output has arrived; never rejects. */
  readonly exited: Promise<Exit>;
  #exit: Exit | undefined;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #watchers = new Set<(line: Line) => void>();

  /** Start at once. `name` is for messages only. */
  constructor(name: string, command: string, args: readonly string[], env?: NodeJS.ProcessEnv) {
    this.name = name;
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: env ?? process.env });
    running.add(this);
    this.#child.stdin.on("error", () => undefined);
    this.#collect("stdout", this.#child.stdout);
    this.#collect("stderr", this.#child.stderr);
    this.exited = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.#line("stderr", error.message);
        if (this.#child.pid === undefined) resolve(this.#gone({ code: 127, signal: null }));
      });
      this.#child.on("close", (code, signal) => resolve(this.#gone({ code, signal })));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How it ended; `undefined` while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** Give one line to its standard input. */
  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Send a signal; nothing happens when it is gone. */
  signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) this.#child.kill(signal);
  }

  /** Ask it to end, kill it when it has not within `withinMs`, and wait until it is gone. */
  async stop(signal: NodeJS.Signals = "SIGTERM", withinMs = 5_000): Promise<Exit> {
    this.signal(signal);
    return this.ended(withinMs);
  }

  /** Wait until it has ended by itself; kill it when it has not within `withinMs`. */
  async ended(withinMs: number): Promise<Exit> {
    const kill = setTimeout(() => this.signal("SIGKILL"), withinMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(kill);
    }
  }

  /** The first line, already there or still to come, that matches. Rejects with a `Fault` (`timeout`, `unavailable`). */
  line(what: string, match: LineMatch | RegExp, withinMs: number): Promise<Line> {
    const test = match instanceof RegExp ? ({ text }: Line) => match.test(text) : match;
    const there = this.lines.find(test);
    if (there !== undefined) return Promise.resolve(there);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
      };
      const fail = (code: "timeout" | "unavailable", why: string): void => {
        done();
        reject(new Fault(code, `${this.name}: no ${what}, ${why}; it last said:\n${this.tail(8)}`));
      };
      const watcher = (line: Line): void => {
        if (!test(line)) return;
        done();
        resolve(line);
      };
      const timer = setTimeout(() => fail("timeout", `not within ${withinMs} ms`), withinMs);
      this.#watchers.add(watcher);
      void this.exited.then(({ code, signal }) => fail("unavailable", `it ended with ${signal ?? code}`));
    });
  }

  /** Call `watcher` for every line from now on; the result ends that. */
  watch(watcher: (line: Line) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The last lines, for messages. */
  tail(count: number): string {
    return this.lines
      .slice(-count)
      .map(({ text }) => `    ${text}`)
      .join("\n");
  }

  #collect(source: Line["source"], stream: Readable): void {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) this.#line(source, part);
      if (rest.length <= LINE_BYTES_MAX) return;
      this.#line(source, rest);
      rest = "";
    });
    stream.on("end", () => {
      if (rest !== "") this.#line(source, rest);
    });
  }

  #line(source: Line["source"], text: string): void {
    const line: Line = { atMs: performance.now(), source, text };
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.splice(0, LINES_MAX / 10);
    for (const watcher of [...this.#watchers]) watcher(line);
  }

  #gone(exit: Exit): Exit {
    this.#exit = exit;
    running.delete(this);
    return exit;
  }
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a command to its end. Only a missing command or a timeout rejects (`Fault`); look at `code` for the rest. */
export async function run(
  command: string,
  args: readonly string[],
  { input = "", withinMs = 30_000 }: { readonly input?: string; readonly withinMs?: number } = {},
): Promise<Result> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], timeout: withinMs, killSignal: "SIGKILL" });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const shown = [command, ...args].join(" ");
  const exit = await new Promise<Exit>((resolve, reject) => {
    child.on("error", (error) => reject(new Fault("unavailable", `cannot run ${shown}`, error)));
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  if (exit.code === null) throw new Fault("timeout", `${shown} was ended by ${exit.signal} within ${withinMs} ms`);
  return { code: exit.code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

/** `run` for a command that must succeed: its standard output, or a `Fault` (`unavailable`) with what it complained of. */
export async function must(command: string, args: readonly string[], input = ""): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, { input });
  if (code === 0) return stdout;
  throw new Fault("unavailable", `${[command, ...args].join(" ")} failed with ${code}: ${(stderr || stdout).trim()}`);
}
