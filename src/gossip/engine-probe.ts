/**
 * Probing: one member after the other, in random order, one round each `probeIntervalMs`.
 *
 *   direct    ping; until `probeTimeoutMs`
 *   indirect  `indirectChecks` others are asked to ping it, and we try TCP ourselves; until the interval, stretched by
 *             our own health, is over
 *   failed    it is suspected
 *
 * A probe that lasts longer than an interval delays the next; of the rounds missed meanwhile one is made up for.
 * Source: memberlist `state.go` (`probe`, `probeNode`); Lifeguard.
 */
import { sameEndpoint } from "../base/ip.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { ExchangeId } from "./effects.ts";
import type { EngineContext } from "./engine-context.ts";
import { knowsChecksums, type PacketEngine } from "./engine-packets.ts";
import { GRACE_MS, type RumourEngine } from "./engine-rumours.ts";
import { NACK_PROTOCOL_VERSION, TCP_PING_PROTOCOL_VERSION } from "./limits.ts";
import type { MemberRecord } from "./member-table.ts";
import type { Ping } from "./messages.ts";

interface Probe {
  readonly record: MemberRecord;
  readonly ping: Ping;
  readonly startedAt: number;
  phase: "direct" | "indirect";
  phaseEndsAt: number;
  nacksExpected: number;
  nacks: number;
  stream: ExchangeId | undefined;
  /** A late wake has made it wait once already. */
  wasPutOff: boolean;
}

export class ProbeEngine {
  readonly #context: EngineContext;
  readonly #packets: PacketEngine;
  readonly #rumours: RumourEngine;
  #nextRoundAt = Number.POSITIVE_INFINITY;
  #probe: Probe | undefined;

  constructor(context: EngineContext, packets: PacketEngine, rumours: RumourEngine) {
    this.#context = context;
    this.#packets = packets;
    this.#rumours = rumours;
  }

  start(firstRoundAt: number): void {
    this.#nextRoundAt = firstRoundAt;
  }

  deadline(): number {
    return this.#probe?.phaseEndsAt ?? this.#nextRoundAt;
  }

  wake(): void {
    const { now, config } = this.#context;
    if (this.#probe !== undefined && now >= this.#probe.phaseEndsAt) this.#phaseIsOver(this.#probe);
    if (this.#probe !== undefined || now < this.#nextRoundAt) return;
    this.#nextRoundAt += (1 + Math.floor((now - this.#nextRoundAt) / config.probeIntervalMs)) * config.probeIntervalMs;
    const next = this.#next();
    if (next !== undefined) this.#begin(next);
  }

  ack(seqNo: number, payload: Uint8Array | null): void {
    const probe = this.#probe;
    if (probe === undefined || probe.ping.seqNo !== seqNo) return;
    const { now } = this.#context;
    if (probe.phase === "direct") {
      const roundTripMs = now - probe.startedAt;
      this.#context.emit({ do: "pingComplete", node: probe.record.name, roundTripMs, payload });
    }
    this.#succeed(probe);
  }

  nack(seqNo: number): void {
    const probe = this.#probe;
    if (probe?.ping.seqNo === seqNo && probe.nacks < probe.nacksExpected) probe.nacks += 1;
  }

  /** The system could not send to `to`: no need to wait for an answer from there. */
  sendFailed(to: Endpoint): void {
    const probe = this.#probe;
    if (probe?.phase === "direct" && sameEndpoint(probe.record.endpoint, to)) this.#askOthers(probe);
  }

  /** Was this stream a ping of ours? */
  streamEnded(exchange: ExchangeId, acknowledged: number | undefined): boolean {
    const probe = this.#probe;
    if (probe === undefined || probe.stream !== exchange) return false;
    probe.stream = undefined;
    if (acknowledged === probe.ping.seqNo) this.#succeed(probe);
    return true;
  }

  /** The next who is worth a probe; at the end of a round, those long gone are forgotten. */
  #next(): MemberRecord | undefined {
    const { table, random, config, now, name } = this.#context;
    for (let checked = 0; checked <= table.size; checked++) {
      const record = table.next();
      if (record === undefined) {
        table.reshuffle(random, (gone) => {
          return gone.isGone && gone.name !== name && now - gone.changedAt > config.gossipToTheDeadTimeMs;
        });
      } else if (record.name !== name && !record.isGone) return record;
    }
    return undefined;
  }

  #begin(record: MemberRecord): void {
    const { config, now, name } = this.#context;
    const seqNo = this.#context.nextSeqNo();
    const ping: Ping = { kind: "ping", seqNo, node: record.name, ...this.#context.source() };
    this.#probe = {
      record,
      ping,
      startedAt: now,
      phase: "direct",
      phaseEndsAt: now + config.probeTimeoutMs,
      nacksExpected: 0,
      nacks: 0,
      stream: undefined,
      wasPutOff: false,
    };
    if (record.state === "alive") this.#packets.sendWithRumours(record.endpoint, ping);
    else {
      // Told at once, it can deny at once.
      const { incarnation } = record;
      const suspect = { kind: "suspect", incarnation, node: record.name, from: name } as const;
      this.#packets.send(record.endpoint, [ping, suspect], knowsChecksums(record));
    }
  }

  #phaseIsOver(probe: Probe): void {
    const { now, graceUntil } = this.#context;
    if (now < graceUntil && !probe.wasPutOff) {
      probe.wasPutOff = true;
      probe.phaseEndsAt = now + GRACE_MS;
    } else if (probe.phase === "direct") this.#askOthers(probe);
    else this.#fail(probe);
  }

  #askOthers(probe: Probe): void {
    const { config, now, awareness } = this.#context;
    const endsAt = probe.startedAt + awareness.scale(config.probeIntervalMs);
    // After a late wake, others get as long to answer as they would have had.
    const soonestMs = probe.wasPutOff ? config.probeIntervalMs - config.probeTimeoutMs : 0;
    probe.phase = "indirect";
    probe.phaseEndsAt = Math.max(endsAt, now + soonestMs);
    for (const helper of this.#helpers(probe.record)) this.#ask(helper, probe);
    if (!config.disableTcpPings && (probe.record.vsn[1] ?? 0) >= TCP_PING_PROTOCOL_VERSION) this.#dial(probe);
  }

  #helpers(target: MemberRecord): MemberRecord[] {
    const { table, random, config, name } = this.#context;
    const canHelp = (record: MemberRecord): boolean =>
      record !== target && record.state === "alive" && record.name !== name;
    return table.pick(random, config.indirectChecks, canHelp);
  }

  #ask(helper: MemberRecord, probe: Probe): void {
    const nack = (helper.vsn[1] ?? 0) >= NACK_PROTOCOL_VERSION;
    if (nack) probe.nacksExpected += 1;
    const { record, ping } = probe;
    const { addr: target, port, node } = record.alive;
    this.#packets.sendWithRumours(helper.endpoint, {
      kind: "indirectPing",
      seqNo: ping.seqNo,
      target,
      port,
      node,
      nack,
      ...this.#context.source(),
    });
  }

  #dial(probe: Probe): void {
    const exchange = this.#context.nextExchange();
    probe.stream = exchange;
    const timeoutMs = Math.max(1, probe.phaseEndsAt - this.#context.now);
    const { record, ping } = probe;
    this.#context.emit({ do: "dial", exchange, to: record.endpoint, message: ping, expects: "ack", timeoutMs });
  }

  #succeed(probe: Probe): void {
    this.#context.awareness.apply(-1);
    this.#end(probe);
  }

  #fail(probe: Probe): void {
    const { awareness, name } = this.#context;
    const { record, nacksExpected, nacks } = probe;
    awareness.apply(nacksExpected > 0 ? nacksExpected - nacks : 1);
    this.#end(probe);
    const suspect = { kind: "suspect", incarnation: record.incarnation, node: record.name, from: name } as const;
    this.#rumours.suspect(suspect, undefined);
  }

  #end({ stream }: Probe): void {
    if (stream !== undefined) this.#context.emit({ do: "hangUp", exchange: stream });
    this.#probe = undefined;
  }
}
