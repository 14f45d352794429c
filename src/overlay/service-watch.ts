/**
 * Hears what the kernel reports about changes, in the host and in the sandboxes. A report says only that something may
 * have changed; what that is shows the next look. Changes that others make all the time without our rows being
 * concerned, such as neighbours that come and go, are not passed on.
 */
import { Fault } from "../base/fault.ts";
import { decodeMessages } from "../netlink/message.ts";
import { decodeForwarding, decodeNeighbour } from "../netlink/neighbours.ts";
import { NFT_GROUP } from "../netlink/nft-events.ts";
import { RTM, routeGroups } from "../netlink/route-types.ts";
import { xfrmGroups } from "../netlink/xfrm-events.ts";
import type { NetworkNamespace } from "../port/namespaces.ts";
import type { NetlinkFamily, NetlinkMonitor, NetlinkSockets } from "../port/netlink.ts";
import type { OpenPlace } from "./service-places.ts";

const { links, neighbours, addresses4, addresses6 } = routeGroups;

export class Watch {
  readonly #sockets: NetlinkSockets;
  readonly #disturbed: (what: string) => void;
  readonly #host: NetlinkMonitor[] = [];
  /** By the identity of the namespace. */
  readonly #sandboxes = new Map<string, NetlinkMonitor>();

  constructor(sockets: NetlinkSockets, host: NetworkNamespace, disturbed: (what: string) => void) {
    this.#sockets = sockets;
    this.#disturbed = disturbed;
    try {
      this.#host.push(
        this.#listen(host, "filter", [NFT_GROUP], "the packet filter"),
        this.#listen(host, "ipsec", [xfrmGroups.associations, xfrmGroups.policies, xfrmGroups.expire], "IPsec"),
        this.#listen(host, "route", [links, addresses4, addresses6], "links of the host"),
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** These sandboxes from now on, and no others. */
  follow(sandboxes: readonly OpenPlace[]): void {
    const wanted = new Map(sandboxes.map((open) => [open.namespace.identity, open]));
    for (const [identity, monitor] of [...this.#sandboxes]) {
      if (wanted.has(identity)) continue;
      monitor.close();
      this.#sandboxes.delete(identity);
    }
    for (const [identity, { namespace, place }] of wanted) {
      if (this.#sandboxes.has(identity)) continue;
      const groups = [links, neighbours, addresses4, addresses6];
      this.#sandboxes.set(identity, this.#listen(namespace, "route", groups, place));
    }
  }

  close(): void {
    for (const monitor of [...this.#host, ...this.#sandboxes.values()]) monitor.close();
    this.#host.length = 0;
    this.#sandboxes.clear();
  }

  #listen(namespace: NetworkNamespace, family: NetlinkFamily, groups: readonly number[], what: string): NetlinkMonitor {
    return this.#sockets.listen(namespace, family, groups, {
      heard: (bytes) => {
        if (family !== "route" || concernsUs(bytes)) this.#disturbed(what);
      },
      overrun: () => this.#disturbed(what),
      // The audit goes on without reports.
      failed: () => this.#disturbed(what),
    });
  }
}

/** Neighbours of ours are permanent. What cannot be understood may concern us. */
function concernsUs(bytes: Uint8Array): boolean {
  try {
    return decodeMessages(bytes).some((message) => {
      if (message.type !== RTM.newNeighbour && message.type !== RTM.deleteNeighbour) return true;
      const forwarding = decodeForwarding(message);
      if (forwarding !== undefined) return !forwarding.ofBridge;
      const state = decodeNeighbour(message)?.state;
      return state === "permanent" || (message.type === RTM.deleteNeighbour && state === undefined);
    });
  } catch (error) {
    if (error instanceof Fault) return true;
    throw error;
  }
}
