/**
 * The nodes of the cluster as NetworkDB sees them: active, failed or left, on top of what gossip holds of its members.
 *
 * A node that fails keeps its attachments and entries, out of sight, and has them back when it returns; one that leaves
 * loses them. Source: moby `networkdb/event_delegate.go`, `nodemgmt.go`, `delegate.go` (`handleNodeEvent`).
 */
import { sameEndpoint } from "../base/ip.ts";
import type { MemberEvent } from "../gossip/effects.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { NodeState } from "./effects.ts";
import type { KnownNode, TablesContext } from "./engine-context.ts";
import type { EntryEngine } from "./engine-entries.ts";
import type { NetworkEngine } from "./engine-networks.ts";
import type { RepairEngine } from "./engine-repairs.ts";
import { Heard } from "./heard.ts";
import { NODE_TOMBSTONE_MS } from "./limits.ts";
import type { NodeEvent } from "./messages.ts";

export class NodeEngine {
  readonly #context: TablesContext;
  readonly #entries: EntryEngine;
  readonly #networks: NetworkEngine;
  readonly #repairs: RepairEngine;
  #announcedAt = 0;

  constructor(context: TablesContext, entries: EntryEngine, networks: NetworkEngine, repairs: RepairEngine) {
    this.#context = context;
    this.#entries = entries;
    this.#networks = networks;
    this.#repairs = repairs;
  }

  /** The Lamport time at which we said last that we are here, or that we go. */
  get announcedAt(): number {
    return this.#announcedAt;
  }

  /** Gossip tells of a member. */
  member({ kind, member }: MemberEvent): void {
    if (this.#context.isSelf(member.name)) return;
    if (kind === "join") this.#joined(member.name, member.endpoint);
    else if (kind === "leave") this.#gone(member.name, member.state === "left");
    else if (kind === "update") this.#moved(member.name, member.endpoint);
  }

  /** `rumour`: the bytes of the event if it came as one; then it is told on if it is news. */
  receive(event: NodeEvent, from: Endpoint | undefined, rumour?: Uint8Array): void {
    const { networkClock, nodes, isLeaving, now } = this.#context;
    if (!networkClock.witness(event.lTime, now)) {
      this.#context.drop("lamportJump", from, `a node event at ${event.lTime}`);
      return;
    }
    if (this.#context.isSelf(event.node)) {
      if (event.type === "leave" && !isLeaving && event.lTime >= this.#announcedAt) this.#contradict();
      return;
    }
    const node = nodes.get(event.node);
    if (node === undefined || node.lTime >= event.lTime) return;
    node.lTime = event.lTime;
    node.heard.hear("network", event.lTime, now);
    if (event.type === "leave") this.#enter(node, "left");
    // Docker never takes back a node that was said to have left; if gossip sees it alive, it has objected.
    else if (node.isMember) this.#enter(node, "active");
    if (rumour !== undefined) this.#context.broadcastNode(event, rumour);
  }

  /** Tell everybody that we are here, or that we go. */
  announce(type: NodeEvent["type"]): void {
    const { networkClock, name } = this.#context;
    this.#announcedAt = networkClock.tick();
    this.#context.broadcastNode({ kind: "nodeEvent", type, lTime: this.#announcedAt, node: name });
  }

  /** Nodes gone long enough. */
  reap(): void {
    const { nodes, now, attachments } = this.#context;
    for (const node of [...nodes.values()]) {
      if (node.state === "active" || node.isMember || now < node.forgetAt) continue;
      this.#loseEverything(node.name);
      attachments.forget(node.name);
      nodes.delete(node.name);
    }
  }

  /** They have forgotten more than us: our attachments, and our entries. */
  #contradict(): void {
    this.#repairs.request("node", this.#context.name, "somebody said that we leave", () => {
      if (this.#context.isLeaving) return;
      this.announce("join");
      this.#networks.reannounce();
    });
  }

  #joined(name: string, endpoint: Endpoint): void {
    const { nodes } = this.#context;
    let node = nodes.get(name);
    if (node === undefined) {
      this.#purgeFormer(name, endpoint);
      const heard = new Heard(this.#context.now);
      node = { name, endpoint, state: "left", lTime: 0, isMember: true, forgetAt: 0, signs: false, heard };
      nodes.set(name, node);
    }
    node.isMember = true;
    node.endpoint = endpoint;
    this.#enter(node, "active");
  }

  #moved(name: string, endpoint: Endpoint): void {
    const node = this.#context.nodes.get(name);
    if (node !== undefined) node.endpoint = endpoint;
  }

  #gone(name: string, hasLeft: boolean): void {
    const node = this.#context.nodes.get(name);
    if (node === undefined) return;
    node.isMember = false;
    if (hasLeft) this.#enter(node, "left");
    else if (node.state === "active") this.#enter(node, "failed");
  }

  /** A new name at an old address: the node has started again, and what it had before is gone. */
  #purgeFormer(name: string, endpoint: Endpoint): void {
    for (const node of this.#context.nodes.values()) {
      if (node.name !== name && sameEndpoint(node.endpoint, endpoint)) this.#enter(node, "left");
    }
  }

  #enter(node: KnownNode, state: NodeState): void {
    if (node.state === state) return;
    const was = node.state;
    const { now } = this.#context;
    node.state = state;
    if (state !== "active" && was === "active") node.forgetAt = now + NODE_TOMBSTONE_MS;
    if (state === "left") this.#loseEverything(node.name);
    else if (state === "failed") this.#entries.suspend(node.name, true);
    else if (was === "failed") this.#entries.suspend(node.name, false);
    this.#context.emit({ do: "node", node: node.name, endpoint: node.endpoint, state });
  }

  #loseEverything(node: string): void {
    const { attachments, own } = this.#context;
    for (const network of own.keys()) this.#entries.deleteAllOf(node, network);
    attachments.forget(node);
  }
}
