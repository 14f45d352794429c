/**
 * Whole tables between two nodes: asked for by a bulk sync that is "unsolicited", answered by one that is not.
 *
 * The answer comes on a stream of its own, so a question is matched with it by node and time: answered by any bulk sync
 * of that node with a time strictly above the question's. Hence an answer is given the tick after the question was
 * witnessed. Source: moby `networkdb/cluster.go` (`bulkSync`, `bulkSyncNode`), `delegate.go` (`handleBulkSync`).
 */
import { shuffle } from "../base/random.ts";
import { MiB } from "../base/units.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { RequestId } from "./effects.ts";
import type { KnownNode, TablesContext } from "./engine-context.ts";
import type { EntryEngine } from "./engine-entries.ts";
import { BULK_SYNC_RETRY_MS, BULK_SYNC_TIMEOUT_MS, SYNCS_OF_PEER_MAX } from "./limits.ts";
import { encodeTablesMessage } from "./message-codec.ts";
import type { BulkSync } from "./messages.ts";

/** A question that waits for its answer. */
interface Question {
  readonly node: string;
  readonly networks: readonly string[];
  readonly lTime: number;
  readonly endsAt: number;
  /** A node that does not know us yet does not answer: then it is asked again. */
  againAt: number;
  /** The stream that carries it. */
  send: RequestId;
  /** Who else may be asked if this one does not answer. */
  readonly others: readonly string[];
}

/** Ours: entries of one message; peers take no stream above 20 MiB. */
const PAYLOAD_BYTES_MAX = 8 * MiB;

export class SyncEngine {
  readonly #context: TablesContext;
  readonly #entries: EntryEngine;
  readonly #questions = new Set<Question>();
  /** Networks that have not been compared with everybody yet, and whom they still wait for. */
  readonly #firstSyncs = new Map<string, Set<Question>>();

  constructor(context: TablesContext, entries: EntryEngine) {
    this.#context = context;
    this.#entries = entries;
  }

  get pending(): number {
    return this.#questions.size;
  }

  deadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { endsAt, againAt } of this.#questions) earliest = Math.min(earliest, endsAt, againAt);
    return earliest;
  }

  wake(): void {
    for (const question of [...this.#questions]) {
      if (question.endsAt <= this.#context.now) this.#unanswered(question);
      else if (question.againAt <= this.#context.now) this.#again(question);
    }
  }

  /** We take part in a network now: ask all who do. */
  first(network: string): void {
    const waiting = new Set<Question>();
    for (const peer of this.#context.peersOf(network)) {
      const question = this.#ask(peer, [network], []);
      if (question !== undefined) waiting.add(question);
    }
    this.#firstSyncs.set(network, waiting);
    this.#checkFirst(network);
  }

  /** Now and then: each network with somebody, several at once where one node has a part in several. */
  routine(): void {
    const { own, random } = this.#context;
    const open = new Set(own.keys());
    for (const network of shuffle(random, [...own.keys()])) {
      if (!open.has(network)) continue;
      const [peer, ...others] = shuffle(random, this.#context.peersOf(network)).slice(0, 2);
      if (peer === undefined) continue;
      const common = this.#common(peer.name);
      for (const covered of common) open.delete(covered);
      this.#ask(
        peer,
        common,
        others.map(({ name }) => name),
      );
    }
  }

  /** Everything that we have in common with one node. */
  with(node: KnownNode): void {
    const common = this.#common(node.name);
    if (common.length > 0) this.#ask(node, common, []);
  }

  /** A stream could not be sent: whoever was asked on it will not answer. */
  sendFailed(send: RequestId): void {
    for (const question of [...this.#questions]) if (question.send === send) this.#unanswered(question);
  }

  /** A bulk sync came, and its entries have been taken over. */
  receive(sync: BulkSync, from: Endpoint | undefined): void {
    const { nodes, counts, tableClock } = this.#context;
    counts.syncsReceived += 1;
    if (sync.unsolicited) {
      const node = nodes.get(sync.node);
      if (node === undefined) {
        this.#context.drop("notAttached", from, `a bulk sync of ${sync.node}, whom nobody knows`);
        return;
      }
      const networks = sync.networks.filter((network) => this.#context.own.has(network));
      this.#send(node, networks, { unsolicited: false, lTime: tableClock.tick() }, sync.lTime);
      return;
    }
    for (const question of [...this.#questions]) {
      if (question.node === sync.node && sync.lTime > question.lTime) this.#answered(question);
    }
  }

  #common(node: string): string[] {
    const { own, attachments } = this.#context;
    return [...own.keys()].filter((network) => attachments.isAttached(node, network));
  }

  #ask(node: KnownNode, networks: readonly string[], others: readonly string[]): Question | undefined {
    const open = [...this.#questions].filter((question) => question.node === node.name).length;
    if (open >= SYNCS_OF_PEER_MAX) return undefined;
    const { tableClock, now } = this.#context;
    const lTime = tableClock.tick();
    const send = this.#send(node, networks, { unsolicited: true, lTime });
    const question: Question = {
      node: node.name,
      networks,
      lTime,
      endsAt: now + BULK_SYNC_TIMEOUT_MS,
      againAt: now + BULK_SYNC_RETRY_MS,
      send,
      others,
    };
    this.#questions.add(question);
    return question;
  }

  /** The same question at a later time; an answer to either will do. */
  #again(question: Question): void {
    const { nodes, tableClock, now } = this.#context;
    const node = nodes.get(question.node);
    question.againAt = now + BULK_SYNC_RETRY_MS;
    if (node?.state !== "active") return;
    question.send = this.#send(node, question.networks, { unsolicited: true, lTime: tableClock.tick() });
  }

  /** In one message, or in several where one would be too large: the last one asks or answers. */
  #send(
    node: KnownNode,
    networks: readonly string[],
    { unsolicited, lTime }: Pick<BulkSync, "unsolicited" | "lTime">,
    asOf = lTime,
  ): RequestId {
    const { counts } = this.#context;
    counts.syncsSent += 1;
    const portions = inPortions(this.#entries.dump(networks));
    let send = 0;
    for (const [index, parts] of portions.entries()) {
      const isLast = index === portions.length - 1;
      const payload = encodeTablesMessage({ kind: "compound", parts });
      // Not later than the question, a portion does not answer it before its time.
      const said = isLast ? { unsolicited, lTime } : { unsolicited: false, lTime: asOf };
      send = this.#transmit(node, { kind: "bulkSync", ...said, node: this.#context.name, networks, payload });
    }
    return send;
  }

  #transmit(node: KnownNode, sync: BulkSync): RequestId {
    const send = this.#context.nextRequest();
    this.#context.emit({ do: "sendReliable", send, to: node.endpoint, payload: encodeTablesMessage(sync) });
    return send;
  }

  #answered(question: Question): void {
    this.#end(question);
  }

  #unanswered(question: Question): void {
    const { counts, nodes } = this.#context;
    counts.syncTimeouts += 1;
    this.#end(question);
    const [next, ...others] = question.others;
    const node = next === undefined ? undefined : nodes.get(next);
    if (node?.state === "active") this.#ask(node, this.#common(node.name), others);
  }

  #end(question: Question): void {
    this.#questions.delete(question);
    for (const network of question.networks) {
      this.#firstSyncs.get(network)?.delete(question);
      this.#checkFirst(network);
    }
  }

  /** Has everybody answered, or had the time to? From then on we tell on what we hear. */
  #checkFirst(network: string): void {
    if (this.#firstSyncs.get(network)?.size !== 0) return;
    this.#firstSyncs.delete(network);
    const own = this.#context.own.get(network);
    if (own === undefined) return;
    own.inSync = true;
    this.#context.emit({ do: "inSync", network });
  }
}

/** At least one portion, which may be empty. */
function inPortions(parts: readonly Uint8Array[]): Uint8Array[][] {
  const portions: Uint8Array[][] = [[]];
  let bytes = 0;
  for (const part of parts) {
    if (bytes + part.length > PAYLOAD_BYTES_MAX) {
      portions.push([]);
      bytes = 0;
    }
    portions.at(-1)!.push(part);
    bytes += part.length;
  }
  return portions;
}
