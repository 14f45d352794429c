/**
 * When what others said wrongly about us is set right: the first time at once, then later and later, until there was
 * quiet. Two nodes that own the same entry, each sure of it, would otherwise repair it forever at the speed of gossip,
 * and so would we for whoever goes on lying.
 */
import type { TablesEffect } from "./effects.ts";
import type { TablesContext } from "./engine-context.ts";
import { REPAIR_AGAIN_MS, REPAIR_AGAIN_MS_MAX, REPAIR_QUIET_MS, REPAIRS_MAX } from "./limits.ts";

type What = Extract<TablesEffect, { do: "repaired" }>["what"];

/** Something that had to be set right lately. */
interface Repair {
  /** How often. */
  times: number;
  lastAt: number;
  /** It waits until then. */
  due?: { readonly at: number; readonly what: What; readonly detail: string; readonly run: () => void };
}

export class RepairEngine {
  readonly #context: TablesContext;
  /** The one that was repaired longest ago first. */
  readonly #repairs = new Map<string, Repair>();
  #nextAt = Number.POSITIVE_INFINITY;

  constructor(context: TablesContext) {
    this.#context = context;
  }

  deadline(): number {
    return this.#nextAt;
  }

  /** Set `name` right by `run`, which looks at the truth of its moment: now, or when it is its turn. */
  request(what: What, name: string, detail: string, run: () => void): void {
    const { now } = this.#context;
    const id = `${what} ${name}`;
    const known = this.#repairs.get(id);
    const repair = known !== undefined && now < known.lastAt + REPAIR_QUIET_MS ? known : { times: 0, lastAt: now };
    if (repair.due !== undefined) return;
    if (known === undefined && !this.#hasRoom()) {
      this.#context.drop("queueFull", undefined, `too much to set right: ${detail}`);
      return;
    }
    this.#repairs.set(id, repair);
    const waitMs = repair.times === 0 ? 0 : Math.min(REPAIR_AGAIN_MS * 2 ** (repair.times - 1), REPAIR_AGAIN_MS_MAX);
    const at = Math.max(now, repair.lastAt + waitMs);
    repair.due = { at, what, detail, run };
    if (at <= now) this.#carryOut(id, repair);
    else this.#nextAt = Math.min(this.#nextAt, at);
  }

  wake(): void {
    if (this.#context.now < this.#nextAt) return;
    this.#nextAt = Number.POSITIVE_INFINITY;
    for (const [id, repair] of [...this.#repairs]) {
      if (repair.due === undefined) continue;
      if (repair.due.at <= this.#context.now) this.#carryOut(id, repair);
      else this.#nextAt = Math.min(this.#nextAt, repair.due.at);
    }
  }

  /** Forget what has been quiet. */
  reap(): void {
    for (const [id, { lastAt, due }] of this.#repairs) {
      if (this.#context.now < lastAt + REPAIR_QUIET_MS) break;
      if (due === undefined) this.#repairs.delete(id);
    }
  }

  #carryOut(id: string, repair: Repair): void {
    const { due } = repair;
    delete repair.due;
    repair.times += 1;
    repair.lastAt = this.#context.now;
    this.#repairs.delete(id);
    this.#repairs.set(id, repair);
    if (due === undefined) return;
    due.run();
    this.#context.repaired(due.what, due.detail);
  }

  #hasRoom(): boolean {
    if (this.#repairs.size >= REPAIRS_MAX) this.reap();
    return this.#repairs.size < REPAIRS_MAX;
  }
}
