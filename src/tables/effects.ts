/**
 * What goes into the NetworkDB engine and what comes out of it. Below it is gossip, whose notices come in and whose
 * sends and joins go out; above it is whoever owns entries and watches those of others.
 */
import type { DecodeFaultCode, Fault } from "../base/fault.ts";
import type { GossipEffect } from "../gossip/effects.ts";
import type { Endpoint } from "../port/endpoint.ts";

/** What gossip tells. */
export type GossipNotice = Extract<GossipEffect, { do: "tell" | "userMessage" | "remoteState" | "pingComplete" }>;
export type ChangeType = "create" | "update" | "delete";
/** Numbers of sends and joins are the engine's, those of changes and watches are the caller's. */
export type RequestId = number;

export type TablesInput =
  /** First input. */
  | { readonly on: "start" }
  | { readonly on: "notice"; readonly notice: GossipNotice }
  /** The answers to `sendReliable` and `join`. */
  | { readonly on: "sendDone"; readonly send: RequestId; readonly fault: Fault | undefined }
  | { readonly on: "joinDone"; readonly join: RequestId; readonly fault: Fault | undefined }
  /** Nodes to find the cluster by, now and whenever none of them is a member any more. */
  | { readonly on: "bootstrap"; readonly endpoints: readonly Endpoint[] }
  | { readonly on: "joinNetwork"; readonly network: string }
  | { readonly on: "leaveNetwork"; readonly network: string }
  /** Change an entry of our own; answered by `changed`. */
  | {
      readonly on: "change";
      readonly request: RequestId;
      readonly type: ChangeType;
      readonly network: string;
      readonly table: string;
      readonly key: string;
      /** Of a deletion: ignored, the last value is told. */
      readonly value: Uint8Array;
    }
  /** See entries of others from now on, what is there already first. Without table or network: of all. */
  | {
      readonly on: "watch";
      readonly watch: RequestId;
      readonly network?: string | undefined;
      readonly table?: string | undefined;
    }
  | { readonly on: "unwatch"; readonly watch: RequestId }
  /** Say goodbye; answered by `leaveSaid`. */
  | { readonly on: "leave" };

/** One change of an entry that somebody watches. */
export interface EntryChange {
  readonly type: ChangeType;
  readonly network: string;
  readonly table: string;
  readonly key: string;
  /** Of a deletion: the last value. */
  readonly value: Uint8Array;
  readonly owner: string;
}

export type NodeState = "active" | "failed" | "left";

export type TablesEffect =
  | { readonly do: "sendBestEffort"; readonly to: Endpoint; readonly payload: Uint8Array }
  | { readonly do: "sendReliable"; readonly send: RequestId; readonly to: Endpoint; readonly payload: Uint8Array }
  | { readonly do: "join"; readonly join: RequestId; readonly to: Endpoint }
  | { readonly do: "changed"; readonly request: RequestId; readonly fault: Fault | undefined }
  | { readonly do: "entry"; readonly watch: RequestId; readonly change: EntryChange }
  | { readonly do: "node"; readonly node: string; readonly endpoint: Endpoint; readonly state: NodeState }
  /** The tables of `network` have been compared with everybody who was there, or they had their time. */
  | { readonly do: "inSync"; readonly network: string }
  | { readonly do: "leaveSaid" }
  /** Somebody spoke wrongly for us, and we have set it right. */
  | { readonly do: "repaired"; readonly what: "entry" | "attachment" | "node"; readonly detail: string }
  | {
      readonly do: "drop";
      readonly code: DecodeFaultCode;
      readonly from: Endpoint | undefined;
      readonly detail: string;
    };
