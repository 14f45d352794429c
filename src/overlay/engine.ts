/**
 * The overlay engine: makes the kernel what is wanted, and keeps it so.
 *
 *   want, disturbed, wake -> observe -> observed -> apply -> applied -> observe -> observed, nothing to do: settled
 *
 * Every change is read back. What somebody else changes is repaired and counted: at once when it is reported, at the
 * next audit otherwise. What fails is tried again, more and more slowly up to the time of the audit, and is told with
 * its reason. After a restart it starts from what is in the kernel, so nothing that is right is touched.
 */

import type { Engine, Wake } from "../base/engine.ts";
import { faultOf } from "../base/fault.ts";
import { canonicalAddress } from "../base/ip.ts";
import type { OverlayConfig } from "./config.ts";
import type {
  Look,
  Observation,
  Outcome,
  OverlayEffect,
  OverlayInput,
  OverlayStatus,
  Place,
  Row,
  RowKind,
  Step,
} from "./effects.ts";
import { RETRY_FIRST_MS, ROUNDS_MAX, SEQUENCE_HARD, SETTLE_MS } from "./limits.ts";
import type { ContainerLink, Wanted } from "./messages.ts";
import { planSteps } from "./plan.ts";
import { describe, keyOf } from "./row-key.ts";
import { containerOf, exitContainerOf } from "./rows-network.ts";
import { sameRow } from "./same-row.ts";
import { SpiForms } from "./spi-forms.ts";
import { type Failure, statusOf } from "./status.ts";
import { type WantedRows, wantedRows } from "./wanted-rows.ts";

export class OverlayEngine implements Engine<OverlayInput, OverlayEffect> {
  readonly #config: OverlayConfig;
  readonly #forms = new SpiForms();
  readonly #repairs = new Map<RowKind, number>();
  /** Of the last look that found nothing to do; a row that differs from it was changed by somebody else. */
  #settledRows = new Map<string, Row>();
  #wanted: Wanted | undefined;
  #busy = false;
  #again = false;
  #nextAt = Infinity;
  #rounds = 0;
  #retryMs = RETRY_FIRST_MS;
  #steps: readonly Step[] = [];
  #failures: readonly Failure[] = [];
  #last: { readonly plan: WantedRows; readonly observation: Observation } | undefined;
  #told = "";

  /** `config` has been checked. */
  constructor(config: OverlayConfig) {
    this.#config = config;
  }

  deadline(): number {
    return this.#busy || this.#wanted === undefined ? Infinity : this.#nextAt;
  }

  step(now: number, input: OverlayInput | Wake): OverlayEffect[] {
    switch (input.on) {
      case "want":
        this.#wanted = input.wanted;
        this.#rounds = 0;
        this.#retryMs = RETRY_FIRST_MS;
        return this.#look();
      case "disturbed":
        if (this.#busy) this.#again = true;
        else this.#nextAt = Math.min(this.#nextAt, now + SETTLE_MS);
        return [];
      case "wake":
        return now >= this.deadline() ? this.#look() : [];
      case "observed":
        return this.#observed(now, input.observation);
      case "unobservable":
        this.#failures = [{ subject: {}, why: `the kernel cannot be asked: ${input.why}`, guard: true }];
        return [...this.#tell(false), ...this.#rest(now, true)];
      case "applied":
        return this.#applied(now, input.outcomes);
    }
  }

  #look(): OverlayEffect[] {
    if (this.#busy) {
      this.#again = true;
      return [];
    }
    if (this.#wanted === undefined) return [];
    this.#busy = true;
    this.#again = false;
    return [{ do: "observe", look: lookAt(this.#wanted) }];
  }

  #observed(now: number, observation: Observation): OverlayEffect[] {
    if (this.#wanted === undefined) return [];
    const { keys, peers } = this.#wanted;
    const vteps = [...new Set(peers.map(({ vtep }) => vtep))].filter(isUsable);
    this.#forms.learn(vteps, keys, this.#config.dataPath, observation.usage);
    const plan = wantedRows(this.#wanted, { ...observation, forms: this.#forms.forms }, this.#config);
    this.#last = { plan, observation };
    const steps = planSteps(plan.rows, observation.rows, worn(observation));
    if (steps.length === 0) {
      this.#failures = [];
      this.#rounds = 0;
      this.#retryMs = RETRY_FIRST_MS;
      this.#settledRows = new Map([...plan.rows].map(([key, { row }]) => [key, row]));
      return [...this.#tell(true), ...this.#rest(now, false)];
    }
    this.#countRepairs(steps);
    this.#steps = steps;
    return [{ do: "apply", steps }];
  }

  #applied(now: number, outcomes: readonly Outcome[]): OverlayEffect[] {
    this.#rounds += 1;
    this.#failures = outcomes.flatMap((outcome, at) => failureOf(this.#steps[at]!, outcome));
    const restless = this.#rounds >= ROUNDS_MAX;
    if (this.#failures.length === 0 && !restless) {
      this.#busy = false;
      return this.#look();
    }
    if (restless && this.#failures.length === 0) {
      const what = describe(this.#steps[0]!.operation);
      this.#failures = [{ subject: {}, why: `the kernel does not keep what is put into it: ${what}`, guard: false }];
    }
    return [...this.#tell(false), ...this.#rest(now, true)];
  }

  /** Until the next look: a while, or not at all if something happened in the meantime. */
  #rest(now: number, failed: boolean): OverlayEffect[] {
    this.#busy = false;
    if (this.#again && !failed) return this.#look();
    const waitMs = failed ? Math.min(this.#retryMs, this.#config.auditEveryMs) : this.#config.auditEveryMs;
    if (failed) this.#retryMs *= 2;
    this.#nextAt = now + waitMs;
    return [];
  }

  #countRepairs(steps: readonly Step[]): void {
    for (const { operation, key } of steps) {
      const settled = this.#settledRows.get(key);
      const { row } = operation;
      const isRepair =
        operation.do === "delete"
          ? settled === undefined && this.#settledRows.size > 0 && this.#last?.plan.rows.has(key) === false
          : settled !== undefined && sameRow(settled, row);
      if (!isRepair) continue;
      this.#repairs.set(row.kind, (this.#repairs.get(row.kind) ?? 0) + 1);
      // Once, however often it is tried.
      this.#settledRows.delete(key);
    }
  }

  #tell(settled: boolean): OverlayEffect[] {
    if (this.#last === undefined) return [];
    const { plan, observation } = this.#last;
    const { esp } = observation;
    const status = statusOf({ plan, failures: this.#failures, esp, repairs: this.#repairs, settled });
    const text = spell(status);
    if (text === this.#told) return [];
    this.#told = text;
    return [{ do: "tell", status }];
  }
}

/** Everything that the wanted state speaks of. Ids that are none find nothing, and are refused later. */
function lookAt({ networks, endpoints, exits, peers }: Wanted): Look {
  const containers = new Map<Place, ContainerLink>();
  for (const { id, container } of endpoints) containers.set(containerOf(id), container);
  for (const { id, container } of exits) containers.set(exitContainerOf(id), container);
  const members = networks.flatMap((network) => network.members);
  const vteps = [...new Set([...members, ...peers.map(({ vtep }) => vtep)])].filter(isUsable);
  return { sandboxes: networks.map(({ id }) => id), containers, vteps };
}

function isUsable(vtep: string): boolean {
  try {
    return canonicalAddress(vtep) === vtep;
  } catch (error) {
    faultOf(error);
    return false;
  }
}

/** Associations whose sequence numbers are nearly used up; under a fresh IV mask they may begin anew. */
function worn({ rows, usage }: Observation): Set<string> {
  const outbound = rows.filter((row) => row.kind === "association" && row.association.direction === "outbound");
  return new Set(outbound.map(keyOf).filter((key) => (usage.get(key)?.sequence ?? 0) >= SEQUENCE_HARD));
}

function failureOf({ operation, subject }: Step, outcome: Outcome): Failure[] {
  if (outcome === "done" || outcome === "skipped") return [];
  const { row } = operation;
  const guard =
    row.kind === "filter" || row.kind === "element" || (row.kind === "policy" && row.policy.action === "block");
  return [{ subject, why: `${describe(operation)}: ${outcome.failed}`, guard }];
}

function spell(status: OverlayStatus): string {
  return JSON.stringify(status, (_, part: unknown) => (part instanceof Map ? [...part] : part));
}
