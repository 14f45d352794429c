/**
 * From what should be there and what is there to the steps between, in an order that is safe to stop at any point.
 *
 *   1. entries that lead to other nodes: those not wanted any more, and those whose guards are not as they should be
 *   2. links, addresses and routes that are not wanted, or cannot become what is
 *   3. what is missing or different, guards first, entries that lead to other nodes last
 *   4. policies, associations and guards that are not wanted, guards last
 *
 * New associations are there before a policy uses them, old ones go when none does: rotation is a change of the ring.
 */
import { peerOf } from "../model/security-association.ts";
import type { Operation, Row, Step, Subject, WantedRow } from "./effects.ts";
import { keyOf, rankOf } from "./row-key.ts";
import { canChange, sameRow } from "./same-row.ts";

/** `worn`: keys of rows that are as they should be, but have to be made anew. */
export function planSteps(
  wanted: ReadonlyMap<string, WantedRow>,
  there: readonly Row[],
  worn: ReadonlySet<string> = new Set(),
): Step[] {
  const present = new Map(there.map((row) => [keyOf(row), row]));
  const isRemade = ({ row, key }: WantedRow): boolean => {
    const is = present.get(key);
    return is !== undefined && (worn.has(key) || (!sameRow(is, row) && !canChange(is, row)));
  };
  const remade = new Set([...wanted.values()].filter(isRemade).map(({ key }) => key));
  // What else is in a container is not ours; a kernel parameter may have become somebody else's.
  const unwanted = there.filter((row) => !wanted.has(keyOf(row)) && row.kind !== "setting" && !isInContainer(row));
  const gone = new Set([...remade, ...unwanted.map(keyOf)]);
  const isSafe = safety(wanted, present, remade);
  const unguarded = [...wanted.values()].filter((want) => isEntry(want.row) && present.has(want.key) && !isSafe(want));
  const vanished = new Set(unguarded.map(({ key }) => key));
  for (const { key, needs, row } of wanted.values()) {
    if (isInsideLink(row) && needs.some((need) => remade.has(need))) vanished.add(key);
  }
  const passages = there.filter((row) => remade.has(keyOf(row)) && isPassage(row));
  const byRank = [...unwanted, ...passages].sort((one, other) => rankOf(other) - rankOf(one));
  const goneLinks = new Set(there.filter((row) => gone.has(keyOf(row))).flatMap(linksOf));
  // Entries are deleted one by one, in case that their link cannot be.
  const outlived = byRank.filter(
    (row) => row.kind === "forwarding" || !isInsideLink(row) || !goneLinks.has(`${row.place} ${row.link}`),
  );
  return [
    ...outlived.filter(isEntry).map((row) => removal(row, wanted)),
    ...unguarded.map(({ key, subject }) => step({ do: "delete", row: present.get(key)! }, key, [], subject)),
    ...outlived.filter((row) => isPassage(row) && !isEntry(row)).map((row) => removal(row, wanted)),
    ...additions(wanted, present, remade, vanished),
    ...outlived.filter((row) => !isPassage(row)).flatMap((row) => lateRemoval(row, wanted, present)),
  ];
}

/** Is everything there without which a row must not be? */
function safety(
  wanted: ReadonlyMap<string, WantedRow>,
  present: ReadonlyMap<string, Row>,
  remade: ReadonlySet<string>,
): (want: WantedRow) => boolean {
  const known = new Map<string, boolean>();
  const holds = (key: string): boolean => {
    const want = wanted.get(key);
    const is = present.get(key);
    if (want === undefined || is === undefined) return false;
    if (isGuard(want.row)) return sameRow(want.row, is);
    // An allowing policy is replaced in place, and whatever it needs is made before it is.
    return want.row.kind === "policy" || (!remade.has(key) && want.needs.every(isThere));
  };
  function isThere(key: string): boolean {
    const answer = known.get(key) ?? holds(key);
    known.set(key, answer);
    return answer;
  }
  return ({ needs }) => needs.every(isThere);
}

/** Rows by which packets reach another node. */
function isEntry({ kind }: Row): boolean {
  return kind === "forwarding" || kind === "neighbour";
}

/** Rows that packets pass; the others watch over them. */
function isPassage({ kind }: Row): boolean {
  return kind !== "filter" && kind !== "element" && kind !== "policy" && kind !== "association";
}

function isGuard(row: Row): boolean {
  return row.kind === "filter" || row.kind === "element" || (row.kind === "policy" && row.policy.action === "block");
}

type InsideLink = Extract<Row, { readonly link: string }>;

function isInsideLink(row: Row): row is InsideLink {
  return "link" in row;
}

/** Place and name of the links that a row is; what is inside of them disappears with them. */
function linksOf(row: Row): string[] {
  if (row.kind !== "bridge" && row.kind !== "vxlan" && row.kind !== "veth") return [];
  return [`${row.place} ${row.name}`, ...(row.kind === "veth" ? [`${row.far.place} ${row.far.name}`] : [])];
}

function step(operation: Operation, key: string, needs: readonly string[], subject: Subject): Step {
  return { operation, key, needs, subject };
}

function removal(row: Row, wanted: ReadonlyMap<string, WantedRow>, needs: readonly string[] = []): Step {
  const subject: Subject = { ...networkOf(row), ...peerOfRow(row) };
  return step(
    { do: "delete", row },
    keyOf(row),
    needs.filter((key) => wanted.has(key)),
    subject,
  );
}

/** An association is used until the policy that follows it is in place. */
function lateRemoval(row: Row, wanted: ReadonlyMap<string, WantedRow>, present: ReadonlyMap<string, Row>): Step[] {
  // The filter goes with all of its elements.
  if (row.kind === "element" && present.has("filter") && !wanted.has("filter")) return [];
  if (row.kind !== "association") return [removal(row, wanted)];
  const peer = peerOf(row.association);
  const policies = [...wanted.values()].filter((want) => want.row.kind === "policy" && want.subject.peer === peer);
  return [
    removal(
      row,
      wanted,
      policies.map(({ key }) => key),
    ),
  ];
}

function networkOf(row: Row): Subject {
  const place = "place" in row ? row.place : undefined;
  return place?.startsWith("sandbox:") === true ? { network: place.slice("sandbox:".length) } : {};
}

function peerOfRow(row: Row): Subject {
  if (row.kind === "forwarding") return { peer: row.vtep };
  return row.kind === "association" ? { peer: peerOf(row.association) } : {};
}

function additions(
  wanted: ReadonlyMap<string, WantedRow>,
  present: ReadonlyMap<string, Row>,
  remade: ReadonlySet<string>,
  vanished: ReadonlySet<string>,
): Step[] {
  const filterWant = wanted.get("filter")?.row;
  const filterIs = present.get("filter");
  const filterIsMade = filterWant !== undefined && (filterIs === undefined || !sameRow(filterIs, filterWant));
  const sorted = [...wanted.values()].sort((one, other) => rankOf(one.row) - rankOf(other.row));
  const groundOf = grounds(wanted);
  return sorted.flatMap(({ row, key, subject }) => {
    const is = vanished.has(key) ? undefined : present.get(key);
    if (row.kind === "element" && filterIsMade) return [];
    if (is !== undefined && !remade.has(key) && sameRow(is, row)) return [];
    const needs = groundOf(key);
    const elements = row.kind === "filter" ? allElements(wanted, present) : undefined;
    const more = elements === undefined ? {} : { elements };
    if (is === undefined) return [step({ do: "add", row, ...more }, key, needs, subject)];
    if (!remade.has(key)) return [step({ do: "change", row, was: is, ...more }, key, needs, subject)];
    const addition = step({ do: "add", row }, key, needs, subject);
    return isPassage(row) ? [addition] : [step({ do: "delete", row: is }, key, needs, subject), addition];
  });
}

/** Everything that a row must not be there without, and what that must not be there without, and so on. */
function grounds(wanted: ReadonlyMap<string, WantedRow>): (key: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  const groundOf = (key: string): readonly string[] => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const needs = wanted.get(key)?.needs ?? [];
    const all = [...new Set([...needs, ...needs.flatMap(groundOf)])];
    known.set(key, all);
    return all;
  };
  return groundOf;
}

/** A table is made with its elements in one go; those not wanted any more guard until the end. */
function allElements(wanted: ReadonlyMap<string, WantedRow>, present: ReadonlyMap<string, Row>): Row[] {
  const rows = [...[...wanted.values()].map(({ row }) => row), ...present.values()];
  return [...new Map(rows.filter(({ kind }) => kind === "element").map((row) => [keyOf(row), row])).values()];
}

function isInContainer(row: Row): boolean {
  return isInsideLink(row) && row.place.startsWith("container:");
}
