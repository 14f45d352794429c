/** One of our NetworkDB nodes in a host of the laboratory: the other end of `tables-peer.ts`. */
import type { GossipStats } from "../../src/gossip/service-stats.ts";
import type { Host } from "../../src/lab/host.ts";
import type { Program } from "../../src/lab/program.ts";
import type { ChangeType } from "../../src/tables/effects.ts";
import type { TablesDump } from "../../src/tables/engine-dump.ts";
import type { EndpointRecord, PeerRecord } from "../../src/tables/records.ts";
import { Talker } from "./talker.ts";

export interface TablesPeerOptions {
  readonly address: string;
  /** Hexadecimal, primary first. */
  readonly keys: readonly string[];
}

export type TableName = "endpoint_table" | "overlay_peer_table";

export type TablesCommand =
  | { readonly do: "join"; readonly addresses: readonly string[] }
  | { readonly do: "attach" | "detach"; readonly network: string }
  | {
      readonly do: "change";
      readonly type: ChangeType;
      readonly network: string;
      readonly table: TableName;
      readonly key: string;
      readonly record?: EndpointRecord | PeerRecord;
    }
  | { readonly do: "dump" | "leave" }
  /** Three, the oldest first. */
  | { readonly do: "keys"; readonly keys: readonly string[] };

export interface TablesLine {
  readonly event?: "ready" | "entry";
  readonly name?: string;
  readonly type?: ChangeType;
  readonly table?: string;
  readonly network?: string;
  readonly key?: string;
  readonly owner?: string;
  readonly record?: Partial<EndpointRecord & PeerRecord>;
}

export type Dump = TablesDump & { readonly stats: GossipStats; readonly drops: Readonly<Record<string, number>> };

export class TablesNode extends Talker<TablesCommand, TablesLine> {
  static async start(host: Host, keys: readonly Uint8Array[]): Promise<TablesNode> {
    const options: TablesPeerOptions = {
      address: host.address,
      keys: keys.map((key) => Buffer.from(key).toString("hex")),
    };
    const program: Program = Talker.launch(host, host.name, "tables-peer.ts", options);
    const node = new TablesNode(host.name, program);
    await program.line("start", /"event":"ready"/, 120_000);
    return node;
  }

  /** Its gossip name. */
  get gossipName(): string {
    return this.said.find(({ event }) => event === "ready")?.name ?? "";
  }

  dump(): Promise<Dump> {
    return this.ask({ do: "dump" });
  }

  /** The records of a table that it sees now, by key, as it was told of them. */
  seen(table: TableName): Map<string, NonNullable<TablesLine["record"]>> {
    const live = new Map<string, NonNullable<TablesLine["record"]>>();
    for (const line of this.said) {
      if (line.event !== "entry" || line.table !== table || line.key === undefined) continue;
      if (line.type === "delete" || line.record === undefined) live.delete(line.key);
      else live.set(line.key, line.record);
    }
    return live;
  }
}
