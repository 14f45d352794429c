/**
 * Several NetworkDB engines on one table: what one sends, another gets, in order and at once, with a clock that the
 * test turns. Stands where gossip does: it tells who is a member, carries rumours, and exchanges states.
 */
import assert from "node:assert/strict";
import type { Member } from "../../../src/gossip/effects.ts";
import type { Endpoint } from "../../../src/port/endpoint.ts";
import { SeededRandom } from "../../../src/sim/random.ts";
import type { EntryChange, TablesEffect, TablesInput } from "../../../src/tables/effects.ts";
import { TablesEngine } from "../../../src/tables/engine.ts";
import type { TablesEnginePorts } from "../../../src/tables/engine-context.ts";

const TICK_MS = 50;
const RUMOURS_EVERY_MS = 200;
const NOTHING = new Uint8Array(0);

export interface Seat {
  readonly name: string;
  readonly endpoint: Endpoint;
  engine: TablesEngine;
  isUp: boolean;
  /** What its watch of everything told, in order. */
  readonly changes: EntryChange[];
  readonly effects: TablesEffect[];
  readonly ports: Partial<TablesEnginePorts>;
}

export class Hub {
  now = 0;
  readonly seats: Seat[] = [];
  /** Looks at everything that is sent; false: it is lost. */
  carries: (from: Seat, to: Seat, payload: Uint8Array) => boolean = () => true;
  #requests = 0;

  /** A node that everybody who is up takes for a member from now on. */
  add(name: string, ports: Partial<TablesEnginePorts> = {}, address = `10.0.0.${this.seats.length + 1}`): Seat {
    const endpoint = { address, port: 7946 };
    const engine = new TablesEngine(
      { name, endpoint, packetBytes: 1_400, retransmitMult: 4 },
      { random: new SeededRandom(1, name), ...ports },
    );
    const seat: Seat = { name, endpoint, engine, isUp: true, changes: [], effects: [], ports };
    this.seats.push(seat);
    this.give(seat, { on: "start" });
    this.give(seat, { on: "watch", watch: 1 });
    for (const other of this.up()) if (other !== seat) this.meet(seat, other);
    return seat;
  }

  up(): Seat[] {
    return this.seats.filter(({ isUp }) => isUp);
  }

  /** Both hold each other for members, and exchange their states as a join does. */
  meet(one: Seat, other: Seat): void {
    this.tell(one, "join", other);
    this.tell(other, "join", one);
    const [mine, theirs] = [one.engine.localState(true), other.engine.localState(true)];
    this.give(one, { on: "notice", notice: { do: "remoteState", userState: theirs, join: true } });
    this.give(other, { on: "notice", notice: { do: "remoteState", userState: mine, join: true } });
  }

  /** Gossip tells `to` of a member. */
  tell(to: Seat, kind: "join" | "leave", { name, endpoint }: Pick<Seat, "name" | "endpoint">): void {
    const state = kind === "join" ? "alive" : "dead";
    const member: Member = { name, addr: NOTHING, endpoint, meta: NOTHING, incarnation: 1, state, vsn: NOTHING };
    this.give(to, { on: "notice", notice: { do: "tell", event: { kind, member } } });
  }

  /** Everybody learns that this one is dead; it hears nothing any more. */
  fail(seat: Seat): void {
    seat.isUp = false;
    for (const other of this.up()) this.tell(other, "leave", seat);
  }

  revive(seat: Seat): void {
    seat.isUp = true;
    for (const other of this.up()) if (other !== seat) this.meet(seat, other);
  }

  join(network: string, ...seats: readonly Seat[]): void {
    for (const seat of seats) this.give(seat, { on: "joinNetwork", network });
  }

  /** Change an entry; the code of the fault, or "done". */
  change(
    seat: Seat,
    type: "create" | "update" | "delete",
    key: string,
    value = "",
    place: Partial<Place> = {},
  ): string {
    const { network = "net", table = "table" } = place;
    const request = ++this.#requests;
    this.give(seat, { on: "change", request, type, network, table, key, value: bytes(value) });
    const answer = seat.effects.find((effect) => effect.do === "changed" && effect.request === request);
    assert.ok(answer?.do === "changed", "every change is answered");
    return answer.fault?.code ?? "done";
  }

  /** A user message that nobody here sent. */
  inject(to: Seat, payload: Uint8Array): void {
    const from = { address: "10.9.9.9", port: 7946 };
    this.give(to, { on: "notice", notice: { do: "userMessage", payload, from } });
  }

  /** Let time pass. */
  run(durationMs: number): void {
    const end = this.now + durationMs;
    while (this.now < end) {
      this.now += TICK_MS;
      for (const seat of this.up()) if (seat.engine.deadline() <= this.now) this.give(seat, { on: "wake" });
      if (this.now % RUMOURS_EVERY_MS === 0) for (const seat of this.up()) this.#rumours(seat);
    }
  }

  give(seat: Seat, input: TablesInput | { readonly on: "wake" }): void {
    if (!seat.isUp) return;
    const effects = seat.engine.step(this.now, input);
    seat.effects.push(...effects);
    for (const effect of effects) this.#perform(seat, effect);
  }

  /** What a seat sees of others: key and value, sorted. */
  seen({ changes }: Seat): string[] {
    const live = new Map<string, string>();
    for (const { type, network, table, key, value } of changes) {
      const place = `${network}/${table}/${key}`;
      if (type === "delete") live.delete(place);
      else live.set(place, text(value));
    }
    return [...live].map(([place, value]) => `${place}=${value}`).sort();
  }

  #rumours(seat: Seat): void {
    const payloads = seat.engine.getBroadcasts(3, 1_300);
    for (const other of this.up()) {
      if (other === seat) continue;
      for (const payload of payloads) this.#deliver(seat, other, payload);
    }
  }

  #perform(seat: Seat, effect: TablesEffect): void {
    if (effect.do === "entry") seat.changes.push(effect.change);
    else if (effect.do === "sendBestEffort") this.#deliver(seat, this.#at(effect.to), effect.payload);
    else if (effect.do === "sendReliable") {
      const isThere = this.#deliver(seat, this.#at(effect.to), effect.payload);
      if (isThere) this.give(seat, { on: "sendDone", send: effect.send, fault: undefined });
    } else if (effect.do === "join") {
      const other = this.#at(effect.to);
      if (other?.isUp !== true) return;
      this.meet(seat, other);
      this.give(seat, { on: "joinDone", join: effect.join, fault: undefined });
    }
  }

  #deliver(from: Seat, to: Seat | undefined, payload: Uint8Array): boolean {
    if (to === undefined || !to.isUp || !this.carries(from, to, payload)) return false;
    this.give(to, { on: "notice", notice: { do: "userMessage", payload, from: from.endpoint } });
    return true;
  }

  #at({ address }: Endpoint): Seat | undefined {
    return this.seats.find(({ endpoint, isUp }) => isUp && endpoint.address === address);
  }
}

interface Place {
  readonly network: string;
  readonly table: string;
}

export const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);
export const text = (value: Uint8Array): string => new TextDecoder().decode(value);
