/**
 * One simulated process: a drifting clock, an event loop that can be blocked, stopped or killed, and the socket
 * buffers in front of it.
 *
 * While the loop is blocked nothing runs: timers become overdue, datagrams fill the receive buffer and then fall on the
 * floor, stream data waits. Afterwards overdue timers run BEFORE what waits in the buffers: libuv runs timers after
 * each poll, so a loop that was blocked while handling one packet turns to its timers before it reads the next.
 * Work itself takes no time here. Source: libuv `uv_run`.
 */
import { assert } from "../base/assert.ts";
import { MiB } from "../base/units.ts";
import type { Cancel, Clock } from "../port/clock.ts";
import type { SimEvent } from "./event-heap.ts";
import { cancel, type World } from "./world.ts";

export interface HostOptions {
  /** How much faster than the world this host's clock runs, in parts per million. */
  readonly driftPpm?: number;
  /** What this host's clock shows when it is made. */
  readonly clockStartMs?: number;
  /** Receive buffer of its datagram socket. */
  readonly receiveBufferBytes?: number;
}

export type HostState = "running" | "blocked" | "crashed";

/** What the kernel charges a receive buffer for one datagram on top of its bytes. */
const DATAGRAM_OVERHEAD_BYTES = 512;
const RECEIVE_BUFFER_BYTES = 2 * MiB;

export class Host {
  readonly clock: Clock;
  readonly #world: World;
  readonly #rate: number;
  readonly #clockStart: number;
  readonly #worldStart: number;
  readonly #bufferBytesMax: number;
  #clockFloor = 0;
  #state: HostState = "running";
  #life = 0;
  #unblock: SimEvent | undefined;
  #bufferBytes = 0;
  #overdue: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  /** Datagrams that found the receive buffer full. */
  overflows = 0;
  /** For how long the loop was blocked in all. */
  blockedMs = 0;

  constructor(world: World, options: HostOptions = {}) {
    this.#world = world;
    this.#rate = 1 + (options.driftPpm ?? 0) / 1e6;
    this.#clockStart = options.clockStartMs ?? 0;
    this.#worldStart = world.now();
    this.#bufferBytesMax = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES;
    this.clock = {
      now: () => this.now(),
      wall: () => new Date(Math.round(this.now())),
      after: (delayMs, run) => this.alarm(this.now() + Math.max(0, delayMs), run),
    };
  }

  get state(): HostState {
    return this.#state;
  }

  /** Grows with each crash: what was begun in an earlier life must not end in this one. */
  get life(): number {
    return this.#life;
  }

  get isUp(): boolean {
    return this.#state !== "crashed";
  }

  /** What this host's own clock shows. */
  now(): number {
    const shown = this.#clockStart + (this.#world.now() - this.#worldStart) * this.#rate;
    return Math.max(shown, this.#clockFloor);
  }

  /** Run once when this host's clock shows `deadline`, or as soon after as its loop turns; never after a crash. */
  alarm(deadline: number, run: () => void): Cancel {
    const life = this.#life;
    let event: SimEvent | undefined;
    const ring = (): void => {
      // Rounding between the two clocks must not ring an alarm before its time.
      this.#clockFloor = Math.max(this.#clockFloor, deadline);
      if (life === this.#life && event !== undefined) run();
    };
    event = this.#world.at(this.#worldTime(deadline), () => {
      if (life !== this.#life) return;
      if (this.#state === "blocked") this.#overdue.push(ring);
      else ring();
    });
    return () => {
      if (event !== undefined) cancel(event);
      event = undefined;
    };
  }

  /** A datagram arrives. `false`: it was lost to a dead host or a full buffer. */
  datagram(bytes: number, run: () => void): boolean {
    if (this.#state === "running") {
      run();
      return true;
    }
    if (this.#state === "crashed") return false;
    const charge = bytes + DATAGRAM_OVERHEAD_BYTES;
    if (this.#bufferBytes + charge > this.#bufferBytesMax) {
      this.overflows += 1;
      return false;
    }
    this.#bufferBytes += charge;
    this.#waiting.push(run);
    return true;
  }

  /** Stream data arrives; the kernel holds it back while the loop is blocked. */
  streamData(run: () => void): void {
    if (this.#state === "running") run();
    else if (this.#state === "blocked") this.#waiting.push(run);
  }

  /** The event loop does one thing for this long (a long computation, garbage collection, a stolen processor). */
  block(durationMs: number): void {
    if (this.#state === "crashed") return;
    const until = this.#world.now() + durationMs;
    if (this.#unblock !== undefined) {
      if (this.#unblock.at >= until) return;
      cancel(this.#unblock);
      this.blockedMs -= this.#unblock.at - this.#world.now();
    }
    this.blockedMs += durationMs;
    this.#state = "blocked";
    this.#unblock = this.#world.at(until, () => this.resume());
  }

  /** SIGSTOP: like a blocked loop, until `resume`. */
  pause(): void {
    assert(this.#state === "running", "only a running host can be paused");
    this.#state = "blocked";
  }

  /** SIGCONT, or the end of a block: timers first, then the buffers. */
  resume(): void {
    if (this.#state !== "blocked") return;
    if (this.#unblock !== undefined) cancel(this.#unblock);
    this.#unblock = undefined;
    this.#state = "running";
    const { overdue, waiting } = this.#takeBuffers();
    const life = this.#life;
    for (const run of [...overdue, ...waiting]) if (life === this.#life) run();
  }

  /** Power off: silence; nothing that was waiting ever happens. */
  crash(): void {
    if (this.#unblock !== undefined) cancel(this.#unblock);
    this.#unblock = undefined;
    this.#state = "crashed";
    this.#life += 1;
    this.#takeBuffers();
  }

  /** Power on again. The owner must build a new process on it. */
  restart(): void {
    assert(this.#state === "crashed", "only a crashed host can be restarted");
    this.#state = "running";
  }

  #takeBuffers(): { overdue: (() => void)[]; waiting: (() => void)[] } {
    const taken = { overdue: this.#overdue, waiting: this.#waiting };
    this.#overdue = [];
    this.#waiting = [];
    this.#bufferBytes = 0;
    return taken;
  }

  #worldTime(shown: number): number {
    const time = this.#worldStart + (shown - this.#clockStart) / this.#rate;
    return Math.max(time, this.#world.now());
  }
}
