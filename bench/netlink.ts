/**
 * What the rows of an overlay network cost: a neighbour and a forwarding row for each endpoint elsewhere, made, replaced
 * and read, by our netlink and by `ip -batch` and `bridge -batch` (iproute2), side by side in one run on one kernel.
 * Rows per second, medians; each attempt in a fresh namespace, and counted by the other side afterwards.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { Conversation } from "../src/netlink/conversation.ts";
import { addLink, decodeLink, getLink } from "../src/netlink/links.ts";
import type { Request } from "../src/netlink/message.ts";
import {
  addForwarding,
  addNeighbour,
  decodeForwarding,
  decodeNeighbour,
  listForwarding,
  listNeighbours,
} from "../src/netlink/neighbours.ts";
import { systemNamespaces } from "../src/os/namespace.ts";
import { openSocket } from "../src/os/netlink.ts";
import { machine, median, printTable, round } from "./table.ts";

const quick = process.argv.includes("--quick");
const endpoints = quick ? 500 : 5_000;
const runs = quick ? 3 : 7;
const rowCount = endpoints * 2;
const DEVICE = "vx0";

interface Place {
  readonly name: string;
  readonly link: number;
  readonly door: Conversation;
}

interface Endpoint {
  readonly address: string;
  readonly mac: string;
  readonly vtep: string;
}

/** The same endpoints, moved to another node. */
function endpointsOn(node: number): Endpoint[] {
  const pair = (value: number): string => value.toString(16).padStart(2, "0");
  return Array.from({ length: endpoints }, (_, index) => ({
    address: `10.0.${index >> 8}.${index & 255}`,
    mac: `02:42:0a:00:${pair(index >> 8)}:${pair(index & 255)}`,
    vtep: `192.0.2.${node + (index % 100)}`,
  }));
}

function requests({ link }: Place, all: readonly Endpoint[]): Request[] {
  return all.flatMap(({ address, mac, vtep }) => [
    addNeighbour({ link, address, mac }),
    addForwarding({ link, mac, destination: vtep }),
  ]);
}

function inBatches(place: Place, all: readonly Endpoint[]): void {
  assert.ok(place.door.changeAll(requests(place, all)).every((outcome) => outcome === undefined));
}

function oneByOne(place: Place, all: readonly Endpoint[]): void {
  for (const request of requests(place, all)) place.door.change(request);
}

function iproute2({ name }: Place, all: readonly Endpoint[]): void {
  const neighbours = all.map(
    ({ address, mac }) => `neigh replace ${address} lladdr ${mac} nud permanent dev ${DEVICE}`,
  );
  const rows = all.map(({ mac, vtep }) => `fdb replace ${mac} dev ${DEVICE} dst ${vtep} self permanent`);
  execFileSync("ip", ["-n", name, "-batch", "-"], { input: neighbours.join("\n") });
  execFileSync("bridge", ["-n", name, "-batch", "-"], { input: rows.join("\n") });
}

function read({ door, link }: Place): number {
  const neighbours = door.ask(listNeighbours(4, link)).map(decodeNeighbour);
  return neighbours.length + door.ask(listForwarding(link)).map(decodeForwarding).length;
}

function readByIproute2({ name }: Place): number {
  const count = (program: string, ...words: string[]): number =>
    (JSON.parse(execFileSync(program, ["-n", name, "-j", ...words], { maxBuffer: 1e9 }).toString()) as []).length;
  return (
    count("ip", "-4", "neigh", "show", "dev", DEVICE, "nud", "permanent") +
    count("bridge", "fdb", "show", "dev", DEVICE)
  );
}

let made = 0;

function inPlace<Result>(use: (place: Place) => Result): Result {
  const name = `skep-bench-${process.pid}-${made++}`;
  mkdirSync("/run/netns", { recursive: true });
  const namespace = systemNamespaces.create();
  namespace.bind(`/run/netns/${name}`);
  const door = new Conversation(openSocket(namespace, "route"));
  try {
    const options = { kind: "vxlan", vni: 7, port: 4789, local: "192.0.2.1", learning: false } as const;
    door.change(addLink({ name: DEVICE, up: true, options }));
    return use({ name, door, link: decodeLink(door.ask(getLink(DEVICE))[0]!).index });
  } finally {
    door.close();
    namespace.close();
    systemNamespaces.unbind(`/run/netns/${name}`);
  }
}

/** Rows per second of each contender, taking turns. */
function race(contenders: Readonly<Record<string, () => number>>): Map<string, number> {
  const ms = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const [name, contender] of Object.entries(contenders)) ms.get(name)!.push(contender());
  }
  return new Map([...ms].map(([name, all]) => [name, (rowCount / median(all)) * 1_000]));
}

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

type Write = (place: Place, all: readonly Endpoint[]) => void;
const [before, after] = [endpointsOn(2), endpointsOn(102)];

function creating(write: Write): () => number {
  return () =>
    inPlace((place) => {
      const ms = timed(() => write(place, before));
      assert.equal(write === iproute2 ? read(place) : readByIproute2(place), rowCount);
      return ms;
    });
}

function replacing(write: Write): () => number {
  return () =>
    inPlace((place) => {
      inBatches(place, before);
      return timed(() => write(place, after));
    });
}

function reading(reader: (place: Place) => number): () => number {
  return () =>
    inPlace((place) => {
      inBatches(place, before);
      return timed(() => assert.equal(reader(place), rowCount));
    });
}

const writers = { "ours, in batches": inBatches, "ours, one by one": oneByOne, "ip -batch, bridge -batch": iproute2 };
const rates = (kind: (write: Write) => () => number): Map<string, number> =>
  race(Object.fromEntries(Object.entries(writers).map(([name, write]) => [name, kind(write)])));
const [created, replaced] = [rates(creating), rates(replacing)];
const seen = race({ "ours, in batches": reading(read), "ip -batch, bridge -batch": reading(readByIproute2) });
printTable(
  `${rowCount} rows (${endpoints} neighbours, ${endpoints} forwarding rows), rows per second, medians of ${runs} runs\n${machine()}`,
  ["", "created", "replaced", "read"],
  Object.keys(writers).map((name) => [
    name,
    ...[created, replaced, seen].map((rate) => round(rate.get(name) ?? Number.NaN)),
  ]),
);
