/**
 * The door to the kernel's own tables: netlink. The kernel answers inside of `send`, so nothing here waits; only what it
 * reports by itself arrives later. Every method throws `KernelFault` when the system refuses.
 */
import type { NetworkNamespace } from "./namespaces.ts";

/** Who is asked. "route": links, addresses, routes, neighbours; "ipsec": XFRM; "filter": nf_tables. */
export type NetlinkFamily = "route" | "ipsec" | "filter" | "generic";

/** A question or an order, without the header's parts that a conversation fills in. */
export interface NetlinkRequest {
  readonly type: number;
  /** NLM_F_*; the request bit may be missing. */
  readonly flags: number;
  /** What follows the header: a struct of the family, then attributes. */
  readonly body: Uint8Array;
}

/** A message of the kernel, by itself or as an answer. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** Bytes to and from the kernel, unspoilt: one socket of one family in one namespace. */
export interface NetlinkSocket {
  /** Which messages are ours. */
  readonly portId: number;
  /** One datagram to the kernel, which carries out what it says before this returns. Borrowed until then. */
  send(bytes: Uint8Array): void;
  /** The next datagram of the kernel, owned by the caller; `undefined` when there is none. Never waits. */
  receive(): Uint8Array | undefined;
  /** Nothing may be called afterwards. */
  close(): void;
}

export interface NetlinkSockets {
  /** A socket inside of a namespace; it stays in it, wherever the process goes and even when the handle is closed. */
  open(namespace: NetworkNamespace, family: NetlinkFamily): NetlinkSocket;
  /** Join groups by their numbers and hear, in order, what the kernel reports to them. */
  listen(
    namespace: NetworkNamespace,
    family: NetlinkFamily,
    groups: readonly number[],
    listener: NetlinkListener,
  ): NetlinkMonitor;
}

/** Called from the event loop, never from inside of another call. */
export interface NetlinkListener {
  /** One datagram, owned by the listener: one or more messages. */
  heard(bytes: Uint8Array): void;
  /** Reports were lost: look at everything again. */
  overrun(): void;
  /** The socket broke and reports no more. */
  failed(error: Error): void;
}

export interface NetlinkMonitor {
  /** The listener is not called any more from now on. */
  close(): void;
}

/** A conversation with one family in one namespace; `netlink/conversation.ts` is the one over a socket. */
export interface NetlinkDoor {
  /**
   * Everything that answers one request; of a dump all its rows, asked for again when it was torn. Throws
   * `KernelFault` for a refusal, `Fault` for nonsense in the answer.
   */
  ask(request: NetlinkRequest): NetlinkMessage[];
  /** Many requests at the price of few; each has its outcome, and none stops the others: `undefined` is good. */
  changeAll(requests: readonly NetlinkRequest[]): (Error | undefined)[];
  /**
   * Requests in ONE datagram, for families that make transactions of it. Throws the first refusal; also when a request
   * that wanted an acknowledgement got none.
   */
  transact(requests: readonly NetlinkRequest[]): NetlinkMessage[];
  close(): void;
}
