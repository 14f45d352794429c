/**
 * How a simulated node puts messages on the network: as the immutable objects they are (fast, a thousand engines
 * share one object), or as real bytes (`gossip-wire.ts`). Both say how many bytes it would be.
 */

import { COMPOUND_HEADER_BYTES, COMPOUND_PART_BYTES, CRC_HEADER_BYTES } from "../gossip/limits.ts";
import { encodedLength, pushPullRow } from "../gossip/message-codec.ts";
import type { PacketMessage, StreamMessage } from "../gossip/messages.ts";
import { FRAME_HEADER_BYTES, SEAL_BYTES } from "../gossip/seal.ts";

/** What travels in one datagram. */
export type DatagramPayload = readonly PacketMessage[] | Uint8Array;
/** What travels on a stream in one direction. */
export type StreamPayload = StreamMessage | Uint8Array;
export type Direction = "request" | "response";

export interface Packed<Payload> {
  readonly payload: Payload;
  readonly bytes: number;
}

export interface Carrier {
  pack(messages: readonly PacketMessage[], crc: boolean): Packed<DatagramPayload>;
  /** Throws `Fault` for what cannot be read. */
  unpack(payload: DatagramPayload, now: number): readonly PacketMessage[];
  packStream(message: StreamMessage, direction: Direction): Packed<StreamPayload>;
  /** Throws `Fault` for what cannot be read. */
  unpackStream(payload: StreamPayload, direction: Direction, now: number): StreamMessage;
}

/** Hands the objects over. Sizes are those of encrypted, uncompressed packets. */
export const messageCarrier: Carrier = {
  pack: (messages, crc) => ({ payload: messages, bytes: packetLength(messages, crc) }),
  unpack: (payload) => payload as readonly PacketMessage[],
  packStream: (message) => ({ payload: message, bytes: streamLength(message) }),
  unpackStream: (payload) => payload as StreamMessage,
};

function packetLength(messages: readonly PacketMessage[], crc: boolean): number {
  let bytes = SEAL_BYTES + (crc ? CRC_HEADER_BYTES : 0);
  for (const message of messages) bytes += encodedLength(message);
  if (messages.length > 1) bytes += COMPOUND_HEADER_BYTES + messages.length * COMPOUND_PART_BYTES;
  return bytes;
}

/** Large state exchanges are measured by their first rows. */
const ROWS_MEASURED_MAX = 64;
const PUSH_PULL_HEADER_BYTES = 40;

function streamLength(message: StreamMessage): number {
  const overhead = FRAME_HEADER_BYTES + SEAL_BYTES;
  if (message.kind === "error") return overhead + message.error.length;
  if (message.kind !== "pushPull") return overhead + encodedLength(message);
  const measured = message.nodes.slice(0, ROWS_MEASURED_MAX);
  let bytes = 0;
  for (const row of measured) bytes += pushPullRow.length(row);
  const rows = measured.length === 0 ? 0 : Math.round((bytes * message.nodes.length) / measured.length);
  return overhead + PUSH_PULL_HEADER_BYTES + rows + message.userState.length;
}
