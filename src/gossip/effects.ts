/**
 * What goes into the gossip engine and what comes out of it. `service.ts` (real sockets) and `sim/` (a simulated
 * network) are the two worlds that speak this language.
 */
import type { DecodeFaultCode, Fault } from "../base/fault.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { MemberState, PacketMessage, StreamRequest, StreamResponse } from "./messages.ts";

/** Numbers of stream exchanges and of joins: unique within one engine or one shell, chosen by whoever opens it. */
export type ExchangeId = number;

export type GossipInput =
  /** First input: announce ourselves and start the periodic work. */
  | { readonly on: "start" }
  /** The messages of one datagram, already opened, checked and decoded, compound parts flattened, in order. */
  | { readonly on: "packet"; readonly from: Endpoint; readonly messages: readonly PacketMessage[] }
  /** A stranger opened stream `exchange` (numbered by the shell) and said this; answered by at most one `reply`. */
  | {
      readonly on: "request";
      readonly exchange: ExchangeId;
      readonly from: Endpoint;
      readonly message: StreamRequest;
    }
  /** The answer to our `dial` effect. */
  | { readonly on: "response"; readonly exchange: ExchangeId; readonly message: StreamResponse }
  /** A dialled exchange that expected nothing has been written, or one failed. */
  | { readonly on: "sent"; readonly exchange: ExchangeId }
  | { readonly on: "exchangeFailed"; readonly exchange: ExchangeId; readonly fault: Fault }
  /** The system refused to send a packet to `to` (unreachable network, for example). */
  | { readonly on: "sendFailed"; readonly to: Endpoint }
  /** Exchange state with `to`; answered by `joinDone`. */
  | { readonly on: "join"; readonly join: ExchangeId; readonly to: Endpoint }
  /** The delegate's meta changed: announce it with a new incarnation. */
  | { readonly on: "updateMeta" }
  /** Tell everybody that we go; answered by `left` when that has been said often enough. */
  | { readonly on: "leave" }
  /** Send `payload` in one packet, unacknowledged. */
  | { readonly on: "sendBestEffort"; readonly to: Endpoint; readonly payload: Uint8Array }
  /** Send `payload` on a stream; answered by `sendDone`. */
  | {
      readonly on: "sendReliable";
      readonly send: ExchangeId;
      readonly to: Endpoint;
      readonly payload: Uint8Array;
    };

export type GossipEffect =
  /** Send one datagram holding these messages: bare if one, compound if several; `crc`: the receiver knows CRCs. */
  | {
      readonly do: "packet";
      readonly to: Endpoint;
      readonly messages: readonly PacketMessage[];
      readonly crc: boolean;
    }
  /** Open a stream to `to`, write `message`, and feed back `response`, `sent` or `exchangeFailed` within `timeoutMs`. */
  | {
      readonly do: "dial";
      readonly exchange: ExchangeId;
      readonly to: Endpoint;
      readonly message: StreamRequest;
      readonly expects: "pushPull" | "ack" | "nothing";
      readonly timeoutMs: number;
    }
  /** Give up a dialled exchange; nothing about it is fed back any more. */
  | { readonly do: "hangUp"; readonly exchange: ExchangeId }
  /** Answer the stream request `exchange`, then close it. */
  | { readonly do: "reply"; readonly exchange: ExchangeId; readonly message: StreamResponse }
  /** Close the stream of a request that gets no answer. */
  | { readonly do: "close"; readonly exchange: ExchangeId }
  /** A member changed. */
  | { readonly do: "tell"; readonly event: MemberEvent }
  /** A user message for the layer above, from a packet or from a stream. */
  | { readonly do: "userMessage"; readonly payload: Uint8Array; readonly from: Endpoint }
  /** The other side's delegate state from a state exchange. Never empty. */
  | { readonly do: "remoteState"; readonly userState: Uint8Array; readonly join: boolean }
  /** A probe was acknowledged directly. */
  | {
      readonly do: "pingComplete";
      readonly node: string;
      readonly roundTripMs: number;
      readonly payload: Uint8Array | null;
    }
  | { readonly do: "joinDone"; readonly join: ExchangeId; readonly fault: Fault | undefined }
  | { readonly do: "sendDone"; readonly send: ExchangeId; readonly fault: Fault | undefined }
  | { readonly do: "left" }
  /** A message was refused after decoding. */
  | {
      readonly do: "drop";
      readonly code: DecodeFaultCode;
      readonly from: Endpoint | undefined;
      readonly detail: string;
    };

/** A member as the outside sees it; a snapshot that never changes. */
export interface Member {
  readonly name: string;
  /** As on the wire: 4 or 16 bytes. */
  readonly addr: Uint8Array;
  readonly endpoint: Endpoint;
  /** Never null: an absent meta is empty. */
  readonly meta: Uint8Array;
  readonly incarnation: number;
  readonly state: MemberState;
  /** [PMin, PMax, PCur, DMin, DMax, DCur]. */
  readonly vsn: Uint8Array;
}

export type MemberEvent =
  /** Alive, and was unknown, dead or left before. */
  | { readonly kind: "join"; readonly member: Member }
  /** Its meta changed. */
  | { readonly kind: "update"; readonly member: Member }
  /** Dead or left; `member.state` tells which. */
  | { readonly kind: "leave"; readonly member: Member }
  /** Suspected, by `from`. */
  | { readonly kind: "suspect"; readonly member: Member; readonly from: string }
  /** No longer suspected. */
  | { readonly kind: "refute"; readonly member: Member }
  /** Somebody else claims the name of `member` from another address. */
  | { readonly kind: "conflict"; readonly member: Member; readonly claimed: Endpoint }
  /** Somebody accused us, and we objected with a new incarnation. */
  | { readonly kind: "accused"; readonly member: Member };

/**
 * What the layer above answers when the engine asks, in the middle of a step. What the engine tells the layer above
 * comes as effects instead, so that nothing is ever called back while a step runs. Source: memberlist `delegate.go`.
 */
export interface Delegate {
  /** Our meta, at most `limitBytes`. */
  nodeMeta(limitBytes: number): Uint8Array;
  /** User messages to gossip now: each costs its length + `overheadBytes`, all together at most `limitBytes`. */
  getBroadcasts(overheadBytes: number, limitBytes: number): readonly Uint8Array[];
  /** Our half of a state exchange; empty: none. */
  localState(join: boolean): Uint8Array;
  /** Attached to every ack; `null`: nothing. */
  ackPayload(): Uint8Array | null;
  /** May this member be alive? The reason if not. Whoever vetoes nothing leaves it out: it is asked often. */
  vetoAlive?(member: Member): string | undefined;
  /** May these members join us? The reason if not. Asked with all rows of a join. */
  vetoMerge?(members: readonly Member[]): string | undefined;
}
