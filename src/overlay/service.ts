/**
 * The overlay networks of a node: the engine with a real kernel around it.
 *
 *   want -> engine -> observe, apply -> service-kernel.ts -> netlink
 *                  <- observed, applied, disturbed <-
 *
 * When it stops, everything stays as it is, guards too: a node that is killed or updated interrupts nothing, and the
 * next one adopts what it finds.
 */
import { type Driven, drive } from "../base/drive.ts";
import { Fault, faultOf } from "../base/fault.ts";
import type { Clock } from "../port/clock.ts";
import type { Log } from "../port/log.ts";
import { checkConfig, type OverlayConfig } from "./config.ts";
import type { OverlayEffect, OverlayInput, OverlayStatus } from "./effects.ts";
import { OverlayEngine } from "./engine.ts";
import type { Wanted } from "./messages.ts";
import { OverlayKernel } from "./service-kernel.ts";
import type { PlacePorts } from "./service-places.ts";

export interface OverlayPorts extends PlacePorts {
  readonly clock: Clock;
  readonly log: Log;
}

export type OverlayListener = (status: OverlayStatus) => void;

export class OverlayService {
  readonly #kernel: OverlayKernel;
  readonly #driven: Driven<OverlayInput>;
  readonly #log: Log;
  readonly #listeners = new Set<OverlayListener>();
  #status: OverlayStatus | undefined;
  #stopped = false;

  /** Nothing is touched before the first `want`. Throws `Fault`: `invalid` for the configuration, or the kernel's. */
  constructor(config: OverlayConfig, ports: OverlayPorts) {
    checkConfig(config);
    this.#log = ports.log.child({ part: "overlay" });
    const engine = new OverlayEngine(config);
    this.#kernel = new OverlayKernel(config, ports, (what) => {
      if (!this.#stopped) this.#driven({ on: "disturbed", what });
    });
    this.#driven = drive(engine, ports.clock, (effect) => this.#perform(effect));
  }

  /** This, and nothing else, from now on; carried out as far as it can be before this returns. */
  want(wanted: Wanted): void {
    if (this.#stopped) throw new Fault("conflict", "the overlay driver has been stopped");
    this.#driven({ on: "want", wanted });
  }

  /** After the first `want`. */
  get status(): OverlayStatus | undefined {
    return this.#status;
  }

  /** Told whenever the status changes; the result ends that. */
  listen(listener: OverlayListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Touch nothing any more. Twice is the same as once. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#driven.stop();
    this.#kernel.close();
  }

  #perform(effect: OverlayEffect): void {
    switch (effect.do) {
      case "observe":
        this.#driven(this.#observe(effect));
        return;
      case "apply":
        this.#driven({ on: "applied", outcomes: this.#kernel.apply(effect.steps) });
        return;
      case "tell":
        this.#tell(effect.status);
    }
  }

  #observe({ look }: Extract<OverlayEffect, { do: "observe" }>): OverlayInput {
    try {
      return { on: "observed", observation: this.#kernel.observe(look) };
    } catch (error) {
      return { on: "unobservable", why: faultOf(error).message };
    }
  }

  /** The log follows the status; whoever wants to know asks for the status. */
  #tell(status: OverlayStatus): void {
    const before = this.#status;
    this.#status = status;
    for (const [id, { state, problems }] of status.networks) {
      if (before?.networks.get(id)?.state === state) continue;
      const fields = { network: id, state, why: problems[0] };
      if (state === "ready") this.#log.info("network", fields);
      else this.#log.warn("network", fields);
    }
    for (const listener of [...this.#listeners]) listener(status);
  }
}
