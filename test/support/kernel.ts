/** The real kernel in a namespace of its own: sockets to its IPsec and its packet filter, and what it reports. */
import { execFileSync } from "node:child_process";
import { KernelFault } from "../../src/base/errno.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { decodeMessages, type Message, type Request } from "../../src/netlink/message.ts";
import { batch } from "../../src/netlink/nft-batch.ts";
import { decodeNftEvent, NFT_GROUP, type NftEvent } from "../../src/netlink/nft-events.ts";
import { addAssociation } from "../../src/netlink/xfrm-associations.ts";
import { decodeXfrmEvent, type XfrmEvent, xfrmGroups } from "../../src/netlink/xfrm-events.ts";
import { systemNamespaces } from "../../src/os/namespace.ts";
import { systemNetlink } from "../../src/os/netlink-monitor.ts";
import type { NetlinkFamily, NetlinkMonitor } from "../../src/port/netlink.ts";
import { associationBetween } from "./xfrm.ts";

const EVENT_PATIENCE_MS = 10_000;

export interface Door {
  ask(request: Request): Promise<Message[]>;
  change(request: Request): Promise<void>;
  /** All or nothing. */
  batch(requests: readonly Request[], generation?: number): Promise<void>;
}

export interface Namespace {
  readonly name: string;
  readonly xfrm: Door;
  readonly nft: Door;
  /** The next report of this kind; those of other kinds before it are thrown away. */
  xfrmEvents<What extends XfrmEvent["what"]>(what: What): Promise<Extract<XfrmEvent, { what: What }>>;
  nftEvents<What extends NftEvent["what"]>(what: What): Promise<Extract<NftEvent, { what: What }>>;
}

let created = 0;

/** Run `use` in a fresh namespace with `lo` up, which is gone afterwards. */
export async function inNamespace(use: (namespace: Namespace) => Promise<void>): Promise<void> {
  const name = `skep-test-${process.pid}-${created++}`;
  execFileSync("ip", ["netns", "add", name]);
  const namespace = systemNamespaces.open(`/run/netns/${name}`);
  const doors = (["ipsec", "filter"] as const).map((family) => new Conversation(systemNetlink.open(namespace, family)));
  const [xfrm, nft] = doors as [Conversation, Conversation];
  const reports: { close(): void }[] = [];
  const hear = <Event extends { readonly what: string }>(
    family: NetlinkFamily,
    groups: readonly number[],
    decode: (message: Message) => Event | undefined,
  ): Reports<Event> => {
    const one = new Reports(decode, (listener) => systemNetlink.listen(namespace, family, groups, listener));
    reports.push(one);
    return one;
  };
  try {
    execFileSync("ip", ["-n", name, "link", "set", "lo", "up"]);
    const xfrmReports = hear("ipsec", Object.values(xfrmGroups), decodeXfrmEvent);
    const nftReports = hear("filter", [NFT_GROUP], decodeNftEvent);
    await use({
      name,
      xfrm: door(xfrm),
      nft: door(nft),
      xfrmEvents: (what) => xfrmReports.next(what),
      nftEvents: (what) => nftReports.next(what),
    });
  } finally {
    for (const one of [...reports, ...doors]) one.close();
    namespace.close();
    execFileSync("ip", ["netns", "delete", name]);
  }
}

function door(conversation: Conversation): Door {
  return {
    ask: async (request) => conversation.ask(request),
    change: async (request) => conversation.change(request),
    batch: async (requests, generation) => void conversation.transact(batch(requests, generation)),
  };
}

/** What the kernel reported and nobody asked for yet, in order. */
class Reports<Event extends { readonly what: string }> {
  readonly #waiting: Event[] = [];
  readonly #monitor: NetlinkMonitor;
  #ring: () => void = () => undefined;

  constructor(
    decode: (message: Message) => Event | undefined,
    listen: (listener: Parameters<typeof systemNetlink.listen>[3]) => NetlinkMonitor,
  ) {
    this.#monitor = listen({
      heard: (bytes) => {
        this.#waiting.push(...decodeMessages(bytes).flatMap((message) => decode(message) ?? []));
        this.#ring();
      },
      overrun: () => undefined,
      failed: (error) => {
        throw error;
      },
    });
  }

  async next<What extends Event["what"]>(what: What): Promise<Extract<Event, { what: What }>> {
    for (;;) {
      for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
        if (event.what === what) return event as Extract<Event, { what: What }>;
      }
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`the kernel reported no ${what}`)), EVENT_PATIENCE_MS);
        this.#ring = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.#monitor.close();
  }
}

/** For `assert.rejects`. */
export function isErrno(name: "ENOENT" | "ESRCH" | "EEXIST" | "EBUSY" | "ERESTART"): (error: unknown) => boolean {
  return (error) => error instanceof KernelFault && error.errno === name;
}

/** For `test(name, { skip })`: false, or why this machine cannot run tests of the kernel. */
export const noKernel: string | false = await obstacle("no namespaces", async () => undefined);

/** The same for tests that need security associations. */
export const noEsp: string | false =
  noKernel ||
  (await obstacle("no ESP with AES-GCM in this kernel (npm run test:vm brings one)", async ({ xfrm }) =>
    xfrm.change(addAssociation(associationBetween("192.0.2.1", "192.0.2.2", 256))),
  ));

async function obstacle(what: string, attempt: (namespace: Namespace) => Promise<void>): Promise<string | false> {
  try {
    await inNamespace(attempt);
    return false;
  } catch (error) {
    return `${what}: ${(error as Error).message.trim()}`;
  }
}
