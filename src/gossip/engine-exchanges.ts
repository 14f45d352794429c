/**
 * Streams: whole tables exchanged with others, now and then and when joining, and user messages that must arrive.
 *
 * Who is asked for an exchange answers first and looks at the other's state then, so an answer is no admission: we
 * check for ourselves whether we can live with the others. Source: memberlist `state.go` (`pushPull`),
 * `net.go` (`handleConn`, `mergeRemoteState`), `util.go` (`pushPullScale`).
 */
import { Fault } from "../base/fault.ts";
import { formatEndpoint } from "../base/ip.ts";
import { printable } from "../base/printable.ts";
import { below, fraction } from "../base/random.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { ExchangeId, GossipInput } from "./effects.ts";
import type { EngineContext } from "./engine-context.ts";
import type { RumourEngine } from "./engine-rumours.ts";
import { MemberRecord } from "./member-table.ts";
import type { PushNodeState, PushPull, StreamRequest, StreamResponse } from "./messages.ts";

/** What a stream that we dialled is for. */
type Purpose =
  | { readonly kind: "routine"; readonly to: Endpoint }
  | { readonly kind: "join"; readonly to: Endpoint; readonly join: ExchangeId }
  | { readonly kind: "send"; readonly to: Endpoint; readonly send: ExchangeId };

/** Clusters up to this size exchange at the set interval; each doubling adds one more interval. */
const UNSTRETCHED_NODES_MAX = 32;
/** Ours: probe intervals between two attempts of the cluster as a whole to reach a dead member. */
const RECONNECT_INTERVALS = 5;
/** Ours: probe intervals without a ping after which a member asks itself what the others think of it. */
const SILENT_INTERVALS = 10;

export class ExchangeEngine {
  readonly #context: EngineContext;
  readonly #rumours: RumourEngine;
  readonly #purposes = new Map<ExchangeId, Purpose>();
  /** When somebody last pinged us. */
  readonly #lastPingedAt: () => number;
  #nextRoutineAt = Number.POSITIVE_INFINITY;
  #silentSince = Number.POSITIVE_INFINITY;
  #nextReconnectAt = Number.POSITIVE_INFINITY;

  constructor(context: EngineContext, rumours: RumourEngine, lastPingedAt: () => number) {
    this.#context = context;
    this.#rumours = rumours;
    this.#lastPingedAt = lastPingedAt;
  }

  start(firstRoutineAt: number): void {
    this.#nextRoutineAt = firstRoutineAt;
    const { now, improvements, random } = this.#context;
    this.#silentSince = now;
    if (improvements.reconnect) this.#nextReconnectAt = now + fraction(random) * this.#reconnectMs();
  }

  deadline(): number {
    return Math.min(this.#nextRoutineAt, this.#silenceAt(), this.#nextReconnectAt);
  }

  wake(): void {
    const { now, config, table } = this.#context;
    const isSilent = now >= this.#silenceAt();
    if (isSilent) this.#silentSince = now;
    const isRoutine = now >= this.#nextRoutineAt;
    if (isRoutine) this.#nextRoutineAt = now + config.pushPullIntervalMs * pushPullScale(table.size);
    if (isRoutine || isSilent) this.#exchangeWithSomebody();
    if (now < this.#nextReconnectAt) return;
    this.#nextReconnectAt = now + this.#reconnectMs();
    this.#reconnect();
  }

  join({ join, to }: Extract<GossipInput, { on: "join" }>): void {
    this.#exchange({ kind: "join", join, to });
  }

  send({ send, to, payload }: Extract<GossipInput, { on: "sendReliable" }>): void {
    const exchange = this.#context.nextExchange();
    this.#purposes.set(exchange, { kind: "send", send, to });
    const timeoutMs = this.#context.config.tcpTimeoutMs;
    this.#context.emit({ do: "dial", exchange, to, message: { kind: "user", payload }, expects: "nothing", timeoutMs });
  }

  request(exchange: ExchangeId, from: Endpoint, message: StreamRequest): void {
    if (message.kind === "pushPull") {
      this.#context.emit({ do: "reply", exchange, message: this.#state(message.join) });
      this.#merge(message, message.join, from);
    } else if (message.kind === "ping" && (message.node === "" || this.#context.isSelf(message.node))) {
      this.#context.emit({ do: "reply", exchange, message: { kind: "ack", seqNo: message.seqNo, payload: null } });
    } else {
      this.#context.emit({ do: "close", exchange });
      if (message.kind === "user") this.#context.emit({ do: "userMessage", payload: message.payload, from });
    }
  }

  response(exchange: ExchangeId, message: StreamResponse): void {
    const purpose = this.#take(exchange);
    if (purpose === undefined) return;
    this.#done(purpose, this.#judge(purpose, message));
  }

  /** A stream that expected no answer has been read, or one has failed. */
  ended(exchange: ExchangeId, fault: Fault | undefined): void {
    const purpose = this.#take(exchange);
    if (purpose !== undefined) this.#done(purpose, fault);
  }

  /** What became of an exchange, once the other side has answered. */
  #judge(purpose: Purpose, message: StreamResponse): Fault | undefined {
    const where = formatEndpoint(purpose.to);
    if (message.kind === "error") return new Fault("unavailable", `${where} refused: ${printable(message.error)}`);
    if (message.kind !== "pushPull") return new Fault("malformed", `${where} answered something else`);
    return this.#merge(message, purpose.kind === "join", purpose.to);
  }

  #done(purpose: Purpose, fault: Fault | undefined): void {
    if (purpose.kind === "join") this.#context.emit({ do: "joinDone", join: purpose.join, fault });
    else if (purpose.kind === "send") this.#context.emit({ do: "sendDone", send: purpose.send, fault });
  }

  #take(exchange: ExchangeId): Purpose | undefined {
    const purpose = this.#purposes.get(exchange);
    this.#purposes.delete(exchange);
    return purpose;
  }

  #exchangeWithSomebody(): void {
    const { table, random, name } = this.#context;
    const isOther = (record: MemberRecord): boolean => record.state === "alive" && record.name !== name;
    for (const { endpoint } of table.pick(random, 1, isOther)) this.#exchange({ kind: "routine", to: endpoint });
  }

  /**
   * Is one of the dead back? All living members together try each of them about once in an interval: each of us as
   * often as the dead outweigh the living. Source: serf `serf.go` (`reconnect`).
   */
  #reconnect(): void {
    const { table, random, isLeaving } = this.#context;
    const dead = table.all().filter(({ state }) => state === "dead");
    if (dead.length === 0 || isLeaving) return;
    const living = table.all().filter(({ isGone }) => !isGone).length;
    if (fraction(random) * living >= dead.length) return;
    this.#exchange({ kind: "routine", to: dead[below(random, dead.length)]!.endpoint });
  }

  #reconnectMs(): number {
    return RECONNECT_INTERVALS * this.#context.config.probeIntervalMs;
  }

  #exchange(purpose: Purpose): void {
    const exchange = this.#context.nextExchange();
    this.#purposes.set(exchange, purpose);
    const message = this.#state(purpose.kind === "join");
    const timeoutMs = this.#context.config.tcpTimeoutMs;
    this.#context.emit({ do: "dial", exchange, to: purpose.to, message, expects: "pushPull", timeoutMs });
  }

  #state(join: boolean): PushPull {
    const { table, delegate } = this.#context;
    const nodes = table.all().map((record) => record.row());
    return { kind: "pushPull", join, nodes, userState: delegate.localState(join) };
  }

  /** Take over what the other side knows; the fault if we may not. */
  #merge({ nodes, userState }: PushPull, join: boolean, from: Endpoint): Fault | undefined {
    const fault = this.#objection(nodes, join, from);
    if (fault !== undefined) {
      this.#context.drop(fault.code === "incompatibleVersion" ? fault.code : "invalidMember", from, fault.message);
      return fault;
    }
    this.#rumours.merge(nodes, from);
    if (userState.length > 0) this.#context.emit({ do: "remoteState", userState, join });
    return undefined;
  }

  #objection(rows: readonly PushNodeState[], join: boolean, from: Endpoint): Fault | undefined {
    const where = formatEndpoint(from);
    if (!this.#rumours.canLiveWith(rows)) {
      return new Fault("incompatibleVersion", `${where} and we have no common protocol version`);
    }
    const { delegate } = this.#context;
    if (!join || delegate.vetoMerge === undefined) return undefined;
    const reason = delegate.vetoMerge(rows.map((row) => this.#memberOf(row)));
    return reason === undefined ? undefined : new Fault("conflict", `not joining with ${where}: ${reason}`);
  }

  #memberOf({ name: node, state, ...row }: PushNodeState): ReturnType<MemberRecord["member"]> {
    const record = new MemberRecord({ kind: "alive", node, ...row }, state, this.#context.now);
    record.incarnation = row.incarnation;
    return record.member();
  }

  /** When the silence around us has become strange; never with the improvement off, or nobody to ask. */
  #silenceAt(): number {
    const { improvements, config } = this.#context;
    if (!improvements.silenceExchange || config.pushPullIntervalMs === 0) return Number.POSITIVE_INFINITY;
    return Math.max(this.#silentSince, this.#lastPingedAt()) + SILENT_INTERVALS * config.probeIntervalMs;
  }
}

/** How many times the interval a cluster of `nodeCount` waits between exchanges. */
export function pushPullScale(nodeCount: number): number {
  if (nodeCount <= UNSTRETCHED_NODES_MAX) return 1;
  return Math.ceil(Math.log2(nodeCount) - Math.log2(UNSTRETCHED_NODES_MAX)) + 1;
}
