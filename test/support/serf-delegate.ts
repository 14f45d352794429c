/**
 * The little of serf that a plain member of a serf cluster needs to be treated like an agent: it says when it leaves,
 * answers and asks key queries, sends and hears user events, and has tags. Only for tests: skep itself speaks
 * NetworkDB above gossip.
 *
 * Messages are spelled with an independent MessagePack library in a form that old peers accept: text as raw or str8,
 * byte fields as bin8. Coordinates, snapshots, coalescing and conflict votes are left out.
 * Source: serf `serf/messages.go`, `serf/delegate.go`, `serf/internal_query.go`, `serf/keymanager.go`.
 */
import { decode, encode } from "@msgpack/msgpack";
import { addressBytes, addressText } from "../../src/base/ip.ts";
import type { Delegate, Member } from "../../src/gossip/effects.ts";
import type { Endpoint } from "../../src/port/endpoint.ts";

/** First byte of serf's messages, inside memberlist's user message. */
const Type = {
  leave: 0,
  join: 1,
  pushPull: 2,
  event: 3,
  query: 4,
  queryResponse: 5,
  keyRequest: 7,
  keyResponse: 8,
} as const;
const TAGS_MAGIC = 0xff;
const FLAG_ACK = 1;
/** Like memberlist's own broadcasts among 1 to 9 members. */
const TRANSMITS = 4;
/** Answers to one query of ours are collected this long. */
const QUERY_MS = 4_000;

/** Every field of every message of serf that is used here; what comes from a peer may hold anything. */
type Fields = Readonly<Partial<Record<FieldName, unknown>>>;
type FieldName =
  | ("Addr" | "CC" | "EventLTime" | "Events" | "Filters" | "Flags" | "From" | "ID" | "Key" | "Keys" | "LTime")
  | ("LeftMembers" | "Message" | "Name" | "Node" | "Payload" | "Port" | "Prune" | "QueryLTime" | "RelayFactor")
  | ("Result" | "SourceNode" | "StatusLTimes" | "Timeout");

export interface UserEvent {
  readonly name: string;
  readonly payload: string;
}

export interface KeyAnswer {
  readonly from: string;
  readonly ok: boolean;
  readonly message: string;
  readonly keys: readonly string[];
}

export const keyOperations = ["install-key", "use-key", "remove-key", "list-keys"] as const;
export type KeyOperation = (typeof keyOperations)[number];

/** What the delegate needs of the process around it. */
export interface Surroundings {
  readonly name: string;
  /** Where peers reach us. */
  readonly endpoint: Endpoint;
  send(to: Endpoint, payload: Uint8Array): void;
  /** The keyring in base64, primary first. */
  keys(): readonly string[];
  /** Change the keyring; throws when that is refused. */
  change(operation: Exclude<KeyOperation, "list-keys">, key: Uint8Array): void;
  heard(event: UserEvent): void;
}

export class SerfDelegate implements Delegate {
  readonly #around: Surroundings;
  #tags: Readonly<Record<string, string>> = {};
  #clock = 1;
  #eventClock = 1;
  #queryClock = 1;
  readonly #queue: { payload: Uint8Array; left: number }[] = [];
  readonly #seen = new Set<string>();
  readonly #answers = new Map<number, (answer: KeyAnswer) => void>();

  constructor(around: Surroundings, tags: Readonly<Record<string, string>> = {}) {
    this.#around = around;
    this.#tags = tags;
  }

  set tags(tags: Readonly<Record<string, string>>) {
    this.#tags = tags;
  }

  nodeMeta(): Uint8Array {
    return Uint8Array.of(TAGS_MAGIC, ...encode(this.#tags));
  }

  getBroadcasts(overheadBytes: number, limitBytes: number): Uint8Array[] {
    const chosen: Uint8Array[] = [];
    let room = limitBytes;
    for (const entry of this.#queue) {
      const cost = entry.payload.length + overheadBytes;
      if (cost > room) continue;
      room -= cost;
      entry.left -= 1;
      chosen.push(entry.payload);
    }
    this.#queue.splice(0, this.#queue.length, ...this.#queue.filter(({ left }) => left > 0));
    return chosen;
  }

  localState(): Uint8Array {
    return message(Type.pushPull, {
      LTime: this.#clock,
      StatusLTimes: { [this.#around.name]: 0 },
      LeftMembers: [],
      EventLTime: this.#eventClock,
      Events: [],
      QueryLTime: this.#queryClock,
    });
  }

  ackPayload(): null {
    return null;
  }

  vetoAlive(): undefined {
    return undefined;
  }

  vetoMerge(): undefined {
    return undefined;
  }

  /** Feed a user message that came by packet or stream. */
  received(payload: Uint8Array): void {
    const type = payload[0];
    if (type === Type.queryResponse) this.#answered(body(payload));
    if (type !== Type.leave && type !== Type.join && type !== Type.event && type !== Type.query) return;
    const fields = body(payload);
    const key = Buffer.from(payload).toString("latin1");
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#broadcast(payload);
    const time = number(fields.LTime);
    if (type === Type.event) this.#heardEvent(time, fields);
    else if (type === Type.query) this.#heardQuery(time, fields);
    else this.#clock = Math.max(this.#clock, time + 1);
  }

  /** Feed the other side's half of a state exchange. */
  merged(state: Uint8Array): void {
    if (state[0] !== Type.pushPull) return;
    const fields = body(state);
    this.#clock = Math.max(this.#clock, number(fields.LTime));
    this.#eventClock = Math.max(this.#eventClock, number(fields.EventLTime));
    this.#queryClock = Math.max(this.#queryClock, number(fields.QueryLTime));
  }

  /** Say that we are about to leave; give gossip time to carry that before memberlist's own farewell. */
  announceLeave(): void {
    this.#clock += 1;
    this.#start(Type.leave, { LTime: this.#clock, Node: this.#around.name, Prune: false });
  }

  event(name: string, payload: string): void {
    this.#eventClock += 1;
    this.#start(Type.event, { CC: false, LTime: this.#eventClock, Name: name, Payload: bytesOf(payload) });
  }

  /** Do a key operation here and on all others, like `serf keys`; resolves with the answers of the others. */
  async keyQuery(operation: KeyOperation, key: Uint8Array, expected: number): Promise<KeyAnswer[]> {
    const id = Math.floor(Math.random() * 0x1_0000_0000);
    const answers = new Map<string, KeyAnswer>();
    this.#queryClock += 1;
    const { promise, resolve } = deferred();
    const timer = setTimeout(resolve, QUERY_MS);
    this.#answers.set(id, (answer) => {
      answers.set(answer.from, answer);
      if (answers.size >= expected) resolve();
    });
    this.#start(Type.query, {
      Addr: addressBytes(this.#around.endpoint.address),
      Filters: null,
      Flags: 0,
      ID: id,
      LTime: this.#queryClock,
      Name: `_serf_${operation}`,
      Payload: message(Type.keyRequest, { Key: key }),
      Port: this.#around.endpoint.port,
      RelayFactor: 0,
      SourceNode: this.#around.name,
      Timeout: QUERY_MS * 1_000_000,
    });
    if (operation !== "list-keys") this.#around.change(operation, key);
    await promise;
    clearTimeout(timer);
    this.#answers.delete(id);
    return [...answers.values()];
  }

  #start(type: number, fields: Fields): void {
    const payload = message(type, fields);
    this.#seen.add(Buffer.from(payload).toString("latin1"));
    this.#broadcast(payload);
  }

  #broadcast(payload: Uint8Array): void {
    this.#queue.push({ payload, left: TRANSMITS });
  }

  #heardEvent(time: number, fields: Fields): void {
    this.#eventClock = Math.max(this.#eventClock, time + 1);
    this.#around.heard({ name: text(fields.Name), payload: text(fields.Payload) });
  }

  #heardQuery(time: number, fields: Fields): void {
    this.#queryClock = Math.max(this.#queryClock, time + 1);
    const to = { address: addressText(bytes(fields.Addr)), port: number(fields.Port) };
    const respond = (flags: number, payload: Uint8Array | null): void => {
      const answer = { LTime: time, ID: fields.ID, From: this.#around.name, Flags: flags, Payload: payload };
      this.#around.send(to, message(Type.queryResponse, answer));
    };
    if ((number(fields.Flags) & FLAG_ACK) !== 0) respond(FLAG_ACK, null);
    const operation = keyOperations.find((one) => text(fields.Name) === `_serf_${one}`);
    if (operation !== undefined) respond(0, this.#operate(operation, bytes(fields.Payload)));
  }

  #operate(operation: KeyOperation, request: Uint8Array): Uint8Array {
    try {
      if (operation !== "list-keys") this.#around.change(operation, bytes(body(request).Key));
      const keys = operation === "list-keys" ? [...this.#around.keys()] : [];
      return message(Type.keyResponse, { Result: true, Message: "", Keys: keys });
    } catch (error) {
      return message(Type.keyResponse, { Result: false, Message: String(error), Keys: [] });
    }
  }

  #answered(fields: Fields): void {
    const answer = this.#answers.get(number(fields.ID));
    if (answer === undefined || (number(fields.Flags) & FLAG_ACK) !== 0) return;
    const payload = bytes(fields.Payload);
    if (payload[0] !== Type.keyResponse) return;
    const { Result, Message, Keys } = body(payload);
    const keys = Array.isArray(Keys) ? Keys.map(text) : [];
    answer({ from: text(fields.From), ok: Result === true, message: text(Message), keys });
  }
}

/** The tags in a member's meta; a meta of another kind gives none. */
export function tagsOf({ meta }: Pick<Member, "meta">): Record<string, string> {
  if (meta[0] !== TAGS_MAGIC) return {};
  return Object.fromEntries(Object.entries(body(meta)).map(([name, value]) => [name, text(value)]));
}

function message(type: number, fields: Fields): Uint8Array {
  return Uint8Array.of(type, ...encode(fields, { sortKeys: true }));
}

/** The map behind the type byte; its texts stay bytes, because old peers spell texts and bytes alike. */
function body(payload: Uint8Array): Fields {
  return decode(payload.subarray(1), { rawStrings: true }) as Fields;
}

function bytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : new TextDecoder().decode(bytes(value));
}

function number(value: unknown): number {
  return Number(value ?? 0);
}

function bytesOf(payload: string): Uint8Array {
  return new TextEncoder().encode(payload);
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
