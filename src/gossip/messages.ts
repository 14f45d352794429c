/**
 * The messages of memberlist as values. How they are spelled as bytes is `message-codec.ts`; how they travel is
 * `packet.ts` and `stream.ts`.
 *
 * Messages are immutable and may be shared between members of one process: the simulator hands the same object to
 * a thousand engines. Byte strings keep `null` (Go's nil slice) apart from empty, so that what was received can be
 * spelled again exactly; everything above the codec treats the two alike.
 * Source: memberlist `net.go`, `state.go`.
 */

export type Bytes = Uint8Array;

/** First byte of every message. Source: memberlist `net.go` (`messageType`). */
export const MessageType = {
  ping: 0,
  indirectPing: 1,
  ack: 2,
  suspect: 3,
  alive: 4,
  dead: 5,
  pushPull: 6,
  compound: 7,
  user: 8,
  compress: 9,
  encrypt: 10,
  nack: 11,
  hasCrc: 12,
  error: 13,
  label: 244,
} as const;

/** Are you there? Answered with an ack of the same `seqNo`, if `node` is empty or names the receiver. */
export interface Ping {
  readonly kind: "ping";
  readonly seqNo: number;
  readonly node: string;
  /** Where the ack shall go, if all of address (4 or 16 bytes) and port are given; else to the packet's source. */
  readonly sourceAddr?: Bytes;
  readonly sourcePort?: number;
  readonly sourceNode?: string;
}

/** Please ping `node` at `target` for me; with `nack`, tell me too when it does not answer. */
export interface IndirectPing {
  readonly kind: "indirectPing";
  readonly seqNo: number;
  readonly target: Bytes;
  readonly port: number;
  readonly node: string;
  readonly nack: boolean;
  readonly sourceAddr?: Bytes;
  readonly sourcePort?: number;
  readonly sourceNode?: string;
}

export interface Ack {
  readonly kind: "ack";
  readonly seqNo: number;
  readonly payload: Bytes | null;
}

export interface Nack {
  readonly kind: "nack";
  readonly seqNo: number;
}

/** Stream only: why the request was refused. */
export interface ErrorReply {
  readonly kind: "error";
  readonly error: string;
}

/** What a member says of itself, and others repeat. */
export interface Alive {
  readonly kind: "alive";
  readonly incarnation: number;
  readonly node: string;
  /** 4 or 16 bytes; relayed exactly as received, because peers compare them bytewise. */
  readonly addr: Bytes;
  readonly port: number;
  readonly meta: Bytes | null;
  /** [PMin, PMax, PCur, DMin, DMax, DCur]. */
  readonly vsn: Bytes | null;
}

export interface Suspect {
  readonly kind: "suspect";
  readonly incarnation: number;
  readonly node: string;
  readonly from: string;
}

/** `node` is gone; it left by itself if `from` names it too. */
export interface Dead {
  readonly kind: "dead";
  readonly incarnation: number;
  readonly node: string;
  readonly from: string;
}

/** Opaque bytes for the layer above. */
export interface User {
  readonly kind: "user";
  readonly payload: Bytes;
}

export const memberStates = ["alive", "suspect", "dead", "left"] as const;
export type MemberState = (typeof memberStates)[number];

/** One row of a state exchange. The wire calls the name `Name` here, not `Node`. */
export interface PushNodeState {
  readonly name: string;
  readonly addr: Bytes;
  readonly port: number;
  readonly meta: Bytes | null;
  readonly incarnation: number;
  readonly state: MemberState;
  readonly vsn: Bytes | null;
}

/** Everything one member knows; stream only. */
export interface PushPull {
  readonly kind: "pushPull";
  readonly join: boolean;
  readonly nodes: readonly PushNodeState[];
  readonly userState: Bytes;
}

/** What one datagram may hold. */
export type PacketMessage = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User;
/** What a dialler may say first on a stream. */
export type StreamRequest = PushPull | Ping | User;
/** What a listener may answer. */
export type StreamResponse = PushPull | Ack | ErrorReply;
export type StreamMessage = StreamRequest | StreamResponse;
export type Message = PacketMessage | StreamMessage;
