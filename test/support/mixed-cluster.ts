/**
 * Real serf agents and our nodes as one cluster in a laboratory: the questions that are asked of both kinds alike.
 * Statuses are serf's words, because its users know them: ours says dead where serf says failed.
 */
import { SymmetricKey } from "../../src/crypt/aead.ts";
import { Capture } from "../../src/lab/capture.ts";
import { Lab } from "../../src/lab/lab.ts";
import { SerfAgent } from "../../src/lab/serf.ts";
import { until } from "../../src/lab/until.ts";
import { Peer } from "./peer.ts";

export type Node = SerfAgent | Peer;

export interface ClusterOptions {
  readonly serfs: readonly string[];
  readonly peers: readonly string[];
  /** Further hosts, in which nothing runs. */
  readonly spare?: readonly string[];
  /** Base64. */
  readonly key: string;
  readonly compression: boolean;
}

const words = { alive: "alive", suspect: "suspect", dead: "failed", left: "left" } as const;

export class MixedCluster {
  readonly lab: Lab;
  readonly capture: Capture;
  readonly serfs: readonly SerfAgent[];
  readonly peers: readonly Peer[];

  private constructor(lab: Lab, capture: Capture, serfs: readonly SerfAgent[], peers: readonly Peer[]) {
    this.lab = lab;
    this.capture = capture;
    this.serfs = serfs;
    this.peers = peers;
  }

  /** Start everybody, each alone in its host of the same name; nobody has joined yet, everything is captured. */
  static async start(options: ClusterOptions): Promise<MixedCluster> {
    const { serfs, peers, spare = [], key, compression } = options;
    const lab = await Lab.create([...serfs, ...peers, ...spare]);
    try {
      const capture = await Capture.start(lab);
      const own = { keys: [key], tags: {}, compression };
      const [agents, ours] = await Promise.all([
        Promise.all(serfs.map((name) => SerfAgent.start(lab, lab.host(name), { ...own, name }))),
        Promise.all(peers.map((name) => Peer.start(lab.host(name), { ...own, name }))),
      ]);
      return new MixedCluster(lab, capture, agents, ours);
    } catch (error) {
      await lab.dispose();
      throw error;
    }
  }

  get nodes(): readonly Node[] {
    return [...this.serfs, ...this.peers];
  }

  serf(name: string): SerfAgent {
    return named(this.serfs, name);
  }

  peer(name: string): Peer {
    return named(this.peers, name);
  }

  /** Wait until each of `observers` gives all of `names` this status; how long that took. */
  async agree(observers: readonly Node[], names: readonly string[], status: string, withinMs: number): Promise<number> {
    let last = "";
    const what = `${names} ${status} on ${observers.map(({ name }) => name)}`;
    const { tookMs } = await until(
      what,
      withinMs,
      async () => {
        const views = await Promise.all(observers.map(statuses));
        last = views
          .map((view, at) => `${observers[at]?.name}: ${[...view].map(([name, seen]) => `${name} ${seen}`)}`)
          .join("; ");
        return views.every((view) => names.every((name) => view.get(name) === status));
      },
      () => last,
    );
    return tookMs;
  }

  /** Everything that anybody said of suspicions, deaths and denials since `sinceMs`, one line each. */
  accusations(sinceMs: number): string[] {
    const serf = this.serfs.flatMap((agent) =>
      agent.accusations(sinceMs).map(({ text }) => `${agent.name} (serf): ${text.trim()}`),
    );
    const ours = this.peers.flatMap((peer) =>
      peer
        .told(["suspect", "refute", "accused", "leave", "conflict"], sinceMs)
        .map((said) => `${peer.name}: ${JSON.stringify(said)}`),
    );
    return [...serf, ...ours];
  }

  async dispose(): Promise<void> {
    await this.capture.stop();
    await this.lab.dispose();
  }
}

/** What a node says of everybody, itself included. */
export async function statuses(node: Node): Promise<Map<string, string>> {
  if (node instanceof SerfAgent) return new Map((await node.members()).map(({ name, status }) => [name, status]));
  return new Map((await node.members()).map(({ name, state }) => [name, words[state]]));
}

/** A tag of `name` as `node` sees it. */
export async function tagSeen(node: Node, name: string, tag: string): Promise<string | undefined> {
  const members: readonly { name: string; tags: Readonly<Record<string, string>> }[] = await node.members();
  return members.find((member) => member.name === name)?.tags[tag];
}

export function symmetricKey(base64: string): SymmetricKey {
  return new SymmetricKey(Uint8Array.from(Buffer.from(base64, "base64")));
}

function named<T extends { readonly name: string }>(nodes: readonly T[], name: string): T {
  const node = nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`there is no ${name}`);
  return node;
}
