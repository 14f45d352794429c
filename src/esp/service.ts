/**
 * The ESP service: owns two lanes, one for each way, and tells them which associations there are.
 *
 * A promise is kept when the lane has carried the order out, so that "receive with it here" can come before "send with
 * it there". A lane that dies stops traffic: what it would have carried waits in bounded queues and is dropped there,
 * never sent in clear. It is started again with the associations it had, except those for which a new life would be
 * wrong: a strict receiver would take the restarted numbers for old ones, and a window that forgot would let replays
 * in. These are told as `lost`, and their owner brings new keys.
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { seconds } from "../base/units.ts";
import { type AssociationId, associationName, type SecurityAssociation } from "../model/security-association.ts";
import type { Cancel, Clock } from "../port/clock.ts";
import type { Log } from "../port/log.ts";
import type { EspEffect, EspInput, LaneCounts, LaneOrder, LaneReport, Usage } from "./effects.ts";

export type Direction = SecurityAssociation["direction"];

/** A lane on its thread. */
export interface RunningLane {
  order(order: LaneOrder): void;
  /** End it without waiting for anything; `ended` is called all the same. */
  kill(): void;
}

export interface LaneEvents {
  report(report: LaneReport): void;
  /** The thread is over; `error` says why, if it was not asked to end. */
  ended(error: Error | undefined): void;
}

export interface EspServicePorts {
  readonly clock: Clock;
  readonly log: Log;
  /** Start the lane of this direction on a thread of its own. */
  readonly startLane: (direction: Direction, events: LaneEvents) => RunningLane;
}

export type EspEvent =
  | Exclude<EspEffect, { do: "refused" } | { do: "removed" }>
  /** The lane that used it has died; it is not used any more. */
  | { readonly do: "lost"; readonly id: AssociationId };

export interface DirectionCounts extends LaneCounts {
  /** Times the lane died unasked. */
  readonly crashes: number;
}

const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = seconds(10);
/** A lane that lived so long has recovered from whatever killed the one before. */
const RECOVERED_MS = seconds(30);
const STOP_MS_MAX = seconds(5);

export class EspService {
  readonly #lanes: Readonly<Record<Direction, LaneKeeper>>;
  readonly #listeners = new Set<(event: EspEvent) => void>();

  constructor(ports: EspServicePorts) {
    const tell = (event: EspEvent): void => {
      for (const listener of this.#listeners) listener(event);
    };
    this.#lanes = {
      outbound: new LaneKeeper("outbound", ports, tell),
      inbound: new LaneKeeper("inbound", ports, tell),
    };
  }

  /** Hear of limits, restarts of peers and losses; the result ends that. */
  listen(listener: (event: EspEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when it is in use. Rejects with a `Fault`: `invalid`, `conflict`, `unavailable`. */
  async install(association: SecurityAssociation): Promise<void> {
    await this.#lanes[association.direction].ask({ on: "install", association });
  }

  /** Send to `peer` with its outbound association `spi` from now on. Rejects with a `Fault`: `notFound`, ... */
  async transmit(peer: string, spi: number): Promise<void> {
    await this.#lanes.outbound.ask({ on: "transmit", peer, spi });
  }

  /** Let an outbound association count from 1 again. Rejects with a `Fault`: `notFound`, `conflict`, ... */
  async restart(id: AssociationId): Promise<void> {
    await this.#lanes[id.direction].ask({ on: "restart", id });
  }

  /** Resolves to what it carried, when it is forgotten. Rejects with a `Fault`: `notFound`, ... */
  async remove(id: AssociationId): Promise<Usage> {
    const effects = await this.#lanes[id.direction].ask({ on: "remove", id });
    const removed = effects.find((effect) => effect.do === "removed");
    assert(removed?.do === "removed", "what is not refused is removed");
    return removed.usage;
  }

  /** As of the last report of each lane; `undefined` before the first. */
  counts(direction: Direction): DirectionCounts | undefined {
    return this.#lanes[direction].counts;
  }

  /** Let both lanes finish what is waiting, then end them; kill a lane that does not. */
  async stop(): Promise<void> {
    await this.#lanes.outbound.stop();
    await this.#lanes.inbound.stop();
  }
}

interface Pending {
  readonly input: EspInput | undefined;
  readonly resolve: (effects: readonly EspEffect[]) => void;
  readonly reject: (fault: Fault) => void;
}

/** One lane through its lives: what it should know, what it was asked, when it comes back. */
class LaneKeeper {
  readonly #direction: Direction;
  readonly #ports: EspServicePorts;
  readonly #tell: (event: EspEvent) => void;
  readonly #wanted = new Map<string, SecurityAssociation>();
  readonly #transmits = new Map<string, number>();
  readonly #pending = new Map<number, Pending>();
  #lane: RunningLane | undefined;
  #orders = 0;
  #counts: LaneCounts | undefined;
  #crashes = 0;
  #restartMs = RESTART_MS_MIN;
  #startedAt = 0;
  #stopping = false;
  #cancel: Cancel = () => undefined;
  #over: () => void = () => undefined;

  constructor(direction: Direction, ports: EspServicePorts, tell: (event: EspEvent) => void) {
    this.#direction = direction;
    this.#ports = ports;
    this.#tell = tell;
    this.#start();
  }

  get counts(): DirectionCounts | undefined {
    return this.#counts === undefined ? undefined : { ...this.#counts, crashes: this.#crashes };
  }

  ask(input: EspInput): Promise<readonly EspEffect[]> {
    return this.#order("take", [input]);
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#cancel();
    const lane = this.#lane;
    if (lane === undefined) return;
    const over = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    const cancel = this.#ports.clock.after(STOP_MS_MAX, () => lane.kill());
    await this.#order("stop", []).catch(() => undefined);
    await over;
    cancel();
  }

  #start(): void {
    this.#startedAt = this.#ports.clock.now();
    const events: LaneEvents = {
      report: (report) => this.#hear(report),
      ended: (error) => this.#ended(error),
    };
    this.#lane = this.#ports.startLane(this.#direction, events);
    const installs = [...this.#wanted.values()].map((association): EspInput => ({ on: "install", association }));
    const transmits = [...this.#transmits].map(([peer, spi]): EspInput => ({ on: "transmit", peer, spi }));
    // Nobody waits for these; a refusal is logged as any.
    if (installs.length > 0) void this.#order("take", [...installs, ...transmits]).catch(() => undefined);
  }

  #order(ask: LaneOrder["ask"], inputs: readonly EspInput[]): Promise<readonly EspEffect[]> {
    const lane = this.#lane;
    if (lane === undefined) {
      return Promise.reject(new Fault("unavailable", `the ${this.#direction} lane of ESP is not running`));
    }
    this.#orders += 1;
    const order = this.#orders;
    return new Promise((resolve, reject) => {
      this.#pending.set(order, { input: inputs.length === 1 ? inputs[0] : undefined, resolve, reject });
      lane.order({ order, ask, inputs });
    });
  }

  #hear(report: LaneReport): void {
    if (report.say === "counted") this.#counts = report.counts;
    else if (report.say === "told") this.#pass(report.effects);
    else this.#done(report.order, report.effects);
  }

  #done(order: number, effects: readonly EspEffect[]): void {
    const pending = this.#pending.get(order);
    this.#pending.delete(order);
    if (pending === undefined) return;
    this.#pass(effects);
    const refused = effects.find((effect) => effect.do === "refused");
    if (refused?.do === "refused") pending.reject(refused.fault);
    else {
      if (pending.input !== undefined) this.#remember(pending.input);
      pending.resolve(effects);
    }
  }

  /** What was carried out once is carried out again in the next life. */
  #remember(input: EspInput): void {
    if (input.on === "install") this.#wanted.set(keyOf(input.association), input.association);
    if (input.on === "transmit") this.#transmits.set(input.peer, input.spi);
    if (input.on === "remove") this.#forget(input.id);
  }

  #forget(id: AssociationId): void {
    this.#wanted.delete(keyOf(id));
    if (this.#transmits.get(id.destination) === id.spi) this.#transmits.delete(id.destination);
  }

  #pass(effects: readonly EspEffect[]): void {
    for (const effect of effects) {
      if (effect.do === "refused") this.#ports.log.warn("ESP refused an order", { why: effect.fault.message });
      else if (effect.do !== "removed") this.#tell(effect);
    }
  }

  #ended(error: Error | undefined): void {
    this.#lane = undefined;
    for (const { reject } of this.#pending.values()) {
      reject(new Fault("unavailable", `the ${this.#direction} lane of ESP ended`, error));
    }
    this.#pending.clear();
    if (this.#stopping) this.#over();
    else this.#recover(error);
  }

  #recover(error: Error | undefined): void {
    this.#crashes += 1;
    const { clock, log } = this.#ports;
    log.error("a lane of ESP died; its traffic stands still", {
      lane: this.#direction,
      why: error?.message ?? "ended",
    });
    if (clock.now() - this.#startedAt > RECOVERED_MS) this.#restartMs = RESTART_MS_MIN;
    this.#lose();
    this.#cancel = clock.after(this.#restartMs, () => this.#start());
    this.#restartMs = Math.min(RESTART_MS_MAX, this.#restartMs * 2);
  }

  #lose(): void {
    for (const association of [...this.#wanted.values()]) {
      const { window, senderMayRestart } = association.replay;
      if (senderMayRestart || (this.#direction === "inbound" && window === 0)) continue;
      const { direction, spi, source, destination } = association;
      this.#forget(association);
      this.#tell({ do: "lost", id: { direction, spi, source, destination } });
    }
  }
}

function keyOf(id: AssociationId): string {
  return associationName(id);
}
