/** One operation, carried out. What is gone already counts as deleted; everything else that is refused is thrown. */
import { KernelFault } from "../base/errno.ts";
import type { SecurityAssociation } from "../model/security-association.ts";
import { addAddress, deleteAddress } from "../netlink/addresses.ts";
import { addLink, changeLink, changePort, decodeLink, deleteLink, getLink, type Link } from "../netlink/links.ts";
import { addForwarding, addNeighbour, deleteForwarding, deleteNeighbour } from "../netlink/neighbours.ts";
import { batch } from "../netlink/nft-batch.ts";
import { addChain, addRule, addTable, deleteTable } from "../netlink/nft-objects.ts";
import { addElements, addSet, deleteElements, ELEMENTS_MAX } from "../netlink/nft-sets.ts";
import { addRoute, deleteRoute } from "../netlink/routes.ts";
import { addAssociation, deleteAssociation } from "../netlink/xfrm-associations.ts";
import { deletePolicy, updatePolicy } from "../netlink/xfrm-policies.ts";
import { type Association, type IcvBits, noLimits, noMark, noSequence } from "../netlink/xfrm-values.ts";
import type { NetlinkDoor, NetlinkRequest } from "../port/netlink.ts";
import type { OverlayConfig } from "./config.ts";
import type { BridgeRow, Operation, Place, Row, VethRow, VxlanRow } from "./effects.ts";
import { unhex } from "./filter.ts";
import { tableOf } from "./service-observe-guards.ts";
import type { Places } from "./service-places.ts";

export interface Doors {
  readonly places: Places;
  readonly ipsec: NetlinkDoor;
  readonly filter: NetlinkDoor;
}

export class Applier {
  readonly #doors: Doors;
  readonly #config: OverlayConfig;

  constructor(doors: Doors, config: OverlayConfig) {
    this.#doors = doors;
    this.#config = config;
  }

  /** Throws `Fault`, among them `KernelFault`. */
  apply(operation: Operation): void {
    if (operation.do === "delete") {
      try {
        this.#delete(operation.row);
      } catch (error) {
        if (!(error instanceof KernelFault) || error.code !== "notFound") throw error;
      }
      return;
    }
    const { row } = operation;
    if (row.kind === "filter") this.#makeFilter(row, operation.elements ?? []);
    else this.#put(row, operation.do === "add");
  }

  #put(row: Exclude<Row, { kind: "filter" }>, isNew: boolean): void {
    const { places, ipsec, filter } = this.#doors;
    switch (row.kind) {
      case "element":
        filter.transact(batch([addElements(this.#set(row.set), [{ key: unhex(row.value) }])]));
        return;
      case "policy":
        ipsec.ask(updatePolicy(row.policy));
        return;
      case "association":
        ipsec.ask(addAssociation(kernelAssociation(row.association, this.#config)));
        return;
      case "setting":
        places.get(row.place).namespace.writeSetting(row.path, row.value);
        return;
      case "namespace":
        places.create(row.place);
        return;
      case "bridge":
        this.#putBridge(row, isNew);
        return;
      case "vxlan":
        this.#putVxlan(row, isNew);
        return;
      case "veth":
        this.#putVeth(row, isNew);
        return;
      default:
        this.#putInside(row);
    }
  }

  #putInside(row: Extract<Row, { readonly link: string }>): void {
    const { route } = this.#doors.places.get(row.place);
    const { index: link } = this.#link(row.place, row.link);
    if (row.kind === "address") route.ask(addAddress({ link, address: row.address, withoutDuplicateDetection: true }));
    else if (row.kind === "route") route.ask(addRoute({ destination: row.destination, gateway: row.gateway, link }));
    else if (row.kind === "neighbour") route.ask(addNeighbour({ link, address: row.address, mac: row.mac }));
    else route.ask(addForwarding({ link, mac: row.mac, destination: row.vtep }));
  }

  #putBridge({ place, name, mac, mtu, up }: BridgeRow, isNew: boolean): void {
    const { route } = this.#doors.places.get(place);
    const options = { kind: "bridge", multicastSnooping: false, spanningTree: false } as const;
    if (isNew) route.ask(addLink({ name, mac, mtu, up, options }));
    else route.ask(changeLink(this.#link(place, name).index, { mac, mtu, up }));
  }

  /** Born in the sandbox, so it has its final name from the first moment; its socket is the host's. */
  #putVxlan(row: VxlanRow, isNew: boolean): void {
    const { place, name, vni, local, port, learning, sourcePorts, bridge, mtu, up } = row;
    const { route, namespace } = this.#doors.places.get(place);
    if (isNew) {
      const own = { vni, local, port, learning, sourcePorts };
      const options = { kind: "vxlan", ...own, proxy: true, udpChecksum: true } as const;
      this.#doors.places.get("host").route.ask(addLink({ name, mtu, namespace, options }));
    }
    const master = this.#link(place, bridge).index;
    route.ask(changeLink(this.#link(place, name).index, { mtu, master, up }));
  }

  #putVeth({ place, name, bridge, isolated, mtu, up, far }: VethRow, isNew: boolean): void {
    const { route } = this.#doors.places.get(place);
    const inside = this.#doors.places.get(far.place);
    const master = this.#link(place, bridge).index;
    if (isNew) {
      const peer = { name: far.name, mac: far.mac, mtu, namespace: inside.namespace };
      route.ask(addLink({ name, mtu, options: { kind: "veth", peer } }));
    }
    const { index } = this.#link(place, name);
    route.ask(changeLink(index, { mtu, master, up }));
    route.ask(changePort(index, { isolated }));
    const mac = isNew ? {} : { mac: far.mac };
    inside.route.ask(changeLink(this.#link(far.place, far.name).index, { mtu, up, ...mac }));
  }

  #link(place: Place, name: string): Link {
    const [message] = this.#doors.places.get(place).route.ask(getLink(name));
    return decodeLink(message!);
  }

  #set(name: string) {
    return { table: tableOf(this.#config), name };
  }

  /** The whole table in one transaction: no packet meets half of it. */
  #makeFilter({ filter }: Extract<Row, { kind: "filter" }>, elements: readonly Row[]): void {
    const table = tableOf(this.#config);
    const values = (name: string) =>
      elements.flatMap((row) => (row.kind === "element" && row.set === name ? [{ key: unhex(row.value) }] : []));
    const requests: NetlinkRequest[] = [
      addTable(table),
      deleteTable(table),
      addTable(table),
      ...filter.sets.map(({ name, key }, at) => addSet({ table, name, key, data: undefined }, at + 1)),
      ...filter.sets.flatMap(({ name }) => chunks(values(name)).map((part) => addElements(this.#set(name), part))),
      ...filter.chains.map(({ name, base }) => addChain({ table, name, base })),
      ...filter.rules.map((rule) => addRule({ table, ...rule })),
    ];
    this.#doors.filter.transact(batch(requests));
  }

  #delete(row: Row): void {
    const { places, ipsec, filter } = this.#doors;
    switch (row.kind) {
      case "filter":
        filter.transact(batch([deleteTable(tableOf(this.#config))]));
        return;
      case "element":
        filter.transact(batch([deleteElements(this.#set(row.set), [{ key: unhex(row.value) }])]));
        return;
      case "policy":
        ipsec.ask(deletePolicy(row.policy));
        return;
      case "association":
        ipsec.ask(deleteAssociation({ ...row.association, mark: noMark }));
        return;
      case "setting":
        return;
      case "namespace":
        places.remove(row.place);
        return;
      case "bridge":
      case "vxlan":
      case "veth":
        places.get(row.place).route.ask(deleteLink(this.#link(row.place, row.name).index));
        return;
      default:
        this.#deleteInside(row);
    }
  }

  #deleteInside(row: Extract<Row, { readonly link: string }>): void {
    const { route } = this.#doors.places.get(row.place);
    const { index: link } = this.#link(row.place, row.link);
    if (row.kind === "address") route.ask(deleteAddress({ link, address: row.address }));
    else if (row.kind === "route") route.ask(deleteRoute({ destination: row.destination, gateway: row.gateway, link }));
    else if (row.kind === "neighbour") route.ask(deleteNeighbour({ link, address: row.address }));
    else route.ask(deleteForwarding({ link, mac: row.mac, destination: row.vtep }));
  }
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  for (let at = 0; at < items.length; at += ELEMENTS_MAX) parts.push(items.slice(at, at + ELEMENTS_MAX));
  return parts;
}

/**
 * The kernel cannot tell the lives of a sender apart, so against senders that may restart it gets no window. At a soft
 * limit nothing has to be told: sequence numbers are looked at with everything else.
 */
function kernelAssociation(association: SecurityAssociation, { requestId }: OverlayConfig): Association {
  const { spi, source, destination, material, icvBytes, extendedSequence, replay } = association;
  return {
    source,
    destination,
    spi,
    mark: noMark,
    requestId,
    mode: "transport",
    key: material,
    icvBits: (icvBytes * 8) as IcvBits,
    extendedSequence,
    replayWindow: replay.senderMayRestart ? 0 : replay.window,
    sequence: noSequence,
    outputMark: noMark,
    limits: noLimits,
  };
}
