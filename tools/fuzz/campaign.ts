/**
 * A long run: cuts the work into jobs, gives them to worker threads, adds up what comes back. A target is left alone
 * after its first finding. Memory is watched across jobs too: what the jobs of one target leave behind in one thread must
 * not add up.
 */
import { Worker } from "node:worker_threads";
import { MiB } from "../../src/base/units.ts";
import { INPUT_BYTES_MAX } from "./draft.ts";
import { type Finding, growth, type JobReport } from "./job.ts";
import type { LastInput, Order } from "./worker.ts";

const JOB_INPUTS_MAX = 20_000;
/** What all jobs of one target may leave behind in one thread: caches that are full, compiled code. */
const RUN_GROWTH_BYTES_MAX = 64 * MiB;
const WORKER_HEAP_MIB = 1_024;

export interface CampaignOptions {
  readonly targets: readonly string[];
  readonly seed: number;
  /** All targets together. */
  readonly inputs: number;
  readonly seconds: number | undefined;
  readonly threads: number;
  readonly onReport: (report: JobReport) => void;
}

/** Resolves to what was found, one for each target at most. */
export async function runCampaign(options: CampaignOptions): Promise<readonly Finding[]> {
  const started = performance.now();
  const findings: Finding[] = [];
  const orders = ordersOf(options);
  const nextOrder = (): Order | undefined => {
    const leftMs = options.seconds === undefined ? undefined : options.seconds * 1000 - (performance.now() - started);
    if (leftMs !== undefined && leftMs <= 0) return undefined;
    for (;;) {
      const order = orders.next().value;
      if (order === undefined || !findings.some(({ target }) => target === order.target))
        return order && { ...order, leftMs };
    }
  };
  const work = async (): Promise<void> => {
    let thread = new Thread();
    for (let order = nextOrder(); order !== undefined; order = nextOrder()) {
      const report = await thread.run(order);
      options.onReport(report);
      if (report.finding !== undefined && !findings.some(({ target }) => target === report.target)) {
        findings.push(report.finding);
      }
      if (thread.isDead) thread = new Thread();
    }
    await thread.end();
  };
  await Promise.all(Array.from({ length: options.threads }, work));
  return findings;
}

/** Targets take turns, so that a run that is cut short has tried all of them. */
function* ordersOf({ targets, seed, inputs }: CampaignOptions): Generator<Order, undefined> {
  const each = Math.ceil(inputs / targets.length);
  const size = Math.min(JOB_INPUTS_MAX, Math.max(1_000, Math.ceil(each / 20)));
  for (let job = 0; job * size < each; job++) {
    for (const target of targets) {
      yield { target, seed, job, inputs: Math.min(size, each - job * size), leftMs: undefined };
    }
  }
  return undefined;
}

/** Threads of Node.js 20 do not inherit what tsx does to the main thread. */
const [tsx, worker] = ["tsx/esm/api", "./worker.ts"].map((name) => JSON.stringify(import.meta.resolve(name)));
const bootstrap = `import(${tsx}).then(({ register }) => { register(); return import(${worker}); })`;

class Thread {
  isDead = false;
  readonly #last: LastInput = {
    length: new Int32Array(new SharedArrayBuffer(4)),
    bytes: new Uint8Array(new SharedArrayBuffer(INPUT_BYTES_MAX)),
  };
  readonly #worker = new Worker(bootstrap, {
    eval: true,
    workerData: this.#last,
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MIB },
  });
  /** What the jobs of each target have left behind. */
  readonly #grown = new Map<string, number>();

  /** One job. A thread that dies has found something too. */
  run(order: Order): Promise<JobReport> {
    const worker = this.#worker;
    return new Promise((resolve) => {
      const done = (report: JobReport): void => {
        for (const [event, listener] of Object.entries(listeners)) worker.off(event, listener);
        resolve(this.#weigh(report));
      };
      const die = (error: Error): void => {
        this.isDead = true;
        done(this.#death(order, error));
      };
      const listeners = {
        message: done,
        error: die,
        exit: (code: number): void => die(new Error(`it ended by itself with ${code}`)),
      };
      worker.on("message", listeners.message).on("error", listeners.error).on("exit", listeners.exit);
      worker.postMessage(order);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #weigh(report: JobReport): JobReport {
    const grown = (this.#grown.get(report.target) ?? 0) + report.grownBytes;
    this.#grown.set(report.target, grown);
    if (report.finding !== undefined || grown <= RUN_GROWTH_BYTES_MAX) return report;
    const finding = { target: report.target, problem: growth(grown, report.inputs), input: undefined, foundBytes: 0 };
    return { ...report, finding };
  }

  #death({ target }: Order, error: Error): JobReport {
    const input = this.#last.bytes.slice(0, this.#last.length[0]);
    const problem = { kind: "death", text: `the thread died: ${error.stack ?? error.message}` } as const;
    const finding = { target, problem, input, foundBytes: input.length };
    return { target, inputs: 0, verdicts: new Map(), slowestMs: 0, grownBytes: 0, finding };
  }
}
