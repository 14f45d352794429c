/**
 * What all parts of the NetworkDB engine share during a step. Holds state and the few verbs that every part needs;
 * decides nothing.
 */
import type { DecodeFaultCode } from "../base/fault.ts";
import { BroadcastQueue } from "../gossip/broadcast-queue.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { Random } from "../port/random.ts";
import { Attachments } from "./attachments.ts";
import type { EntryChange, NodeState, RequestId, TablesEffect } from "./effects.ts";
import { Entries, type Entry, isVisible } from "./entries.ts";
import type { Heard } from "./heard.ts";
import { LamportClock } from "./lamport-clock.ts";
import { encodeTablesMessage } from "./message-codec.ts";
import type { NetworkEvent, NodeEvent, TablesMessage } from "./messages.ts";
import type { Signer, Verifier } from "./signature.ts";

export interface TablesEngineOptions {
  /** The gossip name: 12 hexadecimal digits, new at every start. */
  readonly name: string;
  /** Where others reach us. */
  readonly endpoint: Endpoint;
  /** Largest packet, as gossip has it. */
  readonly packetBytes: number;
  readonly retransmitMult: number;
}

export interface TablesEnginePorts {
  readonly random: Random;
  /** Signs our entries; without one they are not signed. */
  readonly signer?: Signer | undefined;
  /** Checks those of others; without one nobody's signature counts. */
  readonly verifier?: Verifier | undefined;
  /** Default: `decodeTablesMessage`. A simulator, where the same bytes reach a thousand nodes, remembers. */
  readonly decode?: (bytes: Uint8Array) => TablesMessage;
}

/** What is known of one node. */
export interface KnownNode {
  readonly name: string;
  endpoint: Endpoint;
  state: NodeState;
  /** Of the last event about it. */
  lTime: number;
  /** Gossip holds it alive. */
  isMember: boolean;
  /** When one that is gone is forgotten. */
  forgetAt: number;
  /** It has signed an entry: from then on it signs all. */
  signs: boolean;
  readonly heard: Heard;
}

/** A network that we are attached to. */
export interface OwnNetwork {
  readonly id: string;
  /** Our own entries, and those of others to be told on. */
  readonly queue: BroadcastQueue<Uint8Array>;
  readonly rebroadcasts: BroadcastQueue<Uint8Array>;
  /** Everybody's tables have been compared with ours once. */
  inSync: boolean;
}

interface Watch {
  readonly network: string | undefined;
  readonly table: string | undefined;
}

const lengthOf = (bytes: Uint8Array): number => bytes.length;
export const newQueue = (): BroadcastQueue<Uint8Array> => new BroadcastQueue(lengthOf);

export class TablesContext {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly packetBytes: number;
  readonly retransmitMult: number;
  readonly random: Random;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  readonly networkClock = new LamportClock();
  readonly tableClock = new LamportClock();
  readonly nodes = new Map<string, KnownNode>();
  readonly attachments = new Attachments();
  readonly entries = new Entries();
  readonly own = new Map<string, OwnNetwork>();
  readonly watches = new Map<RequestId, Watch>();
  /** Network events go first, so that entries find their owners attached. */
  readonly networkEvents = newQueue();
  readonly nodeEvents = newQueue();
  /** Of the step that is running. */
  now = 0;
  effects: TablesEffect[] = [];
  isLeaving = false;
  /** What was refused, by reason. */
  readonly drops = new Map<DecodeFaultCode, number>();
  readonly counts = { stale: 0, repairs: 0, received: 0, syncsSent: 0, syncsReceived: 0, syncTimeouts: 0 };
  #lastRequest: RequestId = 0;

  constructor(options: TablesEngineOptions, { random, signer, verifier }: TablesEnginePorts) {
    this.name = options.name;
    this.endpoint = options.endpoint;
    this.packetBytes = options.packetBytes;
    this.retransmitMult = options.retransmitMult;
    this.random = random;
    this.signer = signer;
    this.verifier = verifier;
  }

  emit(effect: TablesEffect): void {
    this.effects.push(effect);
  }

  drop(code: DecodeFaultCode, from: Endpoint | undefined, detail: string): void {
    this.drops.set(code, (this.drops.get(code) ?? 0) + 1);
    this.effects.push({ do: "drop", code, from, detail });
  }

  repaired(what: "entry" | "attachment" | "node", detail: string): void {
    this.counts.repairs += 1;
    this.effects.push({ do: "repaired", what, detail });
  }

  nextRequest(): RequestId {
    this.#lastRequest += 1;
    return this.#lastRequest;
  }

  isSelf(node: string): boolean {
    return node === this.name;
  }

  /** Nodes that gossip holds alive and that have not said goodbye, without us. */
  activeNodes(): KnownNode[] {
    return [...this.nodes.values()].filter(({ state }) => state === "active");
  }

  /** Active nodes that have a part in a network, without us. */
  peersOf(network: string): KnownNode[] {
    const peers: KnownNode[] = [];
    for (const name of this.attachments.nodesOf(network)) {
      const node = this.nodes.get(name);
      if (node?.state === "active") peers.push(node);
    }
    return peers;
  }

  /** Tell the cluster about a node's part in a network. */
  broadcastNetwork(event: NetworkEvent, bytes = encodeTablesMessage(event)): void {
    this.networkEvents.push(`${event.node} ${event.network}`, bytes);
  }

  broadcastNode(event: NodeEvent, bytes = encodeTablesMessage(event)): void {
    this.nodeEvents.push(event.node, bytes);
  }

  /** Tell those who watch what became of an entry that was `before`. */
  notify(before: Entry | undefined, after: Entry | undefined): void {
    const saw = isVisible(before);
    const sees = isVisible(after);
    if (!saw && !sees) return;
    const { network, table, key, value, owner } = (sees ? after : before) as Entry;
    if (saw && sees && before?.owner === owner && sameValue(before.value, value)) return;
    const type = sees ? (saw ? "update" : "create") : "delete";
    this.#tellWatches({ type, network, table, key, value, owner });
  }

  /** Does this watch see entries of that table? */
  watching({ network, table }: Watch, entry: Pick<EntryChange, "network" | "table">): boolean {
    return (network ?? entry.network) === entry.network && (table ?? entry.table) === entry.table;
  }

  #tellWatches(change: EntryChange): void {
    if (this.isSelf(change.owner)) return;
    for (const [watch, wanted] of this.watches) {
      if (this.watching(wanted, change)) this.effects.push({ do: "entry", watch, change });
    }
  }
}

export function sameValue(one: Uint8Array, other: Uint8Array): boolean {
  if (one === other) return true;
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
