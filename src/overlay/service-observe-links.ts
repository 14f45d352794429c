/** What is in the namespaces, as rows: links and what is inside of them. Only what is ours, or could be. */

import { KernelFault } from "../base/errno.ts";
import { decodeAddress, listAddresses } from "../netlink/addresses.ts";
import { decodeLink, type Link, listLinks } from "../netlink/links.ts";
import { decodeForwarding, decodeNeighbour, listForwarding, listNeighbours } from "../netlink/neighbours.ts";
import { decodeRoute, listRoutes, MAIN_TABLE } from "../netlink/routes.ts";
import type { OverlayConfig } from "./config.ts";
import type { Look, Place, Row, VethRow } from "./effects.ts";
import { exitVethName, isExitVeth, vethName } from "./names.ts";
import { settingPaths } from "./rows-network.ts";
import type { OpenPlace, Places } from "./service-places.ts";

const UNKNOWN = "?";
const VERSIONS = [4, 6] as const;

export function observeLinks(places: Places, look: Look, config: OverlayConfig): Row[] {
  const links = new Map(places.list().map((open) => [open.place, linksIn(open)]));
  return places.list().flatMap((open) => {
    const here = links.get(open.place) ?? [];
    const ours = here.filter((link) => isOurs(link, open.place, look, config));
    const rows = ours.flatMap((link) => linkRow(link, open.place, here, links, look));
    return [...settingRows(open, look), ...sandboxRow(open, places), ...rows, ...contents(open, ours)];
  });
}

export function linksIn({ route }: OpenPlace): Link[] {
  return route.ask(listLinks()).map(decodeLink);
}

/** In a sandbox all is ours; elsewhere what has our names. */
function isOurs({ name, kind }: Link, place: Place, look: Look, { exit }: OverlayConfig): boolean {
  if (place === "host") return (kind === "bridge" && name === exit.bridge) || (kind === "veth" && isExitVeth(name));
  if (place.startsWith("sandbox:")) return kind === "bridge" || kind === "vxlan" || kind === "veth";
  return kind === "veth" && look.containers.get(place)?.name === name;
}

function sandboxRow({ place }: OpenPlace, places: Places): Row[] {
  return place.startsWith("sandbox:") && places.isHeld(place) ? [{ kind: "namespace", place }] : [];
}

function settingRows({ place, namespace }: OpenPlace, look: Look): Row[] {
  return settingPaths(place, look.containers.get(place)?.name).flatMap((path): Row[] => {
    try {
      return [{ kind: "setting", place, path, value: namespace.readSetting(path) }];
    } catch (error) {
      // The parameters of a link that is not there.
      if (error instanceof KernelFault && error.code === "notFound") return [];
      throw error;
    }
  });
}

function linkRow(
  link: Link,
  place: Place,
  here: readonly Link[],
  links: ReadonlyMap<Place, readonly Link[]>,
  look: Look,
): Row[] {
  const { name, mtu, up, mac = "" } = link;
  const bridge = here.find(({ index }) => index === link.master)?.name ?? "";
  if (link.kind === "bridge") return [{ kind: "bridge", place, name, mac, mtu, up }];
  if (link.vxlan !== undefined) {
    const { vni, local = "", port, learning = false, sourcePorts = { from: 0, to: 0 } } = link.vxlan;
    return [{ kind: "vxlan", place, name, vni, local, port, learning, sourcePorts, bridge, mtu, up }];
  }
  // The ends in containers are told with the others.
  if (place.startsWith("container:")) return [];
  const isolated = link.port?.isolated ?? false;
  return [{ kind: "veth", place, name, bridge, isolated, ...farEnd(link, place, links, look) }];
}

/** The other end of a pair, where it should be; both have to be up, and of one size. */
function farEnd(
  { name, index, partner, mtu, up }: Link,
  place: Place,
  links: ReadonlyMap<Place, readonly Link[]>,
  look: Look,
): Pick<VethRow, "mtu" | "up" | "far"> {
  for (const inside of look.containers.keys()) {
    if (nameOfPair(inside, place) !== name) continue;
    const end = links.get(inside)?.find((link) => link.index === partner && link.partner === index);
    if (end === undefined || end.kind !== "veth") continue;
    const far = { place: inside, name: end.name, mac: end.mac ?? "" };
    return { mtu: mtu === end.mtu ? mtu : 0, up: up && end.up, far };
  }
  return { mtu, up, far: { place: `container:${UNKNOWN}`, name: UNKNOWN, mac: UNKNOWN } };
}

const EXIT_CONTAINER = "container:exit ";
const CONTAINER = "container:";

/** What the near end of a container's pair is called, if it begins in `place`. */
function nameOfPair(inside: Place, place: Place): string | undefined {
  if (inside.startsWith(EXIT_CONTAINER)) {
    return place === "host" ? exitVethName(inside.slice(EXIT_CONTAINER.length)) : undefined;
  }
  return place === "host" ? undefined : vethName(inside.slice(CONTAINER.length));
}

/** Addresses, routes, neighbours and forwarding entries of our links. */
function contents({ place, route }: OpenPlace, ours: readonly Link[]): Row[] {
  if (ours.length === 0) return [];
  const nameOf = new Map(ours.map(({ index, name }) => [index, name]));
  const inside = place.startsWith(CONTAINER);
  const devices = ours.filter(({ kind }) => kind === "vxlan");
  const addresses = VERSIONS.flatMap((version) => route.ask(listAddresses(version))).flatMap((message): Row[] => {
    const found = decodeAddress(message);
    const link = nameOf.get(found?.link ?? 0);
    if (found === undefined || link === undefined || found.scope !== 0) return [];
    return [{ kind: "address", place, link, address: found.address }];
  });
  const routes = inside ? VERSIONS.flatMap((version) => route.ask(listRoutes(version, MAIN_TABLE))) : [];
  return [
    ...addresses,
    ...routes.map(decodeRoute).flatMap((found): Row[] => {
      const link = nameOf.get(found.link);
      if (link === undefined || found.gateway === undefined) return [];
      return [{ kind: "route", place, destination: found.destination, gateway: found.gateway, link }];
    }),
    ...devices.flatMap((device) => entriesOf(device, place, route)),
  ];
}

function entriesOf({ index, name: link }: Link, place: Place, route: OpenPlace["route"]): Row[] {
  const neighbours = VERSIONS.flatMap((version) => route.ask(listNeighbours(version, index))).flatMap(
    (message): Row[] => {
      const found = decodeNeighbour(message);
      if (found?.mac === undefined || found.link !== index || found.state !== "permanent") return [];
      return [{ kind: "neighbour", place, link, address: found.address, mac: found.mac }];
    },
  );
  const forwarding = route.ask(listForwarding(index)).flatMap((message): Row[] => {
    const found = decodeForwarding(message);
    if (found?.destination === undefined || found.link !== index || found.ofBridge) return [];
    return [{ kind: "forwarding", place, link, mac: found.mac, vtep: found.destination }];
  });
  return [...neighbours, ...forwarding];
}
