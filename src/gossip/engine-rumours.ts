/**
 * What becomes of a member when something is said about it: the rules of alive, suspect, dead and of merging tables.
 *
 * News counts by incarnation, a number that only the member itself raises. What is said about ourselves and is not
 * true is refuted with an incarnation above it. Death is never believed at second hand: in a table it is a suspicion.
 * Source: memberlist `state.go` (`aliveNode`, `suspectNode`, `deadNode`, `mergeState`, `refute`).
 */
import { addressText, type NetworkMatch, networkMatch } from "../base/ip.ts";
import type { Endpoint } from "../port/endpoint.ts";
import { Deadlines } from "./deadlines.ts";
import type { EngineContext } from "./engine-context.ts";
import { INCARNATION_MAX } from "./limits.ts";
import { MemberRecord, sameBytes } from "./member-table.ts";
import type { Alive, Dead, PushNodeState, Suspect } from "./messages.ts";
import { Suspicion, suspicionLimits } from "./suspicion.ts";
import { areCompatible, isPossibleVsn } from "./versions.ts";

/** Where a rumour came from, for the drop counters. */
type Source = Endpoint | undefined;

/** Ours: how long a suspicion that ran out during a late wake waits for a denial that may lie in the socket. */
export const GRACE_MS = 200;

export class RumourEngine {
  readonly #context: EngineContext;
  readonly #allowed: NetworkMatch;
  readonly #suspicions = new Map<MemberRecord, Suspicion>();
  readonly #deadlines = new Deadlines<MemberRecord>();

  constructor(context: EngineContext) {
    this.#context = context;
    this.#allowed = networkMatch(context.config.cidrsAllowed);
  }

  /** When the next suspicion runs out. */
  deadline(): number {
    return this.#deadlines.earliest();
  }

  /** Suspicions that ran out become deaths. */
  wake(): void {
    const { now, graceUntil, name } = this.#context;
    for (const record of this.#deadlines.takeDue(now)) {
      const suspicion = this.#suspicions.get(record);
      if (suspicion === undefined) continue;
      if (now < graceUntil && !suspicion.wasPutOff) {
        suspicion.wasPutOff = true;
        this.#deadlines.set(record, graceUntil);
      } else this.dead({ kind: "dead", incarnation: record.incarnation, node: record.name, from: name }, undefined);
    }
  }

  /** Say of ourselves that we are alive, with the present incarnation and meta. */
  announce(): void {
    const alive = this.#context.announcement();
    this.#context.self ??= this.#add(alive);
    this.#revive(this.#context.self, alive);
  }

  /** Take somebody for alive without a word to anybody. */
  know(alive: Alive): void {
    const { table, now } = this.#context;
    if (this.#context.isSelf(alive.node) || table.get(alive.node) !== undefined || !this.#context.hasRoom()) return;
    const record = this.#add(alive);
    record.announce(alive);
    record.enter("alive", now);
  }

  alive(alive: Alive, from: Source): void {
    const { isLeaving, table } = this.#context;
    const isSelf = this.#context.isSelf(alive.node);
    if (isLeaving && isSelf) return;
    if (!this.#isPossible(alive, from)) return;
    const record = table.get(alive.node);
    if (record === undefined) {
      if (alive.incarnation > 0 && this.#isWelcome(alive, from)) this.#revive(this.#add(alive), alive);
      return;
    }
    const moves = !record.hasAddress(alive.addr, alive.port);
    const isNews = moves || alive.incarnation > record.incarnation;
    if (moves && !this.#mayMove(record)) this.#conflict(record, alive);
    else if (isSelf) this.#aboutSelf(record, alive);
    else if (isNews && !this.#isVetoed(alive, record, from)) this.#revive(record, alive);
  }

  suspect(suspect: Suspect, from: Source): void {
    const record = this.#context.table.get(suspect.node);
    if (record === undefined || suspect.incarnation < record.incarnation) return;
    if (!this.#isRefutable(suspect.incarnation, from)) return;
    const running = this.#suspicions.get(record);
    if (running !== undefined) this.#confirm(record, running, suspect);
    else if (record.state === "alive" && this.#context.isSelf(record.name)) this.#refute(record, suspect.incarnation);
    else if (record.state === "alive") this.#beginSuspicion(record, suspect);
  }

  dead(dead: Dead, from: Source): void {
    const { table, queue, isLeaving, now } = this.#context;
    const record = table.get(dead.node);
    if (record === undefined || dead.incarnation < record.incarnation) return;
    if (!this.#isRefutable(dead.incarnation, from)) return;
    this.#endSuspicion(record);
    if (record.isGone) return;
    if (this.#context.isSelf(record.name) && !isLeaving) {
      this.#refute(record, dead.incarnation);
      return;
    }
    queue.push(record.name, dead);
    record.incarnation = dead.incarnation;
    record.enter(dead.node === dead.from ? "left" : "dead", now);
    this.#context.tell({ kind: "leave", member: record.member() });
  }

  /** Believe the rows of another's table, as far as rows can be believed. */
  merge(rows: readonly PushNodeState[], from: Source): void {
    const { name } = this.#context;
    for (const row of rows) {
      const { name: node, incarnation, state } = row;
      if (state === "alive") {
        if (!this.#isOld(row)) this.alive(this.#announcementOf(row), from);
      } else if (state === "left") this.dead({ kind: "dead", incarnation, node, from: node }, from);
      else this.suspect({ kind: "suspect", incarnation, node, from: name }, from);
    }
  }

  /** Could these members and those that we know live in one cluster? */
  canLiveWith(rows: readonly PushNodeState[]): boolean {
    return areCompatible([...rows, ...this.#context.table.all()]);
  }

  /** Most rows of an exchange tell what is known: they cost nothing. */
  #isOld({ name, incarnation, addr, port }: PushNodeState): boolean {
    const known = this.#context.table.get(name);
    if (known === undefined || this.#context.isSelf(name)) return false;
    return incarnation <= known.incarnation && known.hasAddress(addr, port);
  }

  /** Most members have our versions and no meta: those are kept once, not once a member. */
  #announcementOf({ name: node, incarnation, addr, port, meta, vsn }: PushNodeState): Alive {
    const ours = this.#context.self?.vsn;
    const isOurs = ours !== undefined && vsn !== null && sameBytes(vsn, ours);
    const kept = { meta: meta?.length === 0 ? EMPTY : meta, vsn: isOurs ? ours : vsn };
    return { kind: "alive", incarnation, node, addr, port, ...kept };
  }

  #isPossible(alive: Alive, from: Source): boolean {
    if (!isPossibleVsn(alive.vsn)) {
      this.#context.drop("invalidMember", from, "impossible protocol versions");
      return false;
    }
    if (this.#allowed(alive.addr)) return true;
    this.#context.drop("notAllowed", from, `member at ${addressText(alive.addr)}`);
    return false;
  }

  /** The last of all incarnations would leave the accused nothing to object with. */
  #isRefutable(incarnation: number, from: Source): boolean {
    if (incarnation < INCARNATION_MAX) return true;
    this.#context.drop("invalidMember", from, "an accusation that could not be refuted");
    return false;
  }

  /** A new row in the table, as of somebody dead. */
  #add(alive: Alive): MemberRecord {
    const { table, now, random } = this.#context;
    const record = new MemberRecord(alive, "dead", now);
    table.add(record, random);
    return record;
  }

  /** May a stranger be remembered? */
  #isWelcome(alive: Alive, from: Source): boolean {
    if (this.#isVetoed(alive, undefined, from)) return false;
    if (this.#context.hasRoom()) return true;
    this.#context.drop("oversize", from, "more members than can be remembered");
    return false;
  }

  #isVetoed(alive: Alive, known: MemberRecord | undefined, from: Source): boolean {
    if (!this.#hasLivableVersions(alive, known)) {
      this.#context.drop("incompatibleVersion", from, "a rumour of a member that nobody could live with");
      return true;
    }
    const { delegate, now } = this.#context;
    const reason = delegate.vetoAlive?.(new MemberRecord(alive, "alive", now).member());
    if (reason === undefined) return false;
    this.#context.drop("invalidMember", from, reason);
    return true;
  }

  #hasLivableVersions({ vsn, node }: Alive, known: MemberRecord | undefined): boolean {
    const { improvements, table, self } = this.#context;
    if (!improvements.versionsInRumours || vsn === null || vsn.length === 0) return true;
    if (self !== undefined && sameBytes(vsn, self.vsn)) return true;
    if (known !== undefined && sameBytes(vsn, known.vsn)) return true;
    const others = table.all().filter(({ name, state }) => name !== node && state === "alive");
    return areCompatible([...others, { vsn, state: "alive" }]);
  }

  /** May a member of this name come back from another address? */
  #mayMove({ state, changedAt }: MemberRecord): boolean {
    const { config, now } = this.#context;
    const { deadNodeReclaimTimeMs } = config;
    if (state === "left") return true;
    return state === "dead" && deadNodeReclaimTimeMs > 0 && now - changedAt > deadNodeReclaimTimeMs;
  }

  #conflict(record: MemberRecord, { addr, port }: Alive): void {
    const claimed = { address: addressText(addr), port };
    this.#context.tell({ kind: "conflict", member: record.member(), claimed });
  }

  /** Others tell of us what we said, or what we did not. */
  #aboutSelf(self: MemberRecord, { incarnation, meta, vsn }: Alive): void {
    if (incarnation < self.incarnation) return;
    const isOurs = sameBytes(meta ?? EMPTY, self.meta) && sameBytes(vsn ?? EMPTY, self.vsn);
    if (incarnation === self.incarnation && isOurs) return;
    this.#refute(self, incarnation);
  }

  #refute(self: MemberRecord, accusedIncarnation: number): void {
    const context = this.#context;
    if (context.incarnation === INCARNATION_MAX) return;
    context.incarnation = Math.min(Math.max(context.incarnation, accusedIncarnation) + 1, INCARNATION_MAX);
    context.awareness.apply(1);
    this.announce();
    context.tell({ kind: "accused", member: self.member() });
  }

  #revive(record: MemberRecord, alive: Alive): void {
    const { queue, now } = this.#context;
    const { state, meta } = record;
    const metaChanged = !sameBytes(meta, alive.meta ?? EMPTY);
    this.#endSuspicion(record);
    queue.push(record.name, alive);
    record.announce(alive);
    if (state !== "alive") record.enter("alive", now);
    if (state === "dead" || state === "left") this.#context.tell({ kind: "join", member: record.member() });
    else if (metaChanged) this.#context.tell({ kind: "update", member: record.member() });
    if (state === "suspect") this.#context.tell({ kind: "refute", member: record.member() });
  }

  #beginSuspicion(record: MemberRecord, suspect: Suspect): void {
    const { table, queue, config, now } = this.#context;
    queue.push(record.name, suspect);
    record.incarnation = suspect.incarnation;
    record.enter("suspect", now);
    const suspicion = new Suspicion(suspicionLimits(config, table.size), now, suspect.from);
    this.#suspicions.set(record, suspicion);
    this.#deadlines.set(record, suspicion.deadline());
    this.#context.tell({ kind: "suspect", member: record.member(), from: suspect.from });
  }

  #confirm(record: MemberRecord, suspicion: Suspicion, suspect: Suspect): void {
    if (!suspicion.confirm(suspect.from)) return;
    this.#deadlines.set(record, suspicion.deadline());
    this.#context.queue.push(record.name, suspect);
  }

  #endSuspicion(record: MemberRecord): void {
    if (this.#suspicions.delete(record)) this.#deadlines.delete(record);
  }
}

const EMPTY = new Uint8Array(0);
