/** What makes a row the same row with another value, and in which order rows depend on each other. */
import type { Operation, Row, RowKind } from "./effects.ts";

/** Two rows of one key cannot both be there. */
export function keyOf(row: Row): string {
  switch (row.kind) {
    case "filter":
      return "filter";
    case "element":
      return elementKey(row.set, row.value);
    case "policy": {
      const { direction, selector, mark } = row.policy;
      const { source, destination, sourcePort, sourcePortMask = 0, destinationPort } = selector;
      const ports = `${sourcePort}/${sourcePortMask}-${destinationPort}`;
      const between = `${source.address}/${source.bits}-${destination.address}/${destination.bits}`;
      return `policy ${direction} ${between} ${ports} ${mark.value}/${mark.mask}`;
    }
    case "association":
      return associationKey(row.association.destination, row.association.spi);
    case "setting":
      return `setting ${row.place} ${row.path}`;
    case "namespace":
      return namespaceKey(row.place);
    case "bridge":
      return linkKey(row.place, row.name);
    case "veth":
      return linkKey(row.place, row.name);
    case "vxlan":
      return vxlanKey(row.vni);
    case "address":
      return `address ${row.place} ${row.link} ${row.address}`;
    case "route":
      return `route ${row.place} ${row.destination}`;
    case "neighbour":
      return `neighbour ${row.place} ${row.link} ${row.address}`;
    case "forwarding":
      return `forwarding ${row.place} ${row.link} ${row.mac}`;
  }
}

export function elementKey(set: string, value: string): string {
  return `element ${set} ${value}`;
}

/** The kernel finds associations by destination and SPI only. */
export function associationKey(destination: string, spi: number): string {
  return `association ${destination} ${spi}`;
}

export function namespaceKey(place: string): string {
  return `namespace ${place}`;
}

export function linkKey(place: string, name: string): string {
  return `link ${place} ${name}`;
}

/** The host has one socket for VXLAN, and one device for each VNI behind it, wherever that is. */
export function vxlanKey(vni: number): string {
  return `vxlan ${vni}`;
}

/**
 * What comes first is made first and removed last: the guards. Rows that let packets reach another node come last and
 * go first. Inbound associations come before the outbound ones, which come before the policies that use them.
 */
const ranks: Readonly<Record<RowKind, number>> = {
  filter: 0,
  element: 1,
  policy: 6,
  setting: 9.5,
  namespace: 4,
  association: 5,
  bridge: 7,
  vxlan: 8,
  veth: 9,
  address: 10,
  route: 11,
  neighbour: 12,
  forwarding: 13,
};
const BLOCK_RANK = 2;
const OUTBOUND_LATER = 0.5;

export function rankOf(row: Row): number {
  if (row.kind === "policy" && row.policy.action === "block") return BLOCK_RANK;
  if (row.kind === "association" && row.association.direction === "outbound") return ranks.association + OUTBOUND_LATER;
  return ranks[row.kind];
}

/** "add forwarding sandbox:x vx4097 02:…", for people. */
export function describe({ do: verb, row }: Operation): string {
  return `${verb} ${keyOf(row)}`;
}
