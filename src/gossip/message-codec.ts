/**
 * The messages of memberlist as bytes: type byte, then a map; user messages and state exchanges have raw tails.
 *
 * What is decoded has been checked: names, addresses, ports, metas and versions that no member can have end in
 * `Fault` (`invalidMember`), in the order of facts: unreadable before impossible. A meta of more than 512 bytes is
 * impossible: no sender's library lets it out, and honouring it would let one member fill everybody's packets.
 * Byte strings are nil or empty as received, so every honest message is spelled again exactly as it came.
 * Source: memberlist `net.go` (message structs), `state.go`.
 */
import { Fault } from "../base/fault.ts";
import { plainView } from "../wire/bytes.ts";
import { type IntegerProfile, MsgpackReader, MsgpackWriter } from "../wire/msgpack.ts";
import { Struct } from "./fields.ts";
import { USER_HEADER_BYTES } from "./limits.ts";
import { MessageType, type PacketMessage, type PushPull, type StreamMessage } from "./messages.ts";

const source = [
  ["SourceAddr", "sourceAddr", "address", "optional"],
  ["SourceNode", "sourceNode", "name", "optional"],
  ["SourcePort", "sourcePort", "port", "optional"],
] as const;

const accusation = [
  ["From", "from", "name"],
  ["Incarnation", "incarnation", "u32"],
  ["Node", "node", "name"],
] as const;

/** Everything that is a type byte and one map, by kind. */
const structs = {
  ping: new Struct([["Node", "node", "anyName"], ["SeqNo", "seqNo", "u32"], ...source], { kind: "ping" }),
  indirectPing: new Struct(
    [
      ["Nack", "nack", "bool"],
      ["Node", "node", "name"],
      ["Port", "port", "port"],
      ["SeqNo", "seqNo", "u32"],
      ...source,
      ["Target", "target", "address"],
    ],
    { kind: "indirectPing" },
  ),
  ack: new Struct(
    [
      ["Payload", "payload", "bytes"],
      ["SeqNo", "seqNo", "u32"],
    ],
    { kind: "ack" },
  ),
  nack: new Struct([["SeqNo", "seqNo", "u32"]], { kind: "nack" }),
  error: new Struct([["Error", "error", "text"]], { kind: "error" }),
  suspect: new Struct(accusation, { kind: "suspect" }),
  dead: new Struct(accusation, { kind: "dead" }),
  alive: new Struct(
    [
      ["Addr", "addr", "address"],
      ["Incarnation", "incarnation", "u32"],
      ["Meta", "meta", "meta"],
      ["Node", "node", "name"],
      ["Port", "port", "port"],
      ["Vsn", "vsn", "vsn"],
    ],
    { kind: "alive" },
  ),
} as const;

type MapKind = keyof typeof structs;

/** Stream only: in front of the rows and the user state of a state exchange. */
export interface PushPullHeader {
  readonly join: boolean;
  readonly nodes: number;
  readonly userStateBytes: number;
}

export const pushPullHeader = new Struct([
  ["Join", "join", "bool"],
  ["Nodes", "nodes", "count"],
  ["UserStateLen", "userStateBytes", "count"],
]);

/** One `PushNodeState`. */
export const pushPullRow = new Struct([
  ["Addr", "addr", "address"],
  ["Incarnation", "incarnation", "u32"],
  ["Meta", "meta", "meta"],
  ["Name", "name", "name"],
  ["Port", "port", "port"],
  ["State", "state", "state"],
  ["Vsn", "vsn", "vsn"],
]);

/** Stream only: in front of the bytes of a user message. */
export const userHeader = new Struct([["UserMsgLen", "payloadBytes", "count"]]);

/** Which of our kinds a type byte stands for, if its body is one map. */
const kindsByType = new Map<number, MapKind>(
  (Object.keys(structs) as MapKind[]).map((kind) => [MessageType[kind], kind]),
);

/** The table of a type byte whose body is one map. */
export function structOfType(type: number): Struct | undefined {
  const kind = kindsByType.get(type);
  return kind === undefined ? undefined : structs[kind];
}

const writer = new MsgpackWriter();

/** One message as it stands in a packet, type byte included. */
export function encodeMessage(message: PacketMessage): Uint8Array {
  writer.start(MessageType[message.kind]);
  if (message.kind === "user") writer.append(message.payload);
  else structs[message.kind].write(writer, message, "unsigned");
  return writer.take();
}

/** `encodeMessage(message).length`, without encoding. */
export function encodedLength(message: PacketMessage): number {
  if (message.kind === "user") return USER_HEADER_BYTES + message.payload.length;
  return 1 + structs[message.kind].length(message);
}

/** One message as it stands on a stream, before compression and encryption. */
export function encodeStreamMessage(message: StreamMessage, integers: IntegerProfile = "unsigned"): Uint8Array {
  writer.start(MessageType[message.kind]);
  if (message.kind === "pushPull") writePushPull(message, integers);
  else if (message.kind === "user") {
    userHeader.write(writer, { payloadBytes: message.payload.length }, integers);
    writer.append(message.payload);
  } else structs[message.kind].write(writer, message, integers);
  return writer.take();
}

/** A state exchange's type byte and header, without what follows. */
export function encodePushPullHeader(header: PushPullHeader, integers: IntegerProfile = "unsigned"): Uint8Array {
  writer.start(MessageType.pushPull);
  pushPullHeader.write(writer, header, integers);
  return writer.take();
}

function writePushPull({ join, nodes, userState }: PushPull, integers: IntegerProfile): void {
  pushPullHeader.write(writer, { join, nodes: nodes.length, userStateBytes: userState.length }, integers);
  for (const node of nodes) pushPullRow.write(writer, node, integers);
  writer.append(userState);
}

/**
 * The message in `bytes[start..end)`, `start` being its type byte. What follows its map is ignored, as peers do.
 * User payloads and ack payloads share memory with `bytes`; everything else is copied.
 * Throws `Fault`: `emptyMessage`, `unknownType`, `truncated`, `malformed`, `oversize`, `tooDeep`, `invalidMember`.
 */
export function decodePacketMessage(bytes: Uint8Array, start = 0, end = bytes.length): PacketMessage {
  if (start >= end) throw new Fault("emptyMessage", "a message of no bytes");
  const type = bytes[start]!;
  if (type === MessageType.user) return { kind: "user", payload: plainView(bytes).subarray(start + 1, end) };
  const struct = type === MessageType.error ? undefined : structOfType(type);
  if (struct === undefined) throw new Fault("unknownType", `type ${type} does not belong in a packet`);
  const message = struct.read(new MsgpackReader(plainView(bytes), start + 1, end));
  const problem = struct.problem(message);
  if (problem !== undefined) throw new Fault("invalidMember", problem);
  return message as PacketMessage;
}
