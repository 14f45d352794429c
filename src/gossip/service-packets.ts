/**
 * The shell around packets: one UDP socket, the codec, the hand-off queue.
 *
 * In:  allowed sender? -> decode -> probe traffic to the engine at once -> the rest through the hand-off queue,
 *      in slices of `SLICE_MS`, so that a storm of state messages never delays the answer to a ping.
 * Out: encode -> send; what the system refuses is told to the engine.
 * Nothing that a packet holds is thrown any further.
 */
import { Fault } from "../base/fault.ts";
import type { NetworkMatch } from "../base/ip.ts";
import type { Cancel, Clock } from "../port/clock.ts";
import type { DatagramSocket, Datagrams } from "../port/datagrams.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { GossipInput } from "./effects.ts";
import { HandoffQueue, isUrgent } from "./handoff.ts";
import type { PacketMessage } from "./messages.ts";
import type { PacketCodec } from "./packet.ts";
import type { Incidents } from "./service-incidents.ts";

/** Ours: how long state messages may keep the process from reading its sockets. */
const SLICE_MS = 4;

export interface PacketCounts {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly queue: { readonly high: number; readonly normal: number };
}

export interface PacketShellOptions {
  readonly handoffQueueDepth: number;
  readonly allowed: NetworkMatch;
  readonly codec: PacketCodec;
  readonly incidents: Incidents;
  /** Takes inputs for the engine; must not throw. */
  readonly give: (input: GossipInput) => void;
}

export class PacketShell {
  readonly #options: PacketShellOptions;
  readonly #clock: Clock;
  readonly #queue: HandoffQueue;
  #socket: DatagramSocket | undefined;
  #draining: Cancel | undefined;
  readonly #counts = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0 };

  constructor(options: PacketShellOptions, { clock }: { readonly clock: Clock }) {
    this.#options = options;
    this.#clock = clock;
    this.#queue = new HandoffQueue(options.handoffQueueDepth);
  }

  /** Rejects with a `Fault` (`unavailable`). Returns the endpoint really bound. */
  async bind(datagrams: Datagrams, local: Endpoint): Promise<Endpoint> {
    this.#socket = await datagrams.bind(
      local,
      (bytes, from) => this.#receive(bytes, from),
      (error, to) => this.#refused(error, to),
    );
    return this.#socket.local;
  }

  send(to: Endpoint, messages: readonly PacketMessage[], crc: boolean): void {
    if (this.#socket === undefined) return;
    const bytes = this.#encode(to, messages, crc);
    if (bytes === undefined) return;
    this.#counts.packetsOut += 1;
    this.#counts.bytesOut += bytes.length;
    this.#socket.send(bytes, to);
  }

  counts(): PacketCounts {
    return { ...this.#counts, queue: this.#queue.lengths() };
  }

  async close(): Promise<void> {
    this.#draining?.();
    this.#queue.clear();
    const socket = this.#socket;
    this.#socket = undefined;
    await socket?.close();
  }

  #receive(bytes: Uint8Array, from: Endpoint): void {
    if (this.#socket === undefined) return;
    const { allowed, incidents, give } = this.#options;
    this.#counts.packetsIn += 1;
    this.#counts.bytesIn += bytes.length;
    if (!allowed(from.address)) {
      incidents.drop("notAllowed", from, "packet");
      return;
    }
    const messages = this.#decode(bytes, from);
    const urgent = messages.filter(isUrgent);
    if (urgent.length > 0) give({ on: "packet", from, messages: urgent });
    for (const message of messages) if (!isUrgent(message)) this.#enqueue(message, from);
  }

  #decode(bytes: Uint8Array, from: Endpoint): readonly PacketMessage[] {
    const { codec, incidents } = this.#options;
    try {
      const { messages, faults } = codec.decode(this.#clock.now(), bytes);
      for (const fault of faults) incidents.undecodable(fault, from);
      return messages;
    } catch (error) {
      incidents.undecodable(error, from);
      return [];
    }
  }

  #enqueue(message: PacketMessage, from: Endpoint): void {
    if (!this.#queue.push({ from, message })) this.#options.incidents.drop("queueFull", from, message.kind);
    this.#draining ??= this.#clock.after(0, () => this.#drain());
  }

  #drain(): void {
    this.#draining = undefined;
    const until = this.#clock.now() + SLICE_MS;
    while (this.#clock.now() < until) {
      const waiting = this.#queue.take();
      if (waiting === undefined) return;
      this.#options.give({ on: "packet", from: waiting.from, messages: [waiting.message] });
    }
    if (this.#socket !== undefined) this.#draining ??= this.#clock.after(0, () => this.#drain());
  }

  #encode(to: Endpoint, messages: readonly PacketMessage[], crc: boolean): Uint8Array | undefined {
    try {
      return this.#options.codec.encode(messages, crc);
    } catch (error) {
      if (error instanceof Fault) this.#options.incidents.socketError(error, to);
      else this.#options.incidents.bug("encode", error);
      return undefined;
    }
  }

  #refused(error: Error, to: Endpoint | undefined): void {
    this.#options.incidents.socketError(error, to);
    if (to !== undefined) this.#options.give({ on: "sendFailed", to });
  }
}
