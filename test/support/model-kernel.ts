/**
 * A kernel as rows, for tests of plans: it carries out operations as Linux does (things that are inside of others go
 * with them, nothing is there twice) and judges, for a packet of an encrypted network, whether it leaves and how.
 */

import { vniBytes } from "../../src/netlink/nft-matches.ts";
import type { Operation, Row, WantedRow } from "../../src/overlay/effects.ts";
import { ENCRYPTED, hex } from "../../src/overlay/filter.ts";
import { keyOf } from "../../src/overlay/row-key.ts";
import { sameRow } from "../../src/overlay/same-row.ts";

export class ModelKernel {
  readonly rows = new Map<string, Row>();

  copy(): ModelKernel {
    const copy = new ModelKernel();
    for (const [key, row] of this.rows) copy.rows.set(key, row);
    return copy;
  }

  /** Throws as the kernel would refuse. */
  apply(operation: Operation): void {
    const { row } = operation;
    const key = keyOf(row);
    if (operation.do === "delete") {
      this.remove(key);
      return;
    }
    if (operation.do === "add" && this.rows.has(key)) throw new Error(`EEXIST ${key}`);
    if (operation.do === "change" && !this.rows.has(key)) throw new Error(`ENOENT ${key}`);
    if (row.kind === "filter") this.#drop((other) => other.kind === "element");
    this.#checkPlace(row);
    this.rows.set(key, row);
    for (const element of (operation.do === "add" || operation.do === "change" ? operation.elements : []) ?? []) {
      this.rows.set(keyOf(element), element);
    }
  }

  /** As `nft flush ruleset`, `ip xfrm policy flush` and people with `ip link delete` do. */
  remove(key: string): void {
    const row = this.rows.get(key);
    if (row === undefined) throw new Error(`ENOENT ${key}`);
    this.rows.delete(key);
    if (row.kind === "filter") this.#drop(({ kind }) => kind === "element");
    if (row.kind === "namespace") {
      const inside = [...this.rows].filter(([, other]) => "place" in other && other.place === row.place);
      for (const [name] of inside) if (this.rows.has(name)) this.remove(name);
    }
    if (row.kind === "bridge" || row.kind === "vxlan" || row.kind === "veth") {
      this.#drop((other) => "link" in other && other.place === row.place && other.link === row.name);
    }
    if (row.kind === "veth") {
      this.#drop((other) => "link" in other && other.place === row.far.place && other.link === row.far.name);
    }
  }

  #drop(which: (row: Row) => boolean): void {
    for (const [key, row] of [...this.rows]) if (which(row)) this.rows.delete(key);
  }

  /** What a row is put into has to be there. */
  #checkPlace(row: Row): void {
    const need = (key: string): void => {
      if (!this.rows.has(key)) throw new Error(`ENOENT ${key}`);
    };
    if ("place" in row && row.place.startsWith("sandbox:") && row.kind !== "namespace") need(`namespace ${row.place}`);
    if (row.kind === "element") need("filter");
    if ("link" in row) {
      const links = [...this.rows.values()].filter(
        (link) =>
          ((link.kind === "bridge" || link.kind === "vxlan" || link.kind === "veth") &&
            link.place === row.place &&
            link.name === row.link) ||
          (link.kind === "veth" && link.far.place === row.place && link.far.name === row.link),
      );
      if (links.length === 0) throw new Error(`ENODEV ${row.place} ${row.link}`);
    }
  }

  /** Entries by which frames of this network reach another node. */
  entries(vni: number): Extract<Row, { kind: "forwarding" }>[] {
    const device = [...this.rows.values()].find((row) => row.kind === "vxlan" && row.vni === vni);
    if (device?.kind !== "vxlan") return [];
    return [...this.rows.values()].flatMap((row) =>
      row.kind === "forwarding" && row.place === device.place && row.link === device.name ? [row] : [],
    );
  }

  /** Is the packet filter as it should be, and does it know that this network is encrypted? */
  isFiltered(vni: number, wanted: ReadonlyMap<string, WantedRow>): boolean {
    const is = this.rows.get("filter");
    const want = wanted.get("filter")?.row;
    if (is?.kind !== "filter" || want?.kind !== "filter") return false;
    if (!sameRow(is, want)) return false;
    return this.rows.has(keyOf({ kind: "element", set: ENCRYPTED, value: hex(vniBytes(vni)) }));
  }

  /** Do the policies keep from leaving what nothing else says how to encrypt? */
  isBlocked(): boolean {
    return [...this.rows.values()].filter((row) => row.kind === "policy" && row.policy.action === "block").length === 2;
  }

  /** What happens to a packet of an encrypted network on its way to this node. */
  fate(vni: number, vtep: string, wanted: ReadonlyMap<string, WantedRow>): "in clear" | "in ESP" | "dropped" {
    const policy = [...this.rows.values()].find(
      (row) =>
        row.kind === "policy" && row.policy.action === "allow" && row.policy.selector.destination.address === vtep,
    );
    if (policy?.kind === "policy") {
      const spi = policy.policy.templates[0]?.spi ?? 0;
      return this.rows.has(`association ${vtep} ${spi}`) ? "in ESP" : "dropped";
    }
    return this.isBlocked() || this.isFiltered(vni, wanted) ? "dropped" : "in clear";
  }
}
