/** Everything that a NetworkDB engine knows, as plain data for commands, dashboards and tests. */
import type { TablesContext } from "./engine-context.ts";

export interface TablesDump {
  readonly node: string;
  readonly clocks: { readonly network: number; readonly table: number };
  readonly nodes: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly state: string;
    readonly signs: boolean;
  }[];
  readonly networks: readonly {
    readonly id: string;
    readonly inSync: boolean;
    readonly nodes: readonly string[];
    readonly queue: number;
    readonly rebroadcasts: number;
    readonly entries: number;
    readonly bytes: number;
  }[];
  readonly entries: readonly {
    readonly network: string;
    readonly table: string;
    readonly key: string;
    readonly owner: string;
    readonly lTime: number;
    readonly state: "live" | "deleted" | "suspended";
    readonly valueBytes: number;
  }[];
  readonly queues: { readonly nodeEvents: number; readonly networkEvents: number; readonly syncsPending: number };
  readonly counts: Readonly<TablesContext["counts"]>;
  /** What was refused, by reason (the codes of `base/fault.ts`). */
  readonly drops: Readonly<Record<string, number>>;
}

export function dumpOf(context: TablesContext, syncsPending: number): TablesDump {
  const { name, nodes, own, attachments, entries, networkClock, tableClock, counts, drops } = context;
  return {
    node: name,
    clocks: { network: networkClock.time, table: tableClock.time },
    nodes: [...nodes.values()].map(({ name, endpoint, state, signs }) => ({ name, ...endpoint, state, signs })),
    networks: [...own.values()].map(({ id, inSync, queue, rebroadcasts }) => ({
      id,
      inSync,
      nodes: [...attachments.nodesOf(id)],
      queue: queue.size,
      rebroadcasts: rebroadcasts.size,
      entries: entries.count(id),
      bytes: entries.bytes(id),
    })),
    entries: [...own.keys()].flatMap((network) =>
      entries.of(network).map(({ table, key, owner, lTime, value, isDeleted, isSuspended }) => {
        const state = isDeleted ? "deleted" : isSuspended ? "suspended" : "live";
        return { network, table, key, owner, lTime, state, valueBytes: value.length } as const;
      }),
    ),
    queues: {
      nodeEvents: context.nodeEvents.size,
      networkEvents: context.networkEvents.size,
      syncsPending,
    },
    counts: { ...counts },
    drops: Object.fromEntries(drops),
  };
}
