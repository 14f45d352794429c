/** Is a row as it should be, and if not, can it be changed in place? */
import type { SecurityAssociation } from "../model/security-association.ts";
import type { Row } from "./effects.ts";
import { spellFilter } from "./filter.ts";

/** Have both rows, of the same key, the same value? */
export function sameRow(one: Row, other: Row): boolean {
  if (one === other) return true;
  if (one.kind === "association" && other.kind === "association") {
    return (
      one.association.material.equals(other.association.material) && spellAssociation(one) === spellAssociation(other)
    );
  }
  if (one.kind === "filter" && other.kind === "filter") {
    return one.filter === other.filter || spellFilter(one.filter) === spellFilter(other.filter);
  }
  return spell(one) === spell(other);
}

function spellAssociation({ association }: { readonly association: SecurityAssociation }): string {
  const { direction, spi, source, destination, icvBytes, extendedSequence, replay } = association;
  return spell({ direction, spi, source, destination, icvBytes, extendedSequence, replay });
}

/** The same text for the same value: fields in alphabetical order. */
function spell(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([name], [other]) => (name < other ? -1 : 1)));
  });
}

/** Can `was` become `row` without being away for a moment? Otherwise it is deleted and made again. */
export function canChange(was: Row, row: Row): boolean {
  if (was.kind !== row.kind) return false;
  switch (row.kind) {
    case "association":
    case "element":
    case "namespace":
    case "address":
      return false;
    case "vxlan":
      return was.kind === "vxlan" && fixedOf(was) === fixedOf(row);
    case "veth":
      return was.kind === "veth" && was.far.place === row.far.place && was.far.name === row.far.name;
    default:
      return true;
  }
}

function fixedOf({ vni, local, port, learning, sourcePorts, place, name }: Extract<Row, { kind: "vxlan" }>): string {
  return spell({ vni, local, port, learning, sourcePorts, place, name });
}
