/** One of our nodes in a host of the laboratory: the other end of `skep-peer.ts`. */
import type { GossipStats } from "../../src/gossip/service-stats.ts";
import type { Host } from "../../src/lab/host.ts";
import type { Program } from "../../src/lab/program.ts";
import type { PeerCommand, PeerMember, PeerOptions } from "./peer-language.ts";
import type { KeyAnswer, KeyOperation } from "./serf-delegate.ts";
import { Talker } from "./talker.ts";

/** What a peer says on its own account. */
export interface PeerLine {
  readonly event?: "ready" | "member" | "user";
  readonly kind?: string;
  readonly name?: string;
  readonly state?: string;
  readonly payload?: string;
  readonly from?: string;
}
export type Said = Peer["said"][number];

export class Peer extends Talker<PeerCommand, PeerLine> {
  readonly host: Host;

  private constructor(name: string, host: Host, program: Program) {
    super(name, program);
    this.host = host;
  }

  static async start(host: Host, options: Omit<PeerOptions, "address">): Promise<Peer> {
    const { name } = options;
    const program = Talker.launch(host, name, "skep-peer.ts", { ...options, address: host.address });
    const peer = new Peer(name, host, program);
    await program.line("start", /"event":"ready"/, 120_000);
    return peer;
  }

  members(): Promise<PeerMember[]> {
    return this.ask({ do: "members" });
  }

  stats(): Promise<GossipStats> {
    return this.ask({ do: "stats" });
  }

  keyring(): Promise<string[]> {
    return this.ask({ do: "keyring" });
  }

  async join(target: string): Promise<boolean> {
    return (await this.ask<number>({ do: "join", target })) === 1;
  }

  keys(operation: KeyOperation, key: string): Promise<{ others: number; answers: KeyAnswer[] }> {
    return this.ask({ do: "keys", operation, key });
  }

  async leave(): Promise<void> {
    await this.ask({ do: "leave" });
    await this.program.stop("SIGTERM");
  }

  /** Events about members since `sinceMs` of these kinds. */
  told(kinds: readonly string[], sinceMs = 0): Said[] {
    return this.said.filter(
      ({ event, kind, atMs }) => event === "member" && atMs >= sinceMs && kinds.includes(kind ?? ""),
    );
  }
}
