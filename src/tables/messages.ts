/**
 * The messages of NetworkDB as values. How they are spelled is `message-codec.ts`.
 *
 * Lamport times are exact numbers: the codec refuses what a number cannot hold. Values are opaque here; `records.ts`
 * knows those of the overlay driver. Source: moby `networkdb/networkdb.proto`.
 */
export interface NodeEvent {
  readonly kind: "nodeEvent";
  readonly type: "join" | "leave";
  readonly lTime: number;
  readonly node: string;
}

export interface NetworkEvent {
  readonly kind: "networkEvent";
  readonly type: "join" | "leave";
  readonly lTime: number;
  readonly node: string;
  readonly network: string;
}

export interface TableEvent {
  readonly kind: "tableEvent";
  readonly type: "create" | "update" | "delete";
  readonly lTime: number;
  /** Who owns the entry. */
  readonly node: string;
  readonly network: string;
  readonly table: string;
  readonly key: string;
  readonly value: Uint8Array;
  /** Of a deleted entry: for how long it is still to be told of. Seconds. */
  readonly residualReapTime: number;
}

/** One attachment in a push/pull. */
export interface NetworkEntry {
  readonly network: string;
  readonly lTime: number;
  readonly node: string;
  readonly leaving: boolean;
}

export interface PushPullState {
  readonly kind: "pushPullState";
  readonly lTime: number;
  readonly networks: readonly NetworkEntry[];
  readonly node: string;
}

export interface BulkSync {
  readonly kind: "bulkSync";
  readonly lTime: number;
  /** A question; the answer is another bulk sync that is not. */
  readonly unsolicited: boolean;
  readonly node: string;
  readonly networks: readonly string[];
  /** An encoded compound of table events. */
  readonly payload: Uint8Array;
}

export interface Compound {
  readonly kind: "compound";
  /** Encoded messages; they share memory with the compound. */
  readonly parts: readonly Uint8Array[];
}

export type TablesMessage = NodeEvent | NetworkEvent | TableEvent | PushPullState | BulkSync | Compound;
