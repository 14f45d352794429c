/** How the demo tells what it did: aligned lines with check marks for people, one JSON object a step for programs. */
import { json, type OutputFormat } from "../cli/print.ts";
import type { Stage } from "./demo-steps.ts";

const TITLE_WIDTH = 24;
const INDENT = " ".repeat(TITLE_WIDTH + 4);

export class DemoReport {
  readonly #write: (text: string) => void;
  readonly #isJson: boolean;
  readonly #startedMs = performance.now();

  constructor(write: (text: string) => void, format: OutputFormat) {
    this.#write = write;
    this.#isJson = format === "json";
  }

  begin(nodes: number): void {
    this.#text(`skep demo: ${nodes} hosts (network namespaces) on one switch, a real skep gossip on each, AES-256\n\n`);
  }

  /** A step begins: on a terminal, say so until its result takes the line. */
  step(title: string): void {
    if (process.stdout.isTTY) this.#text(` … ${title}\r`);
  }

  passed(step: string, evidence: readonly string[], tookMs: number): void {
    if (this.#isJson) this.#write(json({ step, ok: true, evidence, tookMs: Math.round(tookMs) }));
    else this.#write(this.#lines("✓", step, evidence));
  }

  failed(step: string, problem: string, tookMs: number): void {
    if (this.#isJson) this.#write(json({ step, ok: false, problem, tookMs: Math.round(tookMs) }));
    else this.#write(this.#lines("✗", step, problem.split("\n")));
  }

  end(passed: boolean): void {
    const took = ((performance.now() - this.#startedMs) / 1000).toFixed(0);
    this.#text(`\n${passed ? "All steps succeeded" : "A step failed"}; ${took} s.\n`);
  }

  /** What still runs, and how to look at it. */
  keep({ nodes, serf }: Stage): void {
    const commands = nodes.flatMap(({ control }) => [`./skep gossip members --control ${control}`]);
    if (serf !== undefined) commands.push(`ip netns exec ${serf.host.namespace} serf members`);
    const shown = commands.map((command) => `    ${command}\n`).join("");
    this.#text(`\nStill running until Ctrl-C:\n${shown}`);
  }

  #lines(mark: string, title: string, rest: readonly string[]): string {
    const [first = "", ...more] = rest;
    const lines = [` ${mark} ${title.padEnd(TITLE_WIDTH)} ${first}`, ...more.map((line) => `${INDENT}${line}`)];
    return `${lines.join("\n")}\n`;
  }

  #text(text: string): void {
    if (!this.#isJson) this.#write(text);
  }
}
