/**
 * A script of ours in a host of the laboratory that reads one command a line, and answers with one JSON object a line:
 * `{id, result}` or `{id, error}` to a command, anything without an id on its own account.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../../src/base/fault.ts";
import type { Host } from "../../src/lab/host.ts";
import type { Line, Program } from "../../src/lab/program.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const ANSWER_MS = 30_000;

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
}

export class Talker<Command extends { readonly do: string }, Said extends object> {
  readonly name: string;
  readonly program: Program;
  /** What it said on its own account; `atMs` is when it arrived here. */
  readonly said: (Said & { readonly atMs: number })[] = [];
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  protected constructor(name: string, program: Program) {
    this.name = name;
    this.program = program;
    program.watch((line) => this.#hear(line));
  }

  /** Start `script`, a path in this folder, with its options as JSON. */
  protected static launch(host: Host, name: string, script: string, options: object): Program {
    const path = join(root, "test/support", script);
    const args = ["--import", join(root, "node_modules/tsx/dist/loader.mjs"), path, JSON.stringify(options)];
    return host.start(`skep ${name}`, process.execPath, args);
  }

  async ask<Result>(command: Command): Promise<Result> {
    const id = ++this.#lastId;
    const answer = await new Promise<Answer>((resolve, reject) => {
      const give = (fault: Fault): void => {
        clearTimeout(timer);
        reject(fault);
      };
      const timer = setTimeout(
        () => give(new Fault("timeout", `${this.name} does not answer "${command.do}":\n${this.program.tail(6)}`)),
        ANSWER_MS,
      );
      this.#waiting.set(id, (heard) => {
        clearTimeout(timer);
        resolve(heard);
      });
      void this.program.exited.then(() => give(new Fault("unavailable", `${this.name}:\n${this.program.tail(20)}`)));
      this.program.write(JSON.stringify({ id, ...command }));
    });
    this.#waiting.delete(id);
    if (answer.error !== undefined) throw new Fault("unavailable", `${this.name}: ${command.do}: ${answer.error}`);
    return answer.result as Result;
  }

  async kill(): Promise<void> {
    await this.program.stop("SIGKILL");
  }

  #hear(line: Line): void {
    if (line.source !== "stdout" || !line.text.startsWith("{")) return;
    const heard = JSON.parse(line.text) as Answer & Said;
    if (heard.id === undefined) this.said.push({ ...heard, atMs: line.atMs });
    else this.#waiting.get(heard.id)?.(heard);
  }
}

/** The script's end of it: obey each line of standard input until that ends. */
export async function listen<Command extends { readonly do: string }>(
  lines: AsyncIterable<string>,
  obey: (command: Command) => unknown,
): Promise<void> {
  for await (const line of lines) {
    const { id, ...command } = JSON.parse(line) as { readonly id: number; readonly do: string };
    Promise.resolve()
      .then(() => obey(command as unknown as Command))
      .then(
        (result) => say({ id, result: result ?? null }),
        (error: unknown) => say({ id, error: String(error) }),
      );
  }
}

export function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
