/**
 * One gossip node: the engine with real (or simulated) sockets, clock and names around it.
 *
 *   datagram -> service-packets.ts -\                      /-> service-packets.ts -> datagram
 *                                    >- drive(engine) ----<--> service-streams.ts -> stream
 *   stream --> service-streams.ts --/                      \-> listeners, pending joins and sends
 *
 * Binds one port for UDP and TCP, decides which address the others are told, and starts with the unix time as its
 * incarnation, so that a node that comes back is believed at once and what was recorded of its earlier life is stale.
 * A node that has stopped cannot start again: make a new one.
 */
import { type Driven, drive } from "../base/drive.ts";
import { Fault } from "../base/fault.ts";
import { networkMatch } from "../base/ip.ts";
import type { Clock } from "../port/clock.ts";
import type { Datagrams } from "../port/datagrams.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { Log } from "../port/log.ts";
import type { Random } from "../port/random.ts";
import type { Resolver } from "../port/resolver.ts";
import type { Streams } from "../port/streams.ts";
import { utf8Length } from "../wire/utf8.ts";
import { chooseAdvertised } from "./advertise.ts";
import { type GossipConfig, validateGossipConfig } from "./config.ts";
import type { Delegate, ExchangeId, GossipEffect, GossipInput, Member } from "./effects.ts";
import { GossipEngine } from "./engine.ts";
import { parseJoinTarget } from "./join-target.ts";
import type { Keyring } from "./keyring.ts";
import { NAME_BYTES_MAX } from "./limits.ts";
import { PacketCodec } from "./packet.ts";
import { Incidents } from "./service-incidents.ts";
import { PacketShell } from "./service-packets.ts";
import { type GossipStats, Wakes } from "./service-stats.ts";
import { StreamShell } from "./service-streams.ts";
import { StreamCodec } from "./stream.ts";

export interface GossipOptions {
  /** Unique in the cluster; 1 to 255 bytes. */
  readonly name: string;
  /** For UDP and TCP alike; port 0: any that is free for both. */
  readonly bind: Endpoint;
  /** What the others are told; port 0: the bound one. Default: see advertise.ts. */
  readonly advertise: Endpoint | undefined;
  /** The addresses of this host, to choose from when bound to the wildcard. */
  readonly hostAddresses: readonly string[];
  readonly config: GossipConfig;
  /** Changes take effect with the next packet. */
  readonly keyring: Keyring;
}

export interface GossipPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly datagrams: Datagrams;
  readonly streams: Streams;
  readonly resolver: Resolver;
  readonly log: Log;
  readonly delegate: Delegate;
}

/** What the layer above hears about. */
export type GossipNotice = Extract<GossipEffect, { do: "tell" | "userMessage" | "remoteState" | "pingComplete" }>;
export type GossipListener = (notice: GossipNotice) => void;

export interface JoinResult {
  /** Endpoints that exchanged state with us. Joining worked if there is one. */
  readonly joined: number;
  /** Why the other targets, names or endpoints did not work. */
  readonly faults: readonly Fault[];
}

type Settle = (fault: Fault | undefined) => void;

/** Exchanges of one `join` at the same time. */
const JOINS_AT_ONCE = 8;
/** Endpoints that one `join` tries, so that a name with a thousand addresses does no harm. */
const JOIN_ENDPOINTS_MAX = 1024;
/** Attempts to find a port that is free for TCP and for UDP, when any will do. */
const BIND_ATTEMPTS = 10;

export class GossipService {
  readonly #options: GossipOptions;
  readonly #ports: GossipPorts;
  readonly #log: Log;
  readonly #incidents: Incidents;
  readonly #wakes = new Wakes();
  readonly #listeners = new Set<GossipListener>();
  readonly #pending = new Map<ExchangeId, Settle>();
  #packets: PacketShell;
  #streams: StreamShell;
  #engine: GossipEngine | undefined;
  #driven: Driven<GossipInput> | undefined;
  #lastPending: ExchangeId = 0;
  #leftWaiters: (() => void)[] = [];
  #state: "new" | "starting" | "running" | "stopped" = "new";

  /** Throws `Fault` (`invalid`) naming the option that cannot work. */
  constructor(options: GossipOptions, ports: GossipPorts) {
    validateGossipConfig(options.config);
    const nameBytes = utf8Length(options.name);
    if (nameBytes < 1 || nameBytes > NAME_BYTES_MAX) {
      throw new Fault("invalid", `a node name has 1 to ${NAME_BYTES_MAX} bytes, not ${nameBytes}`);
    }
    this.#options = options;
    this.#ports = ports;
    this.#log = ports.log.child({ part: "gossip", node: options.name });
    this.#incidents = new Incidents(this.#log, () => ports.clock.now());
    this.#packets = this.#packetShell();
    this.#streams = this.#streamShell();
  }

  /** Bind, announce ourselves, begin. Rejects with a `Fault`: `unavailable` if the port cannot be bound, `invalid` if
   * there is nothing to advertise, `conflict` if this is not the first start. */
  async start(): Promise<void> {
    if (this.#state !== "new") throw new Fault("conflict", "a gossip node starts once");
    this.#state = "starting";
    try {
      this.#begin(await this.#bind());
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Exchange state with everybody behind `targets` (`[nodename/]host[:port]`), a few at a time. Never rejects for
   * what targets do wrong: see the result. */
  async join(targets: readonly string[]): Promise<JoinResult> {
    this.#running();
    const faults: Fault[] = [];
    const resolved = await Promise.all(targets.map((target) => this.#endpointsOf(target, faults)));
    const endpoints = resolved.flat().slice(0, JOIN_ENDPOINTS_MAX);
    let joined = 0;
    await eachOf(endpoints, JOINS_AT_ONCE, async (to) => {
      const fault = await this.#ask((join) => ({ on: "join", join, to }));
      if (fault === undefined) joined += 1;
      else faults.push(fault);
    });
    return { joined, faults };
  }

  /** Tell everybody that we go. True: it was said often enough; false: `timeoutMs` was not enough for that. Still
   * answers afterwards, until `stop`. */
  async leave(timeoutMs: number): Promise<boolean> {
    this.#running();
    return new Promise((resolve) => {
      const cancel = this.#ports.clock.after(timeoutMs, () => resolve(false));
      this.#leftWaiters.push(() => {
        cancel();
        resolve(true);
      });
      this.#give({ on: "leave" });
    });
  }

  /** Close everything at once. May be called at any time, and again. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    this.#driven?.stop();
    await Promise.all([this.#packets.close(), this.#streams.close()]);
    for (const settle of this.#pending.values()) settle(new Fault("conflict", "the gossip node was stopped"));
    this.#pending.clear();
    this.#hasLeft();
  }

  /** Everybody known, ourselves included. */
  members(): readonly Member[] {
    return this.#running().members();
  }

  self(): Member {
    return this.#running().self();
  }

  get keyring(): Keyring {
    return this.#options.keyring;
  }

  /** The delegate's meta has changed: tell everybody. */
  updateMeta(): void {
    this.#running();
    this.#give({ on: "updateMeta" });
  }

  /** Send one packet to the node above gossip, which may be lost. `payload` must not be changed afterwards. */
  sendBestEffort(to: Endpoint, payload: Uint8Array): void {
    this.#running();
    this.#give({ on: "sendBestEffort", to, payload });
  }

  /** Send on a stream; resolves once the other side has read it, rejects with a `Fault` if that is not certain. */
  async sendReliable(to: Endpoint, payload: Uint8Array): Promise<void> {
    this.#running();
    const fault = await this.#ask((send) => ({ on: "sendReliable", send, to, payload }));
    if (fault !== undefined) throw fault;
  }

  /** Hear of members and messages from now on; what a listener throws is logged and otherwise ignored. Returns the
   * way to stop listening. */
  on(listener: GossipListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stats(): GossipStats {
    const engine = this.#running();
    return {
      members: engine.memberCount(),
      healthScore: engine.healthScore(),
      keys: this.#options.keyring.list().length,
      packets: this.#packets.counts(),
      streams: this.#streams.counts(),
      wakes: this.#wakes.counts(),
      ...this.#incidents.counts(),
    };
  }

  /** With port 0, TCP chooses, and UDP may find the port taken. */
  async #bind(): Promise<Endpoint> {
    const { bind } = this.#options;
    const { datagrams } = this.#ports;
    if (bind.port !== 0) {
      await this.#streams.listen(bind);
      return this.#packets.bind(datagrams, bind);
    }
    for (let attempt = 1; ; attempt++) {
      const bound = await this.#streams.listen(bind);
      try {
        return await this.#packets.bind(datagrams, { address: bind.address, port: bound.port });
      } catch (error) {
        if (attempt === BIND_ATTEMPTS) throw error;
        await this.#streams.close();
        this.#streams = this.#streamShell();
      }
    }
  }

  #begin(bound: Endpoint): void {
    if (this.#state !== "starting") throw new Fault("conflict", "the gossip node was stopped while it started");
    const { name, config, keyring, advertise, hostAddresses } = this.#options;
    const { clock, random, delegate } = this.#ports;
    const { addr, port } = chooseAdvertised(advertise, bound, hostAddresses);
    const incarnation = Math.floor(clock.wall().getTime() / 1000);
    const encrypted = (): boolean => config.gossipVerifyOutgoing && !keyring.isEmpty;
    const options = { config, name, addr, port, incarnation, encrypted };
    this.#engine = new GossipEngine(options, { random, delegate });
    this.#driven = drive(this.#engine, clock, (effect) => this.#perform(effect), {
      woke: (lateMs) => this.#wakes.record(lateMs),
      failed: (error) => this.#incidents.bug("engine", error),
    });
    this.#state = "running";
    this.#give({ on: "start" });
  }

  #give(input: GossipInput): void {
    this.#driven?.(input);
  }

  #running(): GossipEngine {
    if (this.#state !== "running" || this.#engine === undefined) {
      throw new Fault("conflict", "the gossip node is not running");
    }
    return this.#engine;
  }

  #perform(effect: GossipEffect): void {
    if (effect.do === "packet") this.#packets.send(effect.to, effect.messages, effect.crc);
    else if (effect.do === "dial") this.#streams.dial(effect);
    else if (effect.do === "hangUp") this.#streams.hangUp(effect.exchange);
    else if (effect.do === "reply") this.#streams.reply(effect.exchange, effect.message);
    else if (effect.do === "close") this.#streams.closeAccepted(effect.exchange);
    else if (effect.do === "joinDone") this.#settle(effect.join, effect.fault);
    else if (effect.do === "sendDone") this.#settle(effect.send, effect.fault);
    else if (effect.do === "left") this.#hasLeft();
    else if (effect.do === "drop") this.#incidents.drop(effect.code, effect.from, effect.detail);
    else this.#notify(effect);
  }

  #hasLeft(): void {
    for (const left of this.#leftWaiters.splice(0)) left();
  }

  #notify(notice: GossipNotice): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(notice);
      } catch (error) {
        this.#incidents.bug("listener", error);
      }
    }
  }

  /** Give an input that is answered by `joinDone` or `sendDone`. */
  #ask(input: (id: ExchangeId) => GossipInput): Promise<Fault | undefined> {
    const id = ++this.#lastPending;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.#give(input(id));
      if (this.#state === "stopped") this.#settle(id, new Fault("conflict", "the gossip node was stopped"));
    });
  }

  #settle(id: ExchangeId, fault: Fault | undefined): void {
    const settle = this.#pending.get(id);
    this.#pending.delete(id);
    settle?.(fault);
  }

  async #endpointsOf(text: string, faults: Fault[]): Promise<readonly Endpoint[]> {
    try {
      const { host, port } = parseJoinTarget(text, this.self().endpoint.port);
      const addresses = await this.#ports.resolver.resolve(host);
      return addresses.map((address) => ({ address, port }));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error);
      return [];
    }
  }

  #packetShell(): PacketShell {
    const { config, keyring } = this.#options;
    const { clock, random } = this.#ports;
    const options = {
      handoffQueueDepth: config.handoffQueueDepth,
      allowed: networkMatch(config.cidrsAllowed),
      codec: new PacketCodec({ config, keyring }, { random }),
      incidents: this.#incidents,
      give: (input: GossipInput) => this.#give(input),
    };
    return new PacketShell(options, { clock });
  }

  #streamShell(): StreamShell {
    const { config, keyring } = this.#options;
    const { clock, random, streams } = this.#ports;
    const options = {
      tcpTimeoutMs: config.tcpTimeoutMs,
      allowed: networkMatch(config.cidrsAllowed),
      codec: new StreamCodec({ config, keyring }, { random }),
      incidents: this.#incidents,
      give: (input: GossipInput) => this.#give(input),
    };
    return new StreamShell(options, { clock, streams });
  }
}

/** Run `work` on every item, at most `atOnce` at the same time. */
async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
