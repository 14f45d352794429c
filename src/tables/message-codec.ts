/**
 * NetworkDB's messages as bytes: protobuf inside a `GossipMessage` that names the kind. Proto3: what has its default
 * value is not written, fields in order of their numbers, so what an honest peer wrote is spelled again exactly.
 *
 * Everything decoded has been checked: names not empty and not endless, times that a number holds, sizes within limits.
 * Source: moby `networkdb/message.go`.
 */
import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Fault } from "../base/fault.ts";
import { limitFields } from "./field-limit.ts";
import {
  ATTACHMENTS_MAX,
  COMPOUND_EVENTS_MAX,
  FIELDS_MAX,
  LAMPORT_MAX,
  MESSAGE_BYTES_MAX,
  NAME_LENGTH_MAX,
  NETWORKS_MAX,
  VALUE_BYTES_MAX,
} from "./limits.ts";
import type {
  BulkSync,
  Compound,
  NetworkEntry,
  NetworkEvent,
  NodeEvent,
  PushPullState,
  TableEvent,
  TablesMessage,
} from "./messages.ts";
import { descriptor } from "./schema.ts";

/** Whatever field a message of the schema may have, as the library reads it: all that its kind has are there. */
interface Fields {
  readonly type: number;
  readonly data: Uint8Array;
  readonly lTime: bigint;
  readonly nodeName: string;
  readonly networkId: string;
  readonly tableName: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly residualReapTime: number;
  readonly networks: readonly Fields[] | readonly string[];
  readonly leaving: boolean;
  readonly unsolicited: boolean;
  readonly payload: Uint8Array;
  readonly messages: readonly Fields[];
}

const envelope = descriptor("GossipMessage");
const membership = ["invalid", "join", "leave"] as const;
const changes = ["invalid", "create", "update", "delete"] as const;

/** How one kind of message stands on the wire. */
interface Kind<M extends TablesMessage> {
  readonly number: number;
  readonly desc: DescMessage;
  /** Beside `FIELDS_MAX`: of the field that may stand there many times. */
  readonly repeatedMax?: number;
  readonly write: (message: M) => object;
  readonly read: (fields: Fields) => M;
}

const networkEvent: Kind<NetworkEvent> = {
  number: 1,
  desc: descriptor("NetworkEvent"),
  write: ({ type, lTime, node, network }) => ({
    type: membership.indexOf(type),
    lTime: BigInt(lTime),
    nodeName: node,
    networkId: network,
  }),
  read: (fields) => ({
    kind: "networkEvent",
    type: oneOf(membership, fields.type) as NetworkEvent["type"],
    lTime: time(fields.lTime),
    node: name(fields.nodeName),
    network: name(fields.networkId),
  }),
};

const nodeEvent: Kind<NodeEvent> = {
  number: 6,
  desc: descriptor("NodeEvent"),
  write: ({ type, lTime, node }) => ({ type: membership.indexOf(type), lTime: BigInt(lTime), nodeName: node }),
  read: (fields) => ({
    kind: "nodeEvent",
    type: oneOf(membership, fields.type) as NodeEvent["type"],
    lTime: time(fields.lTime),
    node: name(fields.nodeName),
  }),
};

const tableEvent: Kind<TableEvent> = {
  number: 2,
  desc: descriptor("TableEvent"),
  write: ({ type, lTime, node, network, table, key, value, residualReapTime }) => ({
    type: changes.indexOf(type),
    lTime: BigInt(lTime),
    nodeName: node,
    networkId: network,
    tableName: table,
    key,
    value,
    residualReapTime,
  }),
  read: (fields) => ({
    kind: "tableEvent",
    type: oneOf(changes, fields.type) as TableEvent["type"],
    lTime: time(fields.lTime),
    node: name(fields.nodeName),
    network: name(fields.networkId),
    table: name(fields.tableName),
    key: name(fields.key),
    // What is kept for long must not keep a whole packet or stream alive.
    value: bounded(fields.value, VALUE_BYTES_MAX, "a value").slice(),
    residualReapTime: Math.max(0, fields.residualReapTime),
  }),
};

const pushPullState: Kind<PushPullState> = {
  number: 3,
  desc: descriptor("NetworkPushPull"),
  repeatedMax: ATTACHMENTS_MAX,
  write: ({ lTime, networks, node }) => ({
    lTime: BigInt(lTime),
    networks: networks.map((entry) => ({
      $typeName: descriptor("NetworkEntry").typeName,
      networkId: entry.network,
      lTime: BigInt(entry.lTime),
      nodeName: entry.node,
      leaving: entry.leaving,
    })),
    nodeName: node,
  }),
  read: (fields) => ({
    kind: "pushPullState",
    lTime: time(fields.lTime),
    networks: (fields.networks as readonly Fields[]).map(networkEntry),
    node: name(fields.nodeName),
  }),
};

const bulkSync: Kind<BulkSync> = {
  number: 4,
  desc: descriptor("BulkSyncMessage"),
  repeatedMax: NETWORKS_MAX,
  write: ({ lTime, unsolicited, node, networks, payload }) => ({
    lTime: BigInt(lTime),
    unsolicited,
    nodeName: node,
    networks,
    payload,
  }),
  read: (fields) => ({
    kind: "bulkSync",
    lTime: time(fields.lTime),
    unsolicited: fields.unsolicited,
    node: name(fields.nodeName),
    networks: (fields.networks as readonly string[]).map(name),
    payload: fields.payload,
  }),
};

const compound: Kind<Compound> = {
  number: 5,
  desc: descriptor("CompoundMessage"),
  repeatedMax: COMPOUND_EVENTS_MAX,
  write: ({ parts }) => ({
    messages: parts.map((payload) => ({ $typeName: descriptor("SimpleMessage").typeName, payload })),
  }),
  read: (fields) => ({
    kind: "compound",
    parts: fields.messages.map(({ payload }) => payload),
  }),
};

const kinds = { networkEvent, nodeEvent, tableEvent, pushPullState, bulkSync, compound } as const;
const byNumber = new Map<number, Kind<TablesMessage>>(
  Object.values(kinds).map((kind) => [kind.number, kind as unknown as Kind<TablesMessage>]),
);

export function encodeTablesMessage(message: TablesMessage): Uint8Array {
  const { number, desc, write } = kinds[message.kind] as unknown as Kind<TablesMessage>;
  const data = toBinary(desc, { $typeName: desc.typeName, ...write(message) } as unknown as Message);
  return toBinary(envelope, { $typeName: envelope.typeName, type: number, data } as unknown as Message);
}

/** Payloads and parts share memory with `bytes`, values are copied. Throws `Fault`: `malformed`, `oversize`, `unknownType`, `emptyMessage`. */
export function decodeTablesMessage(bytes: Uint8Array): TablesMessage {
  if (bytes.length === 0) throw new Fault("emptyMessage", "a table message of no bytes");
  bounded(bytes, MESSAGE_BYTES_MAX, "a table message");
  const { type, data } = parse(envelope, bytes, FIELDS_MAX);
  const kind = byNumber.get(type);
  if (kind === undefined) throw new Fault("unknownType", `table message of type ${type}`);
  return kind.read(parse(kind.desc, data, FIELDS_MAX + (kind.repeatedMax ?? 0)));
}

function parse(desc: DescMessage, bytes: Uint8Array, fieldsMax: number): Fields {
  limitFields(bytes, fieldsMax);
  try {
    return fromBinary(desc, bytes, { readUnknownFields: false }) as unknown as Fields;
  } catch (error) {
    throw new Fault("malformed", "a table message is not protobuf", error);
  }
}

function networkEntry(fields: Fields): NetworkEntry {
  return {
    network: name(fields.networkId),
    lTime: time(fields.lTime),
    node: name(fields.nodeName),
    leaving: fields.leaving,
  };
}

function time(value: bigint): number {
  const exact = Number(value);
  if (exact > LAMPORT_MAX) throw new Fault("lamportJump", "a Lamport time near its end");
  return exact;
}

function name(text: string): string {
  if (text === "") throw new Fault("malformed", "a name is missing");
  if (text.length > NAME_LENGTH_MAX) throw new Fault("oversize", "a name is too long");
  return text;
}

function oneOf(words: readonly string[], value: number): string {
  const word = words[value];
  if (word === undefined || word === "invalid") throw new Fault("malformed", "an event of no known type");
  return word;
}

function bounded<T extends { readonly length: number }>(value: T, max: number, what: string): T {
  if (value.length > max) throw new Fault("oversize", `${what} is too large`);
  return value;
}
