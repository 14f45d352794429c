/**
 * One gossip engine on one simulated host: what `gossip/service.ts` is to real sockets.
 *
 * Gives the engine what arrives, carries out its effects on the simulated network, wakes it at its deadline. A crash
 * loses the engine; a restart builds a new one under the same name and address.
 */

import type { Wake } from "../base/engine.ts";
import { Fault, faultOf } from "../base/fault.ts";
import type { GossipConfig } from "../gossip/config.ts";
import type { Delegate, GossipEffect, GossipInput, Member, MemberEvent } from "../gossip/effects.ts";
import { GossipEngine } from "../gossip/engine.ts";
import type { Improvements } from "../gossip/improvements.ts";
import { PROTOCOL_VERSION, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN } from "../gossip/limits.ts";
import type { Alive, StreamRequest, StreamResponse } from "../gossip/messages.ts";
import type { Cancel } from "../port/clock.ts";
import type { Endpoint } from "../port/endpoint.ts";
import { dial } from "./exchange.ts";
import type { Carrier, DatagramPayload, StreamPayload } from "./gossip-carrier.ts";
import type { Host } from "./host.ts";
import type { Attachment, Network, Receiver, ServerStream } from "./network.ts";
import { SeededRandom } from "./random.ts";

export interface GossipNodeOptions {
  readonly index: number;
  readonly name: string;
  readonly addr: Uint8Array;
  readonly endpoint: Endpoint;
  readonly seed: number;
  readonly config: GossipConfig;
  readonly encrypted: boolean;
  readonly improvements: Improvements;
  readonly upper?: ((node: GossipNode) => UpperLayer) | undefined;
}

/** What a node tells its cluster. */
export interface NodeObserver {
  effect(index: number, effect: GossipEffect): void;
  event(index: number, event: MemberEvent): void;
}

/** What rides on a node's gossip: answers its questions, hears what it tells. Made anew for each life. */
export interface UpperLayer {
  readonly delegate: Delegate;
  hear(effect: GossipEffect): void;
  /** Gossip has started. */
  start(): void;
}

/** new: not started; up: takes part; left: said goodbye; down: crashed. */
export type NodeStatus = "new" | "up" | "left" | "down";

const EMPTY = new Uint8Array(0);

export class GossipNode implements Delegate, Receiver<DatagramPayload, StreamPayload> {
  readonly index: number;
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly host: Host;
  readonly attachment: Attachment<DatagramPayload, StreamPayload>;
  readonly carrier: Carrier;
  status: NodeStatus = "new";
  engine: GossipEngine;
  meta: Uint8Array = EMPTY;
  /** User messages that wait to be gossiped, and those received. */
  readonly broadcasts: Uint8Array[] = [];
  userMessages = 0;
  /** Packets and streams that could not be read. */
  undecodable = 0;
  /** Members alive in its eyes, itself included: joins told minus leaves told. */
  aliveCount = 0;
  readonly #options: GossipNodeOptions;
  readonly #network: Network<DatagramPayload, StreamPayload>;
  readonly #observer: NodeObserver;
  readonly #dialled = new Map<number, () => void>();
  readonly #accepted = new Map<number, ServerStream<StreamPayload>>();
  #upper: UpperLayer | undefined;
  #lives = 0;
  #exchanges = 0;
  #armedAt = Number.POSITIVE_INFINITY;
  #disarm: Cancel = () => undefined;

  constructor(
    options: GossipNodeOptions,
    host: Host,
    network: Network<DatagramPayload, StreamPayload>,
    carrier: Carrier,
    observer: NodeObserver,
  ) {
    this.index = options.index;
    this.name = options.name;
    this.endpoint = options.endpoint;
    this.host = host;
    this.carrier = carrier;
    this.#options = options;
    this.#network = network;
    this.#observer = observer;
    this.attachment = network.attach(host, options.endpoint, this);
    this.engine = this.#build();
  }

  /** Give the engine one input, now. */
  input(input: GossipInput | Wake): void {
    if (this.status === "down") return;
    for (const effect of this.engine.step(this.host.now(), input)) this.#perform(effect);
    this.#arm();
  }

  start(): void {
    this.status = "up";
    this.input({ on: "start" });
    this.#upper?.start();
  }

  /** Start, taking others for alive from the beginning. */
  startKnowing(known: readonly Alive[]): void {
    this.engine = this.#build(known);
    this.aliveCount = known.filter(({ node }) => node !== this.name).length;
    this.start();
    for (const member of this.#upper === undefined ? [] : this.engine.members()) {
      if (member.name !== this.name) this.#upper?.hear({ do: "tell", event: { kind: "join", member } });
    }
  }

  /** What it will say of itself when it starts now. */
  announcement(): Alive {
    const { name: node, addr, endpoint, config } = this.#options;
    const { port } = endpoint;
    const vsn = Uint8Array.of(PROTOCOL_VERSION_MIN, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION, ...config.delegateVersions);
    return { kind: "alive", incarnation: this.#incarnation(), node, addr, port, meta: this.meta, vsn };
  }

  join(to: Endpoint): void {
    this.input({ on: "join", join: this.#exchanges++, to });
  }

  leave(): void {
    this.status = "left";
    this.input({ on: "leave" });
  }

  updateMeta(meta: Uint8Array): void {
    this.meta = meta;
    this.input({ on: "updateMeta" });
  }

  /** Power off. */
  crash(): void {
    this.host.crash();
    this.status = "down";
    this.#disarm();
    this.#armedAt = Number.POSITIVE_INFINITY;
    this.#dialled.clear();
    this.#accepted.clear();
  }

  /** A new process under the old name and address; it knows nobody until it joins. */
  restart(): void {
    this.host.restart();
    this.aliveCount = 0;
    this.engine = this.#build();
    this.start();
  }

  datagram(payload: DatagramPayload, from: Endpoint): void {
    const messages = this.#read(() => this.carrier.unpack(payload, this.host.now()));
    if (messages !== undefined) this.input({ on: "packet", from, messages });
  }

  request(payload: StreamPayload, from: Endpoint, stream: ServerStream<StreamPayload>): void {
    const exchange = this.#exchanges++;
    const message = this.#read(() => this.carrier.unpackStream(payload, "request", this.host.now()) as StreamRequest);
    if (message === undefined) stream.close();
    else {
      this.#accepted.set(exchange, stream);
      this.input({ on: "request", exchange, from, message });
    }
  }

  nodeMeta(): Uint8Array {
    return this.meta;
  }

  getBroadcasts(overheadBytes: number, limitBytes: number): readonly Uint8Array[] {
    const taken: Uint8Array[] = [];
    let left = limitBytes;
    while (this.broadcasts.length > 0 && this.broadcasts[0]!.length + overheadBytes <= left) {
      const next = this.broadcasts.shift()!;
      left -= next.length + overheadBytes;
      taken.push(next);
    }
    return taken;
  }

  localState(): Uint8Array {
    return EMPTY;
  }

  ackPayload(): Uint8Array | null {
    return null;
  }

  /** What this node thinks of another. */
  view(name: string): Member | undefined {
    return this.engine.member(name);
  }

  #build(known: readonly Alive[] = []): GossipEngine {
    const { name, addr, endpoint, seed, config, encrypted, improvements, upper } = this.#options;
    this.#upper = upper?.(this);
    const random = new SeededRandom(seed, `engine ${name} ${this.#lives++}`);
    const { port } = endpoint;
    const incarnation = this.#incarnation();
    return new GossipEngine(
      { config, name, addr, port, incarnation, encrypted: () => encrypted, improvements, known },
      { random, delegate: this.#upper?.delegate ?? this },
    );
  }

  /** As a real node does: later lives begin above all earlier incarnations. */
  #incarnation(): number {
    return 1 + Math.floor(this.#network.world.now() / 1_000);
  }

  #perform(effect: GossipEffect): void {
    this.#observer.effect(this.index, effect);
    this.#upper?.hear(effect);
    switch (effect.do) {
      case "packet": {
        const { payload, bytes } = this.carrier.pack(effect.messages, effect.crc);
        this.#network.send(this.attachment, effect.to, payload, bytes);
        return;
      }
      case "dial":
        this.#dial(effect);
        return;
      case "hangUp":
        this.#dialled.get(effect.exchange)?.();
        this.#dialled.delete(effect.exchange);
        return;
      case "reply":
        this.#reply(effect.exchange, effect.message);
        return;
      case "close":
        this.#accepted.get(effect.exchange)?.close();
        this.#accepted.delete(effect.exchange);
        return;
      case "tell":
        this.#told(effect.event);
        return;
      case "userMessage":
        this.userMessages += 1;
        return;
      default:
        return;
    }
  }

  #dial({ exchange, to, message, expects, timeoutMs }: Extract<GossipEffect, { do: "dial" }>): void {
    const { payload, bytes } = this.carrier.packStream(message, "request");
    const asked = { to, request: payload, bytes, timeoutMs, expectsReply: expects !== "nothing" };
    const end = (input: GossipInput): void => {
      this.#dialled.delete(exchange);
      this.input(input);
    };
    const failed = (fault: Fault): void => end({ on: "exchangeFailed", exchange, fault });
    const hangUp = dial(this.#network, this.attachment, asked, {
      sent: () => end({ on: "sent", exchange }),
      failed: (why) => failed(new Fault(why === "timeout" ? "timeout" : "unavailable", `the stream ended: ${why}`)),
      response: (answer) => {
        const read = this.#read(() => this.carrier.unpackStream(answer, "response", this.host.now()) as StreamResponse);
        if (read === undefined) failed(new Fault("unavailable", "the answer cannot be read"));
        else end({ on: "response", exchange, message: read });
      },
    });
    this.#dialled.set(exchange, hangUp);
  }

  #reply(exchange: number, message: StreamResponse): void {
    const stream = this.#accepted.get(exchange);
    this.#accepted.delete(exchange);
    if (stream === undefined) return;
    const { payload, bytes } = this.carrier.packStream(message, "response");
    stream.reply(payload, bytes);
  }

  #told(event: MemberEvent): void {
    if (event.kind === "join") this.aliveCount += 1;
    else if (event.kind === "leave") this.aliveCount -= 1;
    this.#observer.event(this.index, event);
  }

  #arm(): void {
    const deadline = this.engine.deadline();
    if (deadline >= this.#armedAt) return;
    this.#disarm();
    this.#armedAt = deadline;
    this.#disarm = this.host.alarm(deadline, () => this.#ring());
  }

  /** The engine may have put its deadline off since the alarm was set: then the next alarm is all there is to do. */
  #ring(): void {
    this.#armedAt = Number.POSITIVE_INFINITY;
    if (this.engine.deadline() <= this.host.now()) this.input({ on: "wake" });
    else this.#arm();
  }

  #read<T>(decode: () => T): T | undefined {
    try {
      return decode();
    } catch (error) {
      faultOf(error);
      this.undecodable += 1;
      return undefined;
    }
  }
}
