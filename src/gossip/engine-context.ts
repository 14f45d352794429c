/**
 * What all parts of the gossip engine share during a step: settings, the table, the rumours that wait, the effects of
 * this step. Holds state and the few verbs that every part needs; decides nothing.
 */

import { assert } from "../base/assert.ts";
import type { DecodeFaultCode } from "../base/fault.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { Random } from "../port/random.ts";
import { Awareness } from "./awareness.ts";
import { BroadcastQueue } from "./broadcast-queue.ts";
import type { GossipConfig } from "./config.ts";
import type { Delegate, ExchangeId, GossipEffect, MemberEvent } from "./effects.ts";
import type { Improvements } from "./improvements.ts";
import { MEMBERS_MAX, META_BYTES_MAX, PROTOCOL_VERSION, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN } from "./limits.ts";
import { type MemberRecord, MemberTable } from "./member-table.ts";
import { encodedLength } from "./message-codec.ts";
import type { Alive, PacketMessage } from "./messages.ts";

export interface GossipEngineOptions {
  readonly config: GossipConfig;
  readonly name: string;
  /** What the others are told: 4 or 16 bytes, the same form for life. */
  readonly addr: Uint8Array;
  readonly port: number;
  /** The first incarnation; at least 1. */
  readonly incarnation: number;
  /** Are packets encrypted now? Then less fits into one. */
  readonly encrypted: () => boolean;
  /** Default: all. */
  readonly improvements?: Improvements;
  /** Members taken for alive from the start, without a word to anybody; default: none. */
  readonly known?: readonly Alive[];
}

export interface GossipEnginePorts {
  readonly random: Random;
  readonly delegate: Delegate;
}

export class EngineContext {
  readonly config: GossipConfig;
  readonly name: string;
  readonly random: Random;
  readonly delegate: Delegate;
  readonly improvements: Improvements;
  readonly encrypted: () => boolean;
  readonly table = new MemberTable();
  readonly queue = new BroadcastQueue<PacketMessage>(encodedLength);
  readonly awareness: Awareness;
  /** Of the step that is running. */
  now = 0;
  effects: GossipEffect[] = [];
  /** Until then nobody is accused: a late wake has left answers unread. */
  graceUntil = Number.NEGATIVE_INFINITY;
  /** We have said, or are saying, goodbye. */
  isLeaving = false;
  /** Ourselves in the table; there from the first input on. */
  self: MemberRecord | undefined;
  /** What we said of ourselves last. */
  incarnation: number;
  readonly #addr: Uint8Array;
  readonly #port: number;
  #lastSeqNo: number;
  #lastExchange: ExchangeId = 0;

  constructor(options: GossipEngineOptions, improvements: Improvements, { random, delegate }: GossipEnginePorts) {
    const { config, name, addr, port, incarnation, encrypted } = options;
    assert(incarnation >= 1, "incarnation 0 makes nobody alive");
    this.config = config;
    this.name = name;
    this.random = random;
    this.delegate = delegate;
    this.improvements = improvements;
    this.encrypted = encrypted;
    this.awareness = new Awareness(config.awarenessMaxMultiplier);
    this.incarnation = incarnation;
    this.#addr = addr;
    this.#port = port;
    this.#lastSeqNo = 0;
  }

  emit(effect: GossipEffect): void {
    this.effects.push(effect);
  }

  tell(event: MemberEvent): void {
    this.effects.push({ do: "tell", event });
  }

  /** Count something as refused. */
  drop(code: DecodeFaultCode, from: Endpoint | undefined, detail: string): void {
    this.effects.push({ do: "drop", code, from, detail });
  }

  /** Numbers of pings: 32 bits, wrapping. */
  nextSeqNo(): number {
    this.#lastSeqNo = (this.#lastSeqNo + 1) >>> 0;
    return this.#lastSeqNo;
  }

  nextExchange(): ExchangeId {
    this.#lastExchange += 1;
    return this.#lastExchange;
  }

  /** Where the answer to our pings shall go. */
  source(): { readonly sourceAddr: Uint8Array; readonly sourcePort: number; readonly sourceNode: string } {
    return { sourceAddr: this.#addr, sourcePort: this.#port, sourceNode: this.name };
  }

  /** What we say of ourselves, at the present incarnation, with the meta of now. */
  announcement(): Alive {
    const meta = this.delegate.nodeMeta(META_BYTES_MAX);
    assert(meta.length <= META_BYTES_MAX, "the delegate's meta is too long");
    const vsn = Uint8Array.of(
      PROTOCOL_VERSION_MIN,
      PROTOCOL_VERSION_MAX,
      PROTOCOL_VERSION,
      ...this.config.delegateVersions,
    );
    const { name: node, incarnation } = this;
    return { kind: "alive", incarnation, node, addr: this.#addr, port: this.#port, meta, vsn };
  }

  isSelf(name: string): boolean {
    return name === this.name;
  }

  /** May another member be remembered? */
  hasRoom(): boolean {
    return this.table.size < MEMBERS_MAX;
  }
}
