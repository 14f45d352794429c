/**
 * Answers to the probes of others: acks for pings, and pings on behalf of those who ask for one.
 *
 * An ack goes where the ping says, unless our own table knows better; what strangers can make us send is rationed,
 * because the address that they name may be a victim's. Source: memberlist `net.go` (`handlePing`,
 * `handleIndirectPing`).
 */
import { endpointOf } from "../base/ip.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { EngineContext } from "./engine-context.ts";
import type { PacketEngine } from "./engine-packets.ts";
import { RELAYS_MAX, STRANGER_ANSWERS_BURST, STRANGER_ANSWERS_PER_SECOND } from "./limits.ts";
import type { IndirectPing, Ping } from "./messages.ts";
import { Ration } from "./ration.ts";

/** Somebody waits for us to say whether a third member answered. */
interface Relay {
  readonly to: Endpoint;
  /** The number by which the asker knows it. */
  readonly seqNo: number;
  readonly nack: boolean;
  readonly endsAt: number;
}

export class AnswerEngine {
  readonly #context: EngineContext;
  readonly #packets: PacketEngine;
  /** By the number of our own ping. All last equally long, so the first is the next to end. */
  readonly #relays = new Map<number, Relay>();
  readonly #strangers = new Ration(STRANGER_ANSWERS_PER_SECOND, STRANGER_ANSWERS_BURST);
  /** When somebody last wanted to know whether we are there. */
  lastPingedAt = 0;

  constructor(context: EngineContext, packets: PacketEngine) {
    this.#context = context;
    this.#packets = packets;
  }

  deadline(): number {
    for (const { endsAt } of this.#relays.values()) return endsAt;
    return Number.POSITIVE_INFINITY;
  }

  /** Tell those who want to know that nobody answered us. */
  wake(): void {
    for (const [seqNo, relay] of this.#relays) {
      if (relay.endsAt > this.#context.now) return;
      this.#relays.delete(seqNo);
      if (relay.nack) this.#packets.sendWithRumours(relay.to, { kind: "nack", seqNo: relay.seqNo });
    }
  }

  ping(ping: Ping, from: Endpoint): void {
    if (ping.node !== "" && !this.#context.isSelf(ping.node)) return;
    this.lastPingedAt = this.#context.now;
    const to = this.#asker(ping, from);
    const payload = this.#context.delegate.ackPayload();
    if (to !== undefined) this.#packets.sendWithRumours(to, { kind: "ack", seqNo: ping.seqNo, payload });
  }

  indirectPing(asked: IndirectPing, from: Endpoint): void {
    const { config, now, table, improvements } = this.#context;
    const isKnown = table.get(asked.node)?.hasAddress(asked.target, asked.port) === true;
    if (improvements.ackByTable && !isKnown && !this.#mayAnswerStranger(from)) return;
    const to = this.#asker(asked, from);
    if (to === undefined) return;
    if (this.#relays.size >= RELAYS_MAX) this.#forgetOldest();
    const seqNo = this.#context.nextSeqNo();
    this.#relays.set(seqNo, { to, seqNo: asked.seqNo, nack: asked.nack, endsAt: now + config.probeTimeoutMs });
    const ping: Ping = { kind: "ping", seqNo, node: asked.node, ...this.#context.source() };
    this.#packets.sendWithRumours(endpointOf(asked.target, asked.port), ping);
  }

  /** Was this the answer to one of our pings for others? */
  ack(seqNo: number): boolean {
    const relay = this.#relays.get(seqNo);
    if (relay === undefined) return false;
    this.#relays.delete(seqNo);
    this.#packets.sendWithRumours(relay.to, { kind: "ack", seqNo: relay.seqNo, payload: null });
    return true;
  }

  #forgetOldest(): void {
    for (const oldest of this.#relays.keys()) {
      this.#relays.delete(oldest);
      return;
    }
  }

  /** Where the answer goes; `undefined`: nowhere. */
  #asker({ sourceAddr, sourcePort, sourceNode }: Ping | IndirectPing, from: Endpoint): Endpoint | undefined {
    const named = sourceAddr !== undefined && sourcePort !== undefined ? endpointOf(sourceAddr, sourcePort) : from;
    if (!this.#context.improvements.ackByTable) return named;
    const record = sourceNode === undefined ? undefined : this.#context.table.get(sourceNode);
    if (record !== undefined && !record.isGone) return record.endpoint;
    return this.#mayAnswerStranger(from) ? named : undefined;
  }

  #mayAnswerStranger(from: Endpoint): boolean {
    if (this.#strangers.take(this.#context.now)) return true;
    this.#context.drop("rateLimited", from, "a ping of a node that is not a member");
    return false;
  }
}
