/**
 * `skep demo`: builds a small network inside this machine, runs the steps of demo-steps.ts on it, and reports.
 * The network and everything in it is gone when this ends, however it ends.
 */
import { Fault } from "../base/fault.ts";
import type { DemoOptions } from "../cli/demo.ts";
import { Capture } from "../lab/capture.ts";
import { Lab, labObstacle } from "../lab/lab.ts";
import { DemoReport } from "./demo-report.ts";
import { names, type Stage, type Step, serfName, steps, strangerNames } from "./demo-steps.ts";

/** The demo as a command; `stopAsked` resolves at the first SIGINT or SIGTERM after it was called. */
export function demoAction(
  write: (text: string) => void,
  stopAsked: () => Promise<void>,
): (options: DemoOptions) => Promise<number> {
  return async (options) => {
    const obstacle = await labObstacle();
    if (obstacle !== undefined) throw new Fault("unavailable", `the demo cannot run here: ${obstacle}`);
    const report = new DemoReport(write, options.format);
    const own = names.slice(0, options.nodes);
    report.begin(own.length);
    const lab = await Lab.create([...own, serfName, ...strangerNames]);
    try {
      const stage = await prepare(lab);
      const passed = await play(stage, report);
      report.end(passed);
      if (options.keep) {
        report.keep(stage);
        await stopAsked();
      }
      return passed ? 0 : 1;
    } finally {
      await lab.dispose();
    }
  };
}

async function prepare(lab: Lab): Promise<Stage> {
  const strangers = strangerNames.map((name) => lab.host(name));
  const others = lab.hosts.filter((host) => !strangers.includes(host));
  const filter = strangers.map(({ address }) => `not host ${address}`).join(" and ");
  const capture = await Capture.start(lab, others, `(ip or ip6) and ${filter}`);
  const control = await Capture.start(lab, [lab.host(strangerNames[1])]);
  return { lab, capture, control, nodes: [], serf: undefined, keys: [] };
}

/** False: a step failed, and the rest was not tried. */
async function play(stage: Stage, report: DemoReport): Promise<boolean> {
  for (const step of steps) if (!(await playOne(step, stage, report))) return false;
  return true;
}

async function playOne(step: Step, stage: Stage, report: DemoReport): Promise<boolean> {
  const startedMs = performance.now();
  report.step(step.title);
  try {
    const evidence = await step.run(stage);
    report.passed(step.title, evidence, performance.now() - startedMs);
    return true;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    report.failed(step.title, error.message, performance.now() - startedMs);
    return false;
  }
}
