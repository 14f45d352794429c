/** Which nodes have a part in which networks: both ways round, with the Lamport time of what is known. */
export interface Attachment {
  readonly lTime: number;
  /** It ended; remembered for a while, so that old news does not bring it back. */
  readonly isLeaving: boolean;
  /** Of one that ended: until when others are told. */
  readonly toldUntil?: number;
  /** Entries of the node up to this time of the tables belong to an attachment that ended. */
  readonly entriesAfter?: number;
}

export class Attachments {
  readonly #byNode = new Map<string, Map<string, Attachment>>();
  readonly #byNetwork = new Map<string, Set<string>>();
  #size = 0;

  /** All, those that ended included. */
  get size(): number {
    return this.#size;
  }

  get(node: string, network: string): Attachment | undefined {
    return this.#byNode.get(node)?.get(network);
  }

  isAttached(node: string, network: string): boolean {
    return this.#byNetwork.get(network)?.has(node) === true;
  }

  set(node: string, network: string, attachment: Attachment): void {
    let networks = this.#byNode.get(node);
    if (networks === undefined) {
      networks = new Map();
      this.#byNode.set(node, networks);
    }
    if (!networks.has(network)) this.#size += 1;
    networks.set(network, attachment);
    if (attachment.isLeaving) this.#detach(node, network);
    else this.#nodes(network).add(node);
  }

  delete(node: string, network: string): void {
    if (this.#byNode.get(node)?.delete(network) !== true) return;
    this.#size -= 1;
    this.#detach(node, network);
  }

  /** How many one node has, those that ended included. */
  countOf(node: string): number {
    return this.#byNode.get(node)?.size ?? 0;
  }

  /** Everything about a node. */
  forget(node: string): void {
    for (const network of [...this.networksOf(node)]) this.delete(node, network);
    this.#byNode.delete(node);
  }

  /** Nodes that have a part now, in order of arrival. */
  nodesOf(network: string): ReadonlySet<string> {
    return this.#byNetwork.get(network) ?? NOBODY;
  }

  /** Networks of a node, those that it left included. */
  networksOf(node: string): Iterable<string> {
    return this.#byNode.get(node)?.keys() ?? [];
  }

  *all(): Generator<readonly [node: string, network: string, attachment: Attachment]> {
    for (const [node, networks] of this.#byNode) {
      for (const [network, attachment] of networks) yield [node, network, attachment];
    }
  }

  #nodes(network: string): Set<string> {
    let nodes = this.#byNetwork.get(network);
    if (nodes === undefined) {
      nodes = new Set();
      this.#byNetwork.set(network, nodes);
    }
    return nodes;
  }

  #detach(node: string, network: string): void {
    const nodes = this.#byNetwork.get(network);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#byNetwork.delete(network);
  }
}

const NOBODY: ReadonlySet<string> = new Set();
