/**
 * The gossip engine: memberlist's protocol as a machine that takes a moment and one input and answers with effects.
 *
 *   engine-rumours.ts    what becomes of members: alive, suspect, dead, merging
 *   engine-probe.ts      failure detection: direct, indirect, TCP
 *   engine-answers.ts    acks, and pings on behalf of others
 *   engine-exchanges.ts  whole tables and user messages on streams
 *   engine-packets.ts    rumours in packets, gossip rounds
 *   engine-context.ts    what they share
 *
 * Never waits, opens no socket, asks no clock. Source: memberlist `memberlist.go`, `state.go`, `net.go`.
 */
import { assert } from "../base/assert.ts";
import type { Engine, Wake } from "../base/engine.ts";
import { fraction } from "../base/random.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { GossipEffect, GossipInput, Member } from "./effects.ts";
import { AnswerEngine } from "./engine-answers.ts";
import { EngineContext, type GossipEngineOptions, type GossipEnginePorts } from "./engine-context.ts";
import { ExchangeEngine } from "./engine-exchanges.ts";
import { knowsChecksums, PacketEngine } from "./engine-packets.ts";
import { ProbeEngine } from "./engine-probe.ts";
import { GRACE_MS, RumourEngine } from "./engine-rumours.ts";
import { allImprovements } from "./improvements.ts";
import type { Dead, PacketMessage } from "./messages.ts";

/** Ours: to how many a leaver says goodbye in person. */
const GOODBYES_MAX = 64;
/** Ours: a wake-up this late means that the process was blocked, and that answers may wait unread. */
const LATE_MS = 50;

export class GossipEngine implements Engine<GossipInput, GossipEffect> {
  readonly #context: EngineContext;
  readonly #packets: PacketEngine;
  readonly #rumours: RumourEngine;
  readonly #answers: AnswerEngine;
  readonly #probes: ProbeEngine;
  readonly #exchanges: ExchangeEngine;
  readonly #known: GossipEngineOptions["known"];
  #nextGossipAt = Number.POSITIVE_INFINITY;
  #isStarted = false;
  /** Somebody waits to hear that our goodbye has been said. */
  #owesLeft = false;

  constructor(options: GossipEngineOptions, ports: GossipEnginePorts) {
    const context = new EngineContext(options, options.improvements ?? allImprovements, ports);
    this.#context = context;
    this.#known = options.known;
    this.#packets = new PacketEngine(context);
    this.#rumours = new RumourEngine(context);
    this.#answers = new AnswerEngine(context, this.#packets);
    this.#probes = new ProbeEngine(context, this.#packets, this.#rumours);
    this.#exchanges = new ExchangeEngine(context, this.#rumours, () => this.#answers.lastPingedAt);
  }

  step(now: number, input: GossipInput | Wake): GossipEffect[] {
    const context = this.#context;
    context.now = now;
    context.effects = [];
    if (input.on === "start") this.#start();
    else if (this.#isStarted) this.#take(input);
    else if (input.on === "request") context.emit({ do: "close", exchange: input.exchange });
    if (this.#owesLeft && this.#hasSaidGoodbye()) {
      this.#owesLeft = false;
      context.emit({ do: "left" });
    }
    return context.effects;
  }

  deadline(): number {
    return Math.min(
      this.#nextGossipAt,
      this.#probes.deadline(),
      this.#rumours.deadline(),
      this.#answers.deadline(),
      this.#exchanges.deadline(),
    );
  }

  /** Ourselves. Only after the start. */
  self(): Member {
    const { self } = this.#context;
    assert(self !== undefined, "a gossip engine knows itself after its start");
    return self.member();
  }

  member(name: string): Member | undefined {
    return this.#context.table.get(name)?.member();
  }

  /** Everybody, in every state, ourselves included. */
  members(): readonly Member[] {
    return this.#context.table.all().map((record) => record.member());
  }

  /** `members().length`, without making them. */
  memberCount(): number {
    return this.#context.table.size;
  }

  /** 0: healthy. */
  healthScore(): number {
    return this.#context.awareness.score;
  }

  /** Rumours about members that wait to be told. */
  queueLength(): number {
    return this.#context.queue.size;
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { config, random, now } = this.#context;
    for (const alive of this.#known ?? []) this.#rumours.know(alive);
    this.#rumours.announce();
    // Spread over one interval, so that nodes that start together do not work in step.
    const first = (intervalMs: number): number =>
      intervalMs === 0 ? Number.POSITIVE_INFINITY : now + fraction(random) * intervalMs;
    this.#nextGossipAt = first(config.gossipIntervalMs);
    this.#probes.start(first(config.probeIntervalMs));
    this.#exchanges.start(first(config.pushPullIntervalMs));
  }

  #take(input: Exclude<GossipInput, { on: "start" }> | Wake): void {
    if (input.on === "wake") this.#wake();
    else if (input.on === "packet") for (const message of input.messages) this.#hear(message, input.from);
    else if (input.on === "request") this.#exchanges.request(input.exchange, input.from, input.message);
    else if (input.on === "response") this.#response(input);
    else if (input.on === "sent") this.#exchanges.ended(input.exchange, undefined);
    else if (input.on === "exchangeFailed") {
      const wasPing = this.#probes.streamEnded(input.exchange, undefined);
      if (!wasPing) this.#exchanges.ended(input.exchange, input.fault);
    } else if (input.on === "sendFailed") this.#probes.sendFailed(input.to);
    else if (input.on === "join") this.#exchanges.join(input);
    else if (input.on === "updateMeta") this.#updateMeta();
    else if (input.on === "leave") this.#leave();
    else if (input.on === "sendBestEffort") this.#packets.sendUser(input.to, input.payload);
    else this.#exchanges.send(input);
  }

  #wake(): void {
    const { now, improvements, config } = this.#context;
    if (improvements.lateWakeGrace && now - this.deadline() > LATE_MS) this.#context.graceUntil = now + GRACE_MS;
    this.#rumours.wake();
    this.#answers.wake();
    this.#probes.wake();
    this.#exchanges.wake();
    if (now < this.#nextGossipAt) return;
    const missed = Math.floor((now - this.#nextGossipAt) / config.gossipIntervalMs);
    this.#nextGossipAt += (1 + missed) * config.gossipIntervalMs;
    this.#packets.gossip();
  }

  #hear(message: PacketMessage, from: Endpoint): void {
    if (message.kind === "ping") this.#answers.ping(message, from);
    else if (message.kind === "ack") {
      if (!this.#answers.ack(message.seqNo)) this.#probes.ack(message.seqNo, message.payload);
    } else if (message.kind === "nack") this.#probes.nack(message.seqNo);
    else if (message.kind === "indirectPing") this.#answers.indirectPing(message, from);
    else if (message.kind === "alive") this.#rumours.alive(message, from);
    else if (message.kind === "suspect") this.#rumours.suspect(message, from);
    else if (message.kind === "dead") this.#rumours.dead(message, from);
    else if (message.payload.length > 0) this.#context.emit({ do: "userMessage", payload: message.payload, from });
  }

  #response({ exchange, message }: Extract<GossipInput, { on: "response" }>): void {
    const acknowledged = message.kind === "ack" ? message.seqNo : undefined;
    const wasPing = this.#probes.streamEnded(exchange, acknowledged);
    if (!wasPing) this.#exchanges.response(exchange, message);
  }

  #updateMeta(): void {
    if (this.#context.isLeaving) return;
    this.#context.incarnation += 1;
    this.#rumours.announce();
  }

  #leave(): void {
    const { name, incarnation, improvements, table, random } = this.#context;
    this.#owesLeft = true;
    if (this.#context.isLeaving) return;
    this.#context.isLeaving = true;
    const goodbye: Dead = { kind: "dead", incarnation, node: name, from: name };
    this.#rumours.dead(goodbye, undefined);
    if (!improvements.goodbye) return;
    for (const record of table.pick(random, GOODBYES_MAX, ({ isGone }) => !isGone)) {
      this.#packets.send(record.endpoint, [goodbye], knowsChecksums(record));
    }
  }

  /** Is it out, or nobody there to hear it? */
  #hasSaidGoodbye(): boolean {
    const { queue, table, name } = this.#context;
    return !queue.has(name) || !table.all().some((record) => record.name !== name && !record.isGone);
  }
}
