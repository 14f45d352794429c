/** A lane over a ring in memory, and the service over lanes that step instead of running on threads. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodeEspCiphers } from "../../../src/crypt/esp-cipher.ts";
import type { LaneOrder, LaneReport } from "../../../src/esp/effects.ts";
import { EspEngine } from "../../../src/esp/engine.ts";
import { PROTOCOL_ESP, PROTOCOL_UDP } from "../../../src/esp/messages.ts";
import { type EspEvent, EspService, type LaneEvents } from "../../../src/esp/service.ts";
import { Lane } from "../../../src/esp/service-lane.ts";
import type { SecurityAssociation } from "../../../src/model/security-association.ts";
import { systemRandom } from "../../../src/os/random.ts";
import type { Clock } from "../../../src/port/clock.ts";
import type { PacketRing } from "../../../src/port/packet-ring.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";
import { association, HERE, hex, numbered, receiving, THERE, VXLAN_PORT } from "../../support/esp.ts";
import { recordingLog } from "../../support/recording-log.ts";

const SLOT_BYTES = 2048;
const BATCH = 4;

/** Packets wait in `waiting`; what was sent is in `sent`. */
class MemoryRing implements PacketRing {
  readonly bytes = new Uint8Array(BATCH * SLOT_BYTES);
  readonly waiting: Uint8Array[] = [];
  readonly sent: { readonly packet: Uint8Array; readonly destination: number; readonly trafficClass: number }[] = [];
  refuse = 0;
  waits = 0;
  #lengths: number[] = [];

  receive(): number {
    const batch = this.waiting.splice(0, BATCH);
    for (const [slot, packet] of batch.entries()) this.bytes.set(packet, this.start(slot));
    this.#lengths = batch.map((packet) => packet.length);
    return batch.length;
  }

  start(slot: number): number {
    return slot * SLOT_BYTES + 64;
  }

  length(slot: number): number {
    return this.#lengths[slot] ?? 0;
  }

  send(at: number, length: number, destination: number, trafficClass: number): void {
    this.sent.push({ packet: this.bytes.slice(at, at + length), destination, trafficClass });
  }

  flush(): number {
    const { refuse } = this;
    this.refuse = 0;
    return refuse;
  }

  wait(): void {
    this.waits += 1;
    assert.ok(this.waits < 100, "a lane without orders would sleep here for ever");
  }
}

function ipv4(protocol: number, payload: Uint8Array, source = HERE, traffic = 0): Uint8Array {
  const head = new Uint8Array(20);
  const view = new DataView(head.buffer);
  head[0] = 0x45;
  head[1] = traffic;
  view.setUint16(2, 20 + payload.length);
  head[9] = protocol;
  head.set(source.split(".").map(Number), 12);
  head.set(THERE.split(".").map(Number), 16);
  return concatBytes(head, payload);
}

/** Let a lane run until it has carried out these orders, each given when the one before is done. */
function run(direction: "outbound" | "inbound", ring: MemoryRing, orders: readonly LaneOrder[]): LaneReport[] {
  const reports: LaneReport[] = [];
  const left = [...orders];
  new Lane(direction, {
    clock: { now: () => 0 },
    ring,
    engine: new EspEngine({ port: VXLAN_PORT }, { ciphers: nodeEspCiphers, random: systemRandom() }),
    nextOrder: () => left.shift(),
    report: (report) => reports.push(report),
  }).run();
  return reports;
}

function installing(one: SecurityAssociation): LaneOrder {
  const install = { on: "install", association: one } as const;
  if (one.direction === "inbound") return { order: 1, ask: "take", inputs: [install] };
  return { order: 1, ask: "take", inputs: [install, { on: "transmit", peer: one.destination, spi: one.spi }] };
}

const stop: LaneOrder = { order: 2, ask: "stop", inputs: [] };

describe("a lane", () => {
  test("seals what waits, and the other way opens it: the same datagrams, addresses and traffic class", () => {
    const one = association();
    const [out, back] = [new MemoryRing(), new MemoryRing()];
    for (let count = 0; count < 10; count++) out.waiting.push(ipv4(PROTOCOL_UDP, numbered(count), HERE, count % 4));
    run("outbound", out, [installing(one), stop]);
    assert.deepEqual(
      out.sent.map(({ destination, trafficClass }) => [destination, trafficClass]),
      Array.from({ length: 10 }, (_, count) => [0xc0000202, count % 4]),
    );
    for (const { packet, trafficClass } of out.sent) back.waiting.push(ipv4(PROTOCOL_ESP, packet, HERE, trafficClass));
    run("inbound", back, [installing(receiving(one)), stop]);
    assert.equal(back.sent.length, 10);
    for (const [count, { packet }] of back.sent.entries()) {
      assert.equal(hex(packet.subarray(20)), hex(numbered(count)));
      assert.equal(hex(packet.subarray(12, 20)), "c0000201c0000202");
      assert.deepEqual([packet[0], packet[1], packet[9]], [0x45, count % 4, PROTOCOL_UDP]);
    }
  });

  test("stopping comes after everything that waits", () => {
    const ring = new MemoryRing();
    for (let count = 0; count < 99; count++) ring.waiting.push(ipv4(PROTOCOL_UDP, numbered(count)));
    const reports = run("outbound", ring, [installing(association()), stop]);
    assert.equal(ring.sent.length, 99);
    assert.deepEqual(reports.at(-1), { say: "done", order: 2, effects: [] });
    const counted = reports.findLast((report) => report.say === "counted");
    assert.equal(counted?.say === "counted" && counted.counts.packets, 99);
  });

  test("what is no datagram, what has no association and what the system refuses is counted, and never sent on", () => {
    const ring = new MemoryRing();
    ring.waiting.push(
      new Uint8Array(0),
      new Uint8Array(40).fill(0x60),
      ipv4(6, numbered(1)),
      ipv4(PROTOCOL_UDP, numbered(1)),
    );
    ring.refuse = 1;
    const reports = run("outbound", ring, [stop]);
    assert.equal(ring.sent.length, 0);
    const counted = reports.findLast((report) => report.say === "counted");
    assert.ok(counted?.say === "counted");
    assert.deepEqual(
      [counted.counts.foreign, counted.counts.drops.noAssociation, counted.counts.refused, counted.counts.packets],
      [3, 1, 1, 0],
    );
  });
});

/** Time by hand. */
class HandClock implements Clock {
  #now = 0;
  #timers: { readonly at: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wall(): Date {
    return new Date(0);
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#now + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  pass(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
  }
}

/** A real engine that takes orders at once; it can be made to die, or to hang. */
class SteppedLane {
  readonly engine = new EspEngine({ port: VXLAN_PORT }, { ciphers: nodeEspCiphers, random: systemRandom() });
  readonly events: LaneEvents;
  hangs = false;
  killed = false;

  constructor(events: LaneEvents) {
    this.events = events;
  }

  order({ order, ask, inputs }: LaneOrder): void {
    if (this.hangs) return;
    const effects = inputs.flatMap((input) => this.engine.step(0, input));
    queueMicrotask(() => {
      this.events.report({ say: "done", order, effects });
      if (ask === "stop") this.events.ended(undefined);
    });
  }

  kill(): void {
    this.killed = true;
    this.events.ended(new Error("killed"));
  }
}

function serviceOverLanes() {
  const clock = new HandClock();
  const lanes: Record<"outbound" | "inbound", SteppedLane[]> = { outbound: [], inbound: [] };
  const { log, lines } = recordingLog();
  const service = new EspService({
    clock,
    log,
    startLane: (direction, events) => {
      const lane = new SteppedLane(events);
      lanes[direction].push(lane);
      return lane;
    },
  });
  const events: EspEvent[] = [];
  service.listen((event) => events.push(event));
  const last = (direction: "outbound" | "inbound"): SteppedLane => lanes[direction].at(-1)!;
  return { clock, lanes, service, events, last, lines };
}

const tolerant = { replay: { window: 64, senderMayRestart: true } };

describe("the service", () => {
  test("keeps a promise when the lane has done it, and breaks it with the lane's reason", async () => {
    const { service, last } = serviceOverLanes();
    const one = association();
    await service.install(one);
    await service.install(receiving(one));
    await service.transmit(one.destination, one.spi);
    assert.deepEqual([last("outbound").engine.associations, last("inbound").engine.associations], [1, 1]);
    await assert.rejects(service.transmit(THERE, 999), { code: "notFound" });
    await assert.rejects(service.install(association()), { code: "conflict" });
    await assert.rejects(service.restart(one), { code: "conflict" });
    assert.equal((await service.remove(one)).packets, 0);
    await assert.rejects(service.remove(one), { code: "notFound" });
    await service.stop();
  });

  test("a dead lane comes back with what bears a new life; the rest is told as lost", async () => {
    const { clock, lanes, service, events, last, lines } = serviceOverLanes();
    const [strict, ring] = [association({ spi: 500 }), association({ spi: 600, ...tolerant })];
    for (const one of [strict, ring]) {
      await service.install(one);
      await service.install(receiving(one));
    }
    await service.transmit(THERE, ring.spi);
    for (const direction of ["outbound", "inbound"] as const) last(direction).events.ended(new Error("out of memory"));
    assert.deepEqual(
      events.map((event) => [event.do, "id" in event && event.id.direction, "id" in event && event.id.spi]),
      [
        ["lost", "outbound", 500],
        ["lost", "inbound", 500],
      ],
    );
    await assert.rejects(service.install(strict), { code: "unavailable" });
    clock.pass(99);
    assert.equal(lanes.outbound.length, 1);
    clock.pass(1);
    await Promise.resolve();
    assert.equal(lanes.outbound.length, 2);
    assert.equal(last("outbound").engine.usage(ring)?.packets, 0);
    assert.equal(last("inbound").engine.usage(receiving(ring))?.packets, 0);
    assert.equal(last("outbound").engine.usage(strict), undefined);
    assert.equal(lines.filter(({ level }) => level === "error").length, 2);
    await service.stop();
  });

  test("a lane that dies again and again is started ever more rarely", async () => {
    const { clock, lanes, service, last } = serviceOverLanes();
    const waits: number[] = [];
    for (let death = 0; death < 9; death++) {
      const before = lanes.inbound.length;
      last("inbound").events.ended(undefined);
      let waited = 0;
      for (; lanes.inbound.length === before; waited += 100) clock.pass(100);
      waits.push(waited);
    }
    assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    await service.stop();
  });

  test("what waits for a lane that dies is refused", async () => {
    const { service, last } = serviceOverLanes();
    last("outbound").hangs = true;
    const waiting = service.install(association());
    last("outbound").events.ended(undefined);
    await assert.rejects(waiting, { code: "unavailable" });
    await service.stop();
  });

  test("a lane that does not stop is killed", async () => {
    const { clock, service, last } = serviceOverLanes();
    last("outbound").hangs = true;
    const stopped = service.stop();
    clock.pass(5000);
    await stopped;
    assert.equal(last("outbound").killed, true);
  });
});
