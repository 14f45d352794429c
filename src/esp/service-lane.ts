/**
 * One way of the packet path: takes a batch from a ring, lets the engine seal or open it in place, sends it on.
 *
 * Runs on a thread of its own and sleeps only in `ring.wait`. Between two batches it takes orders, so that an order
 * that is done holds for every later packet, and for none before. What the engine drops goes nowhere.
 */
import type { Clock } from "../port/clock.ts";
import type { PacketRing } from "../port/packet-ring.ts";
import type { EspEffect, LaneCounts, LaneOrder, LaneReport } from "./effects.ts";
import type { EspEngine } from "./engine.ts";
import { destinationOf, ipv4HeaderLength, putIpv4Header, sourceOf, trafficClass } from "./ipv4-header.ts";
import { type PacketSlot, PROTOCOL_ESP, PROTOCOL_UDP } from "./messages.ts";

export interface LanePorts {
  readonly clock: Pick<Clock, "now">;
  readonly ring: PacketRing;
  readonly engine: EspEngine;
  /** The next order, without waiting. */
  readonly nextOrder: () => LaneOrder | undefined;
  readonly report: (report: LaneReport) => void;
}

/** How often counters are reported. */
export const COUNT_EVERY_MS = 500;
/** Batches between two looks for orders. */
const BATCHES_PER_LOOK = 8;

export class Lane {
  readonly #seals: boolean;
  readonly #ports: LanePorts;
  readonly #slot: PacketSlot;
  #packets = 0;
  #bytes = 0;
  #foreign = 0;
  #refused = 0;
  #countAt = 0;
  #stopOrder: number | undefined;

  constructor(direction: "outbound" | "inbound", ports: LanePorts) {
    this.#seals = direction === "outbound";
    this.#ports = ports;
    this.#slot = { bytes: ports.ring.bytes, at: 0, length: 0 };
  }

  /** Until a stop order was carried out. */
  run(): void {
    const { ring } = this.#ports;
    for (;;) {
      this.#takeOrders();
      let moved = true;
      for (let batch = 0; moved && batch < BATCHES_PER_LOOK; batch++) moved = this.#batch();
      this.#tell();
      if (moved) continue;
      if (this.#stopOrder !== undefined) break;
      const now = this.#ports.clock.now();
      ring.wait(Math.max(0, Math.min(this.#ports.engine.deadline(), this.#countAt) - now));
    }
    this.#end(this.#stopOrder);
  }

  /** Whether there was anything. */
  #batch(): boolean {
    const { ring } = this.#ports;
    const count = ring.receive();
    for (let slot = 0; slot < count; slot++) {
      if (this.#seals) this.#seal(ring.start(slot), ring.length(slot));
      else this.#open(ring.start(slot), ring.length(slot));
    }
    if (count > 0) this.#refused += ring.flush();
    return count > 0;
  }

  #seal(at: number, length: number): void {
    const { ring, engine } = this.#ports;
    const { bytes } = ring;
    const headerLength = ipv4HeaderLength(bytes, at, length, PROTOCOL_UDP);
    if (headerLength === 0) {
      this.#foreign += 1;
      return;
    }
    // Sealing overwrites the header.
    const [source, destination, traffic] = [sourceOf(bytes, at), destinationOf(bytes, at), trafficClass(bytes, at)];
    const slot = this.#slot;
    slot.at = at + headerLength;
    slot.length = length - headerLength;
    if (engine.seal(slot, source, destination) !== undefined) return;
    this.#count(length - headerLength);
    ring.send(slot.at, slot.length, destination, traffic);
  }

  #open(at: number, length: number): void {
    const { ring, engine } = this.#ports;
    const { bytes } = ring;
    const headerLength = ipv4HeaderLength(bytes, at, length, PROTOCOL_ESP);
    if (headerLength === 0) {
      this.#foreign += 1;
      return;
    }
    const header = {
      protocol: PROTOCOL_UDP,
      trafficClass: trafficClass(bytes, at),
      source: sourceOf(bytes, at),
      destination: destinationOf(bytes, at),
    };
    const slot = this.#slot;
    slot.at = at + headerLength;
    slot.length = length - headerLength;
    if (engine.open(slot, header.source, header.destination) !== undefined) return;
    this.#count(slot.length);
    const start = putIpv4Header(bytes, slot.at, slot.length, header);
    ring.send(start, slot.at + slot.length - start, header.destination, header.trafficClass);
  }

  #count(bytes: number): void {
    this.#packets += 1;
    this.#bytes += bytes;
  }

  #takeOrders(): void {
    const { engine, clock, nextOrder, report } = this.#ports;
    for (let order = nextOrder(); order !== undefined; order = nextOrder()) {
      const effects: EspEffect[] = [];
      for (const input of order.inputs) effects.push(...engine.step(clock.now(), input));
      if (order.ask === "stop") this.#stopOrder = order.order;
      else report({ say: "done", order: order.order, effects });
    }
  }

  #tell(): void {
    const { engine, clock, report } = this.#ports;
    const now = clock.now();
    if (engine.deadline() <= now) {
      const effects = engine.step(now, { on: "wake" });
      if (effects.length > 0) report({ say: "told", effects });
    }
    if (now < this.#countAt) return;
    this.#countAt = now + COUNT_EVERY_MS;
    report({ say: "counted", counts: this.#counts() });
  }

  #end(order: number): void {
    const { engine, report } = this.#ports;
    report({ say: "counted", counts: this.#counts() });
    engine.destroy();
    report({ say: "done", order, effects: [] });
  }

  #counts(): LaneCounts {
    const { engine } = this.#ports;
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      drops: engine.drops(),
      foreign: this.#foreign,
      refused: this.#refused,
      usages: engine.usages(),
    };
  }
}
