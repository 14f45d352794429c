/**
 * The message on a stream, read from a buffer that may still grow. Without encryption nothing announces how long it
 * is, so every attempt goes on where the last complete map ended, and waits for as many bytes as the next needs.
 *
 *   00 map   02 map   0d map                         ping, ack, error
 *   06 map header | map x Nodes | UserStateLen bytes state exchange
 *   08 map header | UserMsgLen bytes                 user message
 *   09 map {Algo, Buf}                               one of the above, compressed; once
 *
 * A row of a state exchange that no member can be is left out and reported, so that one such member does not stop
 * the cluster from exchanging state. Source: memberlist `net.go` (`readStream`, `readRemoteState`, `readUserMsg`).
 */
import { Fault } from "../base/fault.ts";
import { KiB } from "../base/units.ts";
import { MsgpackReader } from "../wire/msgpack.ts";
import { type Compressed, compressedStruct, expand } from "./compression.ts";
import type { Struct } from "./fields.ts";
import { MEMBERS_MAX, STREAM_FRAME_BYTES_MAX, STREAM_UNPACKED_BYTES_MAX, USER_STATE_BYTES_MAX } from "./limits.ts";
import { type PushPullHeader, pushPullHeader, pushPullRow, structOfType, userHeader } from "./message-codec.ts";
import { MessageType, type PushNodeState, type StreamMessage } from "./messages.ts";

/** One map, whatever unknown keys it holds. */
const MAP_BYTES_MAX = 64 * KiB;
/** The map of a compression layer: a whole frame and its keys. */
const COMPRESSED_BYTES_MAX = STREAM_FRAME_BYTES_MAX + 64;
/** Refused rows of one exchange that are described; the others are only counted. */
export const ROW_FAULTS_MAX = 16;

/** Which first messages are understood. */
export const requestTypes: ReadonlySet<number> = new Set([MessageType.ping, MessageType.pushPull, MessageType.user]);
export const responseTypes: ReadonlySet<number> = new Set([MessageType.ack, MessageType.pushPull, MessageType.error]);

export class StreamParser {
  /** Why rows were left out, the first few of them. */
  readonly faults: Fault[] = [];
  /** How many rows were left out. */
  refusedRows = 0;
  readonly #types: ReadonlySet<number>;
  readonly #isInside: boolean;
  readonly #rows: PushNodeState[] = [];
  #header: object | undefined;
  #rowsRead = 0;
  #at = 1;
  #needed = 1;

  /** `isInside`: the bytes came out of a compression layer. */
  constructor(types: ReadonlySet<number>, isInside = false) {
    this.#types = types;
    this.#isInside = isInside;
  }

  /**
   * The message that `bytes` starts with, or `undefined` if it is not complete; call again with more of the same.
   * Throws `Fault` as soon as it cannot become a message any more: `unknownType`, `malformed`, `oversize`, `tooDeep`,
   * `invalidMember`, `emptyMessage`, and `truncated` for what a compression layer should have held.
   */
  parse(bytes: Uint8Array): StreamMessage | undefined {
    if (bytes.length < this.#needed) return undefined;
    const type = bytes[0]!;
    if (type === MessageType.compress && !this.#isInside) return this.#parseCompressed(bytes);
    if (!this.#types.has(type)) throw new Fault("unknownType", `type ${type} does not belong here on a stream`);
    if (type === MessageType.pushPull) return this.#parsePushPull(bytes);
    if (type === MessageType.user) return this.#parseUser(bytes);
    const struct = structOfType(type)!;
    const message = this.#map(bytes, struct, MAP_BYTES_MAX);
    const problem = message && struct.problem(message);
    if (problem !== undefined) throw new Fault("invalidMember", problem);
    return message as StreamMessage | undefined;
  }

  /** As `parse`, for bytes that are all there is. Throws `Fault` (`truncated`) if they are not enough. */
  parseWhole(bytes: Uint8Array): StreamMessage {
    if (bytes.length === 0) throw new Fault("emptyMessage", "a message of no bytes");
    const message = this.parse(bytes);
    if (message === undefined) throw new Fault("truncated", "a stream message ends too early");
    return message;
  }

  #parseCompressed(bytes: Uint8Array): StreamMessage | undefined {
    const layer = this.#map(bytes, compressedStruct, COMPRESSED_BYTES_MAX);
    if (layer === undefined) return undefined;
    const inner = new StreamParser(this.#types, true);
    const message = inner.parseWhole(expand(layer as Compressed, STREAM_UNPACKED_BYTES_MAX));
    this.faults.push(...inner.faults);
    this.refusedRows = inner.refusedRows;
    return message;
  }

  #parsePushPull(bytes: Uint8Array): StreamMessage | undefined {
    this.#header ??= this.#map(bytes, pushPullHeader, MAP_BYTES_MAX);
    if (this.#header === undefined) return undefined;
    const { join, nodes, userStateBytes } = this.#header as PushPullHeader;
    if (nodes > MEMBERS_MAX) throw new Fault("oversize", "a state exchange lists too many members");
    if (userStateBytes > USER_STATE_BYTES_MAX) throw new Fault("oversize", "a state exchange has too much user state");
    for (; this.#rowsRead < nodes; this.#rowsRead++) {
      const row = this.#map(bytes, pushPullRow, MAP_BYTES_MAX);
      if (row === undefined) return undefined;
      this.#takeRow(row);
    }
    const userState = this.#raw(bytes, userStateBytes);
    return userState && { kind: "pushPull", join, nodes: this.#rows, userState };
  }

  #takeRow(row: object): void {
    const problem = pushPullRow.problem(row);
    if (problem === undefined) {
      this.#rows.push(row as PushNodeState);
      return;
    }
    this.refusedRows += 1;
    if (this.faults.length < ROW_FAULTS_MAX) this.faults.push(new Fault("invalidMember", `a row's ${problem}`));
  }

  #parseUser(bytes: Uint8Array): StreamMessage | undefined {
    this.#header ??= this.#map(bytes, userHeader, MAP_BYTES_MAX);
    if (this.#header === undefined) return undefined;
    const { payloadBytes } = this.#header as { payloadBytes: number };
    if (payloadBytes > USER_STATE_BYTES_MAX) throw new Fault("oversize", "a user message of more than 20 MiB");
    const payload = this.#raw(bytes, payloadBytes);
    return payload && { kind: "user", payload };
  }

  /** The next map, or `undefined` until it is complete. The outcome does not depend on how the bytes arrived. */
  #map(bytes: Uint8Array, struct: Struct, bytesMax: number): object | undefined {
    if (bytes.length < this.#needed) return undefined;
    const limit = Math.min(this.#at + bytesMax, STREAM_UNPACKED_BYTES_MAX);
    const reader = new MsgpackReader(bytes, this.#at, Math.min(bytes.length, limit));
    try {
      const map = struct.read(reader);
      this.#at = reader.position;
      return map;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "truncated") throw error;
      if (reader.needed > limit) throw new Fault("oversize", "a stream message is too long");
      this.#needed = reader.needed;
      return undefined;
    }
  }

  /** The next `length` bytes, or `undefined` until they are there. */
  #raw(bytes: Uint8Array, length: number): Uint8Array | undefined {
    const end = this.#at + length;
    if (end > STREAM_UNPACKED_BYTES_MAX) throw new Fault("oversize", "a stream message is too long");
    this.#needed = end;
    return bytes.length < end ? undefined : bytes.subarray(this.#at, end);
  }
}
