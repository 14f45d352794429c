/** One thread of the fuzzer: takes jobs from the main thread and answers each with a report. */
import { parentPort, workerData } from "node:worker_threads";
import { runJob } from "./job.ts";
import { targetNamed } from "./registry.ts";

export interface Order {
  readonly target: string;
  readonly seed: number;
  readonly job: number;
  readonly inputs: number;
  /** Milliseconds that are left; clocks of threads begin at different moments. */
  readonly leftMs: number | undefined;
}

/** What the main thread still sees of the last input when the worker has died: its length, then its bytes. */
export interface LastInput {
  readonly length: Int32Array;
  readonly bytes: Uint8Array;
}

/** Most inputs end in a fault, and its stack costs more than the decoding; a few places are enough to find a bug. */
Error.stackTraceLimit = 4;

const { length, bytes } = workerData as LastInput;

function announce(input: Uint8Array): void {
  bytes.set(input);
  length[0] = input.length;
}

parentPort?.on("message", ({ target: name, leftMs, ...order }: Order) => {
  const target = targetNamed(name)!;
  const end = leftMs === undefined ? {} : { endsAt: performance.now() + leftMs };
  parentPort?.postMessage(runJob({ target, announce, ...order, ...end }));
});
