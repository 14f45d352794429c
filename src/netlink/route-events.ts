/**
 * What the kernel reports about links, addresses, routes, rules and neighbours without being asked.
 *
 * Reports are lost when they come faster than they are read; then, and after nonsense, `resync` says that only a look
 * at everything tells what is there. An event says what was true when it was written, not what is true now.
 */
import { Fault } from "../base/fault.ts";
import type { NetworkNamespace } from "../port/namespaces.ts";
import type { NetlinkMonitor, NetlinkSockets } from "../port/netlink.ts";
import { decodeAddress, type LinkAddressState } from "./addresses.ts";
import { AF_BRIDGE, AF_INET, AF_INET6 } from "./addressing.ts";
import { decodeLink, type Link } from "./links.ts";
import { decodeMessages, type Message } from "./message.ts";
import {
  decodeForwarding,
  decodeMissing,
  decodeNeighbour,
  type Forwarding,
  type Missing,
  type Neighbour,
} from "./neighbours.ts";
import { RTM, routeGroups } from "./route-types.ts";
import { decodeRoute, type Route } from "./routes.ts";
import { decodeRule, type Rule } from "./rules.ts";
import { linkHeadIn } from "./structs.ts";

/** `gone`: it was deleted, or has left for another namespace. */
export type RouteEvent =
  | { readonly what: "link"; readonly gone: boolean; readonly link: Link }
  | { readonly what: "address"; readonly gone: boolean; readonly address: LinkAddressState }
  | { readonly what: "route"; readonly gone: boolean; readonly route: Route }
  | { readonly what: "rule"; readonly gone: boolean; readonly rule: Rule }
  | { readonly what: "neighbour"; readonly gone: boolean; readonly neighbour: Neighbour }
  | { readonly what: "forwarding"; readonly gone: boolean; readonly forwarding: Forwarding }
  /** A packet was for an address that a device with `l3miss` has no neighbour for, or `l2miss` no forwarding row. */
  | { readonly what: "missing"; readonly missing: Missing };

export interface RouteListener {
  event(event: RouteEvent): void;
  /** Something was lost, for the reason given: look at everything. */
  resync(why: string): void;
  failed(error: Error): void;
}

export function listenToRoutes(
  sockets: NetlinkSockets,
  namespace: NetworkNamespace,
  groups: readonly (keyof typeof routeGroups)[],
  listener: RouteListener,
): NetlinkMonitor {
  return sockets.listen(
    namespace,
    "route",
    groups.map((group) => routeGroups[group]),
    {
      heard(bytes) {
        let events: RouteEvent[];
        try {
          events = decodeMessages(bytes).flatMap((message) => decodeRouteEvent(message) ?? []);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          listener.resync(error.message);
          return;
        }
        for (const event of events) listener.event(event);
      },
      overrun: () => listener.resync("reports were lost"),
      failed: (error) => listener.failed(error),
    },
  );
}

/** `undefined` for what is none of these. Throws `Fault` for a message that breaks its format. */
export function decodeRouteEvent(message: Message): RouteEvent | undefined {
  const { type } = message;
  if (type === RTM.newLink || type === RTM.deleteLink) return linkEvent(message);
  if (type === RTM.newNeighbour || type === RTM.deleteNeighbour) return neighbourEvent(message);
  if (type === RTM.getNeighbour) return { what: "missing", missing: decodeMissing(message) };
  if (!isIp(message)) return undefined;
  if (type === RTM.newAddress || type === RTM.deleteAddress) {
    const address = decodeAddress(message);
    return address && { what: "address", gone: type === RTM.deleteAddress, address };
  }
  if (type === RTM.newRoute || type === RTM.deleteRoute) {
    return { what: "route", gone: type === RTM.deleteRoute, route: decodeRoute(message) };
  }
  if (type === RTM.newRule || type === RTM.deleteRule) {
    const rule = decodeRule(message);
    return rule && { what: "rule", gone: type === RTM.deleteRule, rule };
  }
  return undefined;
}

/** Bridges report their ports as messages of their own family, also that one is a port no more. */
function linkEvent(message: Message): RouteEvent | undefined {
  if (linkHeadIn(message.body).family === AF_BRIDGE) return undefined;
  return { what: "link", gone: message.type === RTM.deleteLink, link: decodeLink(message) };
}

function neighbourEvent(message: Message): RouteEvent | undefined {
  const gone = message.type === RTM.deleteNeighbour;
  const forwarding = decodeForwarding(message);
  if (forwarding !== undefined) return { what: "forwarding", gone, forwarding };
  const neighbour = decodeNeighbour(message);
  return neighbour && { what: "neighbour", gone, neighbour };
}

function isIp({ body }: Message): boolean {
  return body[0] === AF_INET || body[0] === AF_INET6;
}
