/**
 * The NetworkDB engine: the cluster's tables on top of gossip, as a machine that takes a moment and one input and
 * answers with effects. It is also the delegate that gossip asks.
 *
 *   engine-nodes.ts     nodes: active, failed, left
 *   engine-networks.ts  who has a part in which network
 *   engine-entries.ts   entries: ours, and what becomes of all
 *   engine-events.ts    what others tell of entries
 *   engine-repairs.ts   what others said wrongly of us
 *   engine-sync.ts      whole tables between two nodes
 *   engine-context.ts   what they share
 *
 * Never waits, opens no socket, asks no clock. Source: moby `networkdb/`.
 */
import type { Engine, Wake } from "../base/engine.ts";
import { dropCodeOf, Fault, faultOf } from "../base/fault.ts";
import { sameEndpoint } from "../base/ip.ts";
import { below, fraction, shuffle } from "../base/random.ts";
import { retransmitLimit } from "../gossip/broadcast-queue.ts";
import type { Delegate } from "../gossip/effects.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { GossipNotice, RequestId, TablesEffect, TablesInput } from "./effects.ts";
import {
  type KnownNode,
  type OwnNetwork,
  TablesContext,
  type TablesEngineOptions,
  type TablesEnginePorts,
} from "./engine-context.ts";
import { dumpOf, type TablesDump } from "./engine-dump.ts";
import { EntryEngine } from "./engine-entries.ts";
import { EventEngine, type Way } from "./engine-events.ts";
import { NetworkEngine } from "./engine-networks.ts";
import { NodeEngine } from "./engine-nodes.ts";
import { RepairEngine } from "./engine-repairs.ts";
import { SyncEngine } from "./engine-sync.ts";
import type { Moments } from "./heard.ts";
import {
  BULK_SYNC_INTERVAL_MS,
  COMPOUND_EVENT_BYTES,
  GOSSIP_INTERVAL_MS,
  GOSSIP_NODES,
  LEAVE_EVENT_TIMEOUT_MS,
  PACKET_RESERVE_BYTES,
  REAP_INTERVAL_MS,
  RECONNECT_INTERVAL_MS,
  REJOIN_DURATION_MS,
  REJOIN_INTERVAL_MS,
  REJOIN_RETRY_MS,
} from "./limits.ts";
import { decodeTablesMessage, encodeTablesMessage } from "./message-codec.ts";
import type { BulkSync, PushPullState, TablesMessage } from "./messages.ts";

/** What a join that we asked gossip for is to lead to. */
type Join = { readonly kind: "bootstrap" } | { readonly kind: "reconnect"; readonly node: string };

export class TablesEngine implements Engine<TablesInput, TablesEffect>, Delegate {
  readonly #context: TablesContext;
  readonly #entries: EntryEngine;
  readonly #networks: NetworkEngine;
  readonly #events: EventEngine;
  readonly #nodes: NodeEngine;
  readonly #repairs: RepairEngine;
  readonly #syncs: SyncEngine;
  readonly #decode: (bytes: Uint8Array) => TablesMessage;
  readonly #joins = new Map<RequestId, Join>();
  #bootstrap: readonly Endpoint[] = [];
  #timers = {
    gossip: Number.POSITIVE_INFINITY,
    sync: Number.POSITIVE_INFINITY,
    reap: Number.POSITIVE_INFINITY,
    reconnect: Number.POSITIVE_INFINITY,
    rejoin: Number.POSITIVE_INFINITY,
    leave: Number.POSITIVE_INFINITY,
  };
  #rejoinUntil = 0;

  constructor(options: TablesEngineOptions, ports: TablesEnginePorts) {
    this.#context = new TablesContext(options, ports);
    this.#decode = ports.decode ?? decodeTablesMessage;
    this.#entries = new EntryEngine(this.#context);
    this.#repairs = new RepairEngine(this.#context);
    this.#events = new EventEngine(this.#context, this.#entries, this.#repairs);
    this.#networks = new NetworkEngine(this.#context, this.#entries, this.#repairs);
    this.#nodes = new NodeEngine(this.#context, this.#entries, this.#networks, this.#repairs);
    this.#syncs = new SyncEngine(this.#context, this.#entries);
  }

  step(now: number, input: TablesInput | Wake): TablesEffect[] {
    const context = this.#context;
    context.now = now;
    context.effects = [];
    if (input.on === "wake") this.#wake();
    else if (input.on === "notice") this.#notice(input.notice);
    else this.#take(input);
    if (context.isLeaving) this.#checkLeft();
    return context.effects;
  }

  deadline(): number {
    return Math.min(...Object.values(this.#timers), this.#syncs.deadline(), this.#repairs.deadline());
  }

  /** Everything that is known, as plain data. */
  dump(): TablesDump {
    return dumpOf(this.#context, this.#syncs.pending);
  }

  nodeMeta(): Uint8Array {
    return NOTHING;
  }

  ackPayload(): Uint8Array | null {
    return null;
  }

  /** Network events first, then node events, as much as fits. */
  getBroadcasts(overheadBytes: number, limitBytes: number): readonly Uint8Array[] {
    const { networkEvents, nodeEvents } = this.#context;
    const transmitLimit = this.#transmitLimit(this.#context.nodes.size + 1);
    const first = networkEvents.take({ overheadBytes, limitBytes, transmitLimit });
    const second = nodeEvents.take({ overheadBytes, limitBytes: limitBytes - first.bytes, transmitLimit });
    return [...first.messages, ...second.messages];
  }

  localState(join: boolean): Uint8Array {
    if (join) this.#networks.stamp();
    const { networkClock, name, isLeaving } = this.#context;
    const networks = this.#networks.rows();
    // Who reads it takes it for a word that we are here; none is later than the one that we go.
    const lTime = isLeaving ? this.#nodes.announcedAt : networkClock.time;
    return encodeTablesMessage({ kind: "pushPullState", lTime, networks, node: name });
  }

  #take(input: Exclude<TablesInput, { on: "notice" }>): void {
    const { watches } = this.#context;
    if (input.on === "start") this.#start();
    else if (input.on === "sendDone") {
      if (input.fault !== undefined) this.#syncs.sendFailed(input.send);
    } else if (input.on === "joinDone") this.#joinDone(input.join, input.fault);
    else if (input.on === "bootstrap") this.#setBootstrap(input.endpoints);
    else if (input.on === "joinNetwork") this.#joinNetwork(input.network);
    else if (input.on === "leaveNetwork") this.#networks.leave(input.network);
    else if (input.on === "change") {
      const fault = this.#entries.change(input);
      this.#context.emit({ do: "changed", request: input.request, fault });
    } else if (input.on === "watch") {
      watches.set(input.watch, { network: input.network, table: input.table });
      this.#entries.replay(input.watch);
    } else if (input.on === "unwatch") watches.delete(input.watch);
    else this.#leave();
  }

  #start(): void {
    const { now, random } = this.#context;
    // Spread over one interval, so that nodes that start together do not work in step.
    const first = (intervalMs: number): number => now + fraction(random) * intervalMs;
    this.#timers.gossip = first(GOSSIP_INTERVAL_MS);
    this.#timers.sync = first(BULK_SYNC_INTERVAL_MS);
    this.#timers.reap = first(REAP_INTERVAL_MS);
    this.#timers.reconnect = first(RECONNECT_INTERVAL_MS);
    this.#nodes.announce("join");
  }

  #wake(): void {
    const { now } = this.#context;
    const timers = this.#timers;
    const due = (name: keyof typeof timers, againMs: number): boolean => {
      if (now < timers[name]) return false;
      timers[name] = now + againMs;
      return true;
    };
    if (due("gossip", GOSSIP_INTERVAL_MS)) this.#gossip();
    if (due("sync", BULK_SYNC_INTERVAL_MS)) this.#syncs.routine();
    if (due("reap", REAP_INTERVAL_MS)) this.#reap();
    if (due("reconnect", RECONNECT_INTERVAL_MS)) this.#reconnect();
    if (due("rejoin", REJOIN_RETRY_MS)) this.#rejoin();
    this.#syncs.wake();
    this.#repairs.wake();
  }

  #reap(): void {
    this.#entries.reap();
    this.#repairs.reap();
    this.#networks.reap();
    this.#nodes.reap();
  }

  #notice(notice: GossipNotice): void {
    if (notice.do === "tell") this.#nodes.member(notice.event);
    else if (notice.do === "userMessage") this.#hear(notice.payload, notice.from);
    else if (notice.do === "remoteState") this.#hear(notice.userState, undefined);
  }

  /** Nothing that a message holds is thrown any further. */
  #hear(payload: Uint8Array, from: Endpoint | undefined): void {
    this.#guard(from, () => this.#dispatch(payload, from));
  }

  #guard(from: Endpoint | undefined, take: () => void): void {
    try {
      take();
    } catch (error) {
      const fault = faultOf(error);
      this.#context.drop(dropCodeOf(fault), from, fault.message);
    }
  }

  #dispatch(payload: Uint8Array, from: Endpoint | undefined): void {
    const message = this.#decode(payload);
    if (message.kind === "compound") this.#compound(message.parts, { from, isBulk: false, isFresh: false });
    else if (message.kind === "pushPullState") this.#state(message, from);
    else if (message.kind === "bulkSync") this.#bulkSync(message, from);
    else this.#event(message, payload, { from, isBulk: false, isFresh: false });
  }

  /** What a node knows of who takes part where. */
  #state({ lTime, node, networks }: PushPullState, from: Endpoint | undefined): void {
    if (this.#isOld("network", node, lTime)) {
      this.#context.drop("replayed", from, `a state of ${node}, as it was long ago`);
      return;
    }
    this.#nodes.receive({ kind: "nodeEvent", type: "join", lTime, node }, from);
    const isFresh = this.#context.nodes.get(node)?.state === "active";
    for (const row of networks) this.#networks.merge(row, { from, isFresh });
  }

  #bulkSync(sync: BulkSync, from: Endpoint | undefined): void {
    const { tableClock, now, nodes } = this.#context;
    const { lTime, node } = sync;
    if (lTime !== 0 && !tableClock.witness(lTime, now)) {
      this.#context.drop("lamportJump", from, `a bulk sync at ${lTime}`);
      return;
    }
    if (this.#isOld("table", node, lTime)) {
      this.#context.drop("replayed", from, `tables of ${node}, as they were long ago`);
      return;
    }
    const sender = nodes.get(node);
    sender?.heard.hear("table", lTime, now);
    const isFresh = sender !== undefined && sender.state !== "left";
    const inside = this.#decode(sync.payload);
    if (inside.kind === "compound") this.#compound(inside.parts, { from, isBulk: true, isFresh });
    this.#syncs.receive(sync, from);
  }

  /** Has this node said later things long ago? */
  #isOld(clock: keyof Moments, node: string, lTime: number): boolean {
    const { nodes, now } = this.#context;
    return lTime < (nodes.get(node)?.heard.settled(clock, now) ?? 0);
  }

  /** One part that is bad does not spoil its neighbours. */
  #compound(parts: readonly Uint8Array[], way: Way): void {
    for (const part of parts) this.#guard(way.from, () => this.#event(this.#decode(part), part, way));
  }

  /** Of whole tables, only entries are taken. */
  #event(message: TablesMessage, bytes: Uint8Array, way: Way): void {
    const { from, isBulk } = way;
    if (message.kind === "tableEvent") this.#events.receive(message, bytes, way);
    else if (message.kind === "networkEvent" && !isBulk) {
      this.#networks.receive(message, { from, isFresh: false, rumour: bytes });
    } else if (message.kind === "nodeEvent" && !isBulk) this.#nodes.receive(message, from, bytes);
    else throw new Fault("unknownType", `a compound holds ${message.kind}`);
  }

  #gossip(): void {
    const { own, random } = this.#context;
    for (const network of own.values()) {
      if (network.queue.size + network.rebroadcasts.size === 0) continue;
      const peers = shuffle(random, this.#context.peersOf(network.id)).slice(0, GOSSIP_NODES);
      if (peers.length === 0) continue;
      const parts = this.#news(network);
      if (parts.length === 0) continue;
      const payload = encodeTablesMessage({ kind: "compound", parts });
      for (const { endpoint } of peers) this.#context.emit({ do: "sendBestEffort", to: endpoint, payload });
    }
  }

  /** Ours first, then what we tell on. */
  #news({ id, queue, rebroadcasts }: OwnNetwork): Uint8Array[] {
    const limitBytes = this.#context.packetBytes - PACKET_RESERVE_BYTES;
    const transmitLimit = this.#transmitLimit(this.#context.attachments.nodesOf(id).size);
    const limits = { overheadBytes: COMPOUND_EVENT_BYTES, transmitLimit };
    const first = queue.take({ ...limits, limitBytes });
    const second = rebroadcasts.take({ ...limits, limitBytes: limitBytes - first.bytes });
    return [...first.messages, ...second.messages];
  }

  /** As gossip does: at least twice as often as upstream's least, or small networks miss one in twenty. */
  #transmitLimit(nodeCount: number): number {
    const { retransmitMult } = this.#context;
    return Math.max(2 * retransmitMult, retransmitLimit(retransmitMult, nodeCount));
  }

  #joinNetwork(network: string): void {
    if (this.#networks.join(network)) this.#syncs.first(network);
  }

  #setBootstrap(endpoints: readonly Endpoint[]): void {
    this.#bootstrap = endpoints;
    this.#timers.rejoin = this.#context.now;
    this.#rejoinUntil = this.#context.now + REJOIN_DURATION_MS;
    if (endpoints.length === 0) this.#timers.rejoin = Number.POSITIVE_INFINITY;
    else this.#rejoin();
  }

  /** Is one of the bootstrap nodes with us? If not, we try all of them, again and again for a while. */
  #rejoin(): void {
    const { now, endpoint } = this.#context;
    const others = this.#bootstrap.filter((candidate) => !sameEndpoint(candidate, endpoint));
    const active = this.#context.activeNodes();
    const isFine =
      others.length === 0 || others.some((wanted) => active.some((node) => sameEndpoint(node.endpoint, wanted)));
    if (isFine || now >= this.#rejoinUntil) {
      this.#timers.rejoin = now + REJOIN_INTERVAL_MS;
      this.#rejoinUntil = now + REJOIN_INTERVAL_MS + REJOIN_DURATION_MS;
      return;
    }
    this.#timers.rejoin = now + REJOIN_RETRY_MS;
    for (const to of others) this.#join(to, { kind: "bootstrap" });
  }

  /** One of those who failed may be back. */
  #reconnect(): void {
    const failed = [...this.#context.nodes.values()].filter(({ state }) => state === "failed");
    if (failed.length === 0 || this.#context.isLeaving) return;
    const { endpoint, name } = failed[below(this.#context.random, failed.length)] as KnownNode;
    this.#join(endpoint, { kind: "reconnect", node: name });
  }

  #join(to: Endpoint, join: Join): void {
    const id = this.#context.nextRequest();
    this.#joins.set(id, join);
    this.#context.emit({ do: "join", join: id, to });
  }

  #joinDone(id: RequestId, fault: Fault | undefined): void {
    const join = this.#joins.get(id);
    this.#joins.delete(id);
    if (join === undefined || fault !== undefined) return;
    this.#nodes.announce("join");
    const node = join.kind === "reconnect" ? this.#context.nodes.get(join.node) : undefined;
    if (node !== undefined) this.#syncs.with(node);
  }

  #leave(): void {
    if (this.#context.isLeaving) return;
    this.#context.isLeaving = true;
    this.#nodes.announce("leave");
    const isAlone = this.#context.activeNodes().length === 0;
    this.#timers.leave = this.#context.now + (isAlone ? 0 : LEAVE_EVENT_TIMEOUT_MS);
  }

  #checkLeft(): void {
    const { now, nodeEvents, name } = this.#context;
    if (this.#timers.leave === Number.POSITIVE_INFINITY) return;
    if (nodeEvents.has(name) && now < this.#timers.leave) return;
    this.#timers.leave = Number.POSITIVE_INFINITY;
    this.#context.emit({ do: "leaveSaid" });
  }
}

const NOTHING = new Uint8Array(0);
