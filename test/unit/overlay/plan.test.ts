/**
 * Plans, tried on a model of the kernel: from any state to any other, stopped at any step, with any step failing.
 * `test/kernel/overlay.test.ts` and `test/rig` try the same on real ones.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RingKey } from "../../../src/model/ring-key.ts";
import { CarryOut } from "../../../src/overlay/carry-out.ts";
import { overlayConfig } from "../../../src/overlay/config.ts";
import type { Row, Step } from "../../../src/overlay/effects.ts";
import type { Wanted } from "../../../src/overlay/messages.ts";
import { planSteps } from "../../../src/overlay/plan.ts";
import { describe, keyOf } from "../../../src/overlay/row-key.ts";
import { sameRow } from "../../../src/overlay/same-row.ts";
import { type Facts, type WantedRows, wantedRows } from "../../../src/overlay/wanted-rows.ts";
import { ModelKernel } from "../../support/model-kernel.ts";

const config = overlayConfig("10.99.0.1");
const vteps = ["10.99.0.2", "10.99.0.3", "10.99.0.4"];
const ids = ["aaaa", "bbbb", "cccc"];
const keys = Array.from({ length: 12 }, (_, at) => new RingKey(BigInt(0xa850 + at), new Uint8Array(16).fill(at + 1)));

interface Choice {
  readonly networks: readonly ("absent" | "plain" | "encrypted")[];
  readonly vnisSwapped: boolean;
  /** By network and node: how many endpoints it has there. */
  readonly peers: readonly number[];
  readonly moved: boolean;
  readonly local: boolean;
  readonly ring: number;
  readonly esp: boolean;
  readonly exits: boolean;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  networks: fc.array(fc.constantFrom("absent", "plain", "encrypted", "encrypted"), { minLength: 3, maxLength: 3 }),
  vnisSwapped: fc.boolean(),
  peers: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 9, maxLength: 9 }),
  moved: fc.boolean(),
  local: fc.boolean(),
  ring: fc.integer({ min: 0, max: 8 }),
  esp: fc.constantFrom(true, true, true, false),
  exits: fc.boolean(),
});

function hexId(text: string): string {
  return Buffer.from(text).toString("hex").padEnd(16, "0");
}

function wantedOf({ networks, vnisSwapped, peers, moved, local, ring, exits }: Choice): Wanted {
  const there = ids.filter((_, at) => networks[at] !== "absent");
  const number = (id: string): number => ids.indexOf(id);
  return {
    networks: there.map((id) => ({
      id,
      subnets: [{ gateway: `10.${number(id)}.0.1/24`, vni: 4096 + (vnisSwapped ? (number(id) + 1) % 3 : number(id)) }],
      encrypted: networks[number(id)] === "encrypted",
      internal: false,
      mtu: undefined,
      members: [],
    })),
    endpoints: there.flatMap((id) =>
      local
        ? [
            {
              id: hexId(`local${id}`),
              network: id,
              addresses: [`10.${number(id)}.0.9/24`],
              mac: `02:42:0a:0${number(id)}:00:09`,
              container: { namespace: `/run/netns/${id}`, name: "eth0" },
            },
          ]
        : [],
    ),
    exits: exits
      ? [{ id: hexId("exit"), addresses: ["172.18.0.5/16"], container: { namespace: "/run/netns/x", name: "eth1" } }]
      : [],
    peers: there.flatMap((id) =>
      vteps.flatMap((vtep, node) =>
        Array.from({ length: peers[number(id) * 3 + node] ?? 0 }, (_, at) => {
          const last = 20 + node * 10 + at;
          const home = moved ? (vteps[(node + 1) % 3] ?? vtep) : vtep;
          const mac = `02:42:0a:0${number(id)}:00:${last.toString(16)}`;
          return {
            network: id,
            endpoint: hexId(`${id}${last}`),
            address: `10.${number(id)}.0.${last}/24`,
            mac,
            vtep: home,
          };
        }),
      ),
    ),
    keys: keys.slice(ring, ring + 3),
  };
}

function rowsOf(chosen: Choice): WantedRows {
  const esp = chosen.esp ? { available: true as const } : { available: false as const, why: "none" };
  const facts: Facts = { esp, pathMtus: new Map(), closed: new Map(), forms: new Map() };
  return wantedRows(wantedOf(chosen), facts, config);
}

/** The kernel after everything was carried out; twice is enough for what shows only after the first time. */
function settle(kernel: ModelKernel, rows: WantedRows): void {
  for (let round = 0; round < 3; round++) {
    for (const { operation } of planSteps(rows.rows, [...kernel.rows.values()])) kernel.apply(operation);
  }
}

function settledOn(chosen: Choice): ModelKernel {
  const kernel = new ModelKernel();
  settle(kernel, rowsOf(chosen));
  return kernel;
}

function isSettled(kernel: ModelKernel, { rows }: WantedRows): boolean {
  const missing = [...rows].filter(([key, { row }]) => {
    const is = kernel.rows.get(key);
    return is === undefined || !sameRow(is, row);
  });
  const extra = [...kernel.rows.values()].filter((row) => row.kind !== "setting" && !rows.has(keyOf(row)));
  return missing.length === 0 && extra.length === 0;
}

function encryptedVnis(chosen: Choice): Set<number> {
  const { networks } = wantedOf(chosen);
  return new Set(networks.filter(({ encrypted }) => encrypted).flatMap(({ subnets }) => subnets.map(({ vni }) => vni)));
}

/** Both guards stand wherever an entry of an encrypted network leads to another node. */
function assertGuarded(
  kernel: ModelKernel,
  to: Choice,
  rows: WantedRows,
  exempt: ReadonlySet<Row>,
  when: string,
): void {
  for (const vni of encryptedVnis(to)) {
    for (const entry of kernel.entries(vni)) {
      if (exempt.has(entry)) continue;
      assert.ok(kernel.isFiltered(vni, rows.rows), `${when}: ${keyOf(entry)} without the packet filter`);
      assert.ok(kernel.isBlocked(), `${when}: ${keyOf(entry)} without block policies`);
      assert.notEqual(kernel.fate(vni, entry.vtep, rows.rows), "in clear", when);
    }
  }
}

/** Entries that led in clear before, in a network that was not encrypted then; and where a foreign hand was at work. */
function entriesOf(kernel: ModelKernel): Set<Row> {
  return new Set([...kernel.rows.values()].filter(({ kind }) => kind === "forwarding"));
}

function namesOf(steps: readonly Step[]): string[] {
  return steps.map(({ operation }) => describe(operation));
}

function isEntry({ operation }: Step): boolean {
  return operation.row.kind === "forwarding" || operation.row.kind === "neighbour";
}

test("carrying out a plan gives what is wanted, from any state to any other, in one go", () => {
  fc.assert(
    fc.property(choice, choice, (from, to) => {
      const kernel = settledOn(from);
      assert.ok(isSettled(kernel, rowsOf(from)), "not settled");
      const rows = rowsOf(to);
      for (const { operation } of planSteps(rows.rows, [...kernel.rows.values()])) kernel.apply(operation);
      assert.ok(isSettled(kernel, rows), "not settled");
      assert.deepEqual(namesOf(planSteps(rows.rows, [...kernel.rows.values()])), []);
    }),
    { numRuns: 60 },
  );
});

test("stopped at any step, no entry of an encrypted network is without both of its guards", () => {
  fc.assert(
    fc.property(choice, choice, (from, to) => {
      const kernel = settledOn(from);
      const rows = rowsOf(to);
      // What was plain until now loses its entries first of all.
      const exempt = new Set([...entriesOf(kernel)].filter((row) => !wasEncrypted(kernel, from, row)));
      for (const { operation } of planSteps(rows.rows, [...kernel.rows.values()])) {
        kernel.apply(operation);
        if (operation.do !== "delete") exempt.clear();
        assertGuarded(kernel, to, rows, exempt, keyOf(operation.row));
      }
    }),
    { numRuns: 60 },
  );
});

function wasEncrypted(kernel: ModelKernel, from: Choice, row: Row): boolean {
  return [...encryptedVnis(from)].some((vni) => kernel.entries(vni).includes(row as never));
}

test("with anything removed and any steps failing, the same, and the next plan mends it", () => {
  const picks = fc.array(fc.nat(), { maxLength: 5 });
  fc.assert(
    fc.property(choice, choice, picks, fc.infiniteStream(fc.integer({ min: 0, max: 5 })), (from, to, gone, chances) => {
      const kernel = settledOn(from);
      const rows = rowsOf(to);
      tamper(kernel, gone);
      // Deleting entries fails only when they are gone already, so they go first whatever happens; then all is guarded.
      const carry = new CarryOut(planSteps(rows.rows, [...kernel.rows.values()]));
      let guarded = false;
      for (let step = carry.next(); step !== undefined; step = carry.next()) {
        const isRetreat = isEntry(step) && step.operation.do === "delete";
        guarded ||= !isRetreat;
        const outcome = !isRetreat && chances.next().value === 0 ? "ENOMEM" : attempt(kernel, step);
        carry.report(outcome === undefined ? "done" : { failed: outcome });
        if (guarded) assertGuarded(kernel, to, rows, new Set(), keyOf(step.operation.row));
      }
      settle(kernel, rows);
      assert.ok(isSettled(kernel, rows), "not settled");
    }),
    { numRuns: 60 },
  );
});

function attempt(kernel: ModelKernel, { operation }: Step): string | undefined {
  try {
    kernel.apply(operation);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function tamper(kernel: ModelKernel, picks: readonly number[]): void {
  for (const pick of picks) {
    const present = [...kernel.rows.keys()];
    if (present.length > 0) kernel.remove(present[pick % present.length]!);
  }
}

test("whatever somebody removes comes back, entries last", () => {
  fc.assert(
    fc.property(choice, fc.array(fc.nat(), { minLength: 1, maxLength: 8 }), (chosen, picks) => {
      const kernel = settledOn(chosen);
      const rows = rowsOf(chosen);
      tamper(kernel, picks);
      let guarded = false;
      for (const step of planSteps(rows.rows, [...kernel.rows.values()])) {
        guarded ||= !(isEntry(step) && step.operation.do === "delete");
        kernel.apply(step.operation);
        if (guarded) assertGuarded(kernel, chosen, rows, new Set(), keyOf(step.operation.row));
      }
      assert.ok(isSettled(kernel, rows), "not settled");
    }),
    { numRuns: 60 },
  );
});

test("without the packet filter, or without policies, or without associations, nothing leaves in clear", () => {
  const layers = { filter: ["filter"], policies: ["policy"], associations: ["association"] };
  fc.assert(
    fc.property(choice, fc.constantFrom("filter", "policies", "associations" as const), (chosen, layer) => {
      const kernel = settledOn(chosen);
      const rows = rowsOf(chosen);
      for (const [key, { kind }] of [...kernel.rows]) {
        if (layers[layer as keyof typeof layers].includes(kind)) kernel.remove(key);
      }
      for (const vni of encryptedVnis(chosen)) {
        for (const { vtep } of kernel.entries(vni)) assert.notEqual(kernel.fate(vni, vtep, rows.rows), "in clear");
      }
    }),
    { numRuns: 60 },
  );
});

test("a rotation is make-before-break: at each step, what is sent can be received by who is a rotation ahead or behind", () => {
  fc.assert(
    fc.property(choice, (chosen) => {
      fc.pre(chosen.esp && chosen.ring < 8);
      const kernel = settledOn(chosen);
      const to = { ...chosen, ring: chosen.ring + 1 };
      const rows = rowsOf(to);
      const inboundBefore = inboundKeys(kernel);
      const kept = inboundKeys(settledOn(to)).filter((key) => inboundBefore.includes(key));
      const steps = planSteps(rows.rows, [...kernel.rows.values()]);
      assert.ok(
        steps.every((step) => !isEntry(step)),
        "entries are touched",
      );
      for (const { operation } of steps) {
        kernel.apply(operation);
        for (const vni of encryptedVnis(to)) {
          for (const { vtep } of kernel.entries(vni)) assert.equal(kernel.fate(vni, vtep, rows.rows), "in ESP");
        }
        const inbound = inboundKeys(kernel);
        assert.ok(
          kept.every((key) => inbound.includes(key)),
          "a key that is still valid is away",
        );
      }
    }),
    { numRuns: 60 },
  );
});

function inboundKeys(kernel: ModelKernel): string[] {
  return [...kernel.rows].flatMap(([key, row]) =>
    row.kind === "association" && row.association.direction === "inbound" ? [key] : [],
  );
}

test("a kernel without ESP gets no entry of an encrypted network at all", () => {
  fc.assert(
    fc.property(choice, (chosen) => {
      const none = { ...chosen, esp: false };
      const kernel = settledOn(none);
      for (const vni of encryptedVnis(none)) assert.deepEqual(kernel.entries(vni), []);
    }),
    { numRuns: 60 },
  );
});

test("the checker finds an entry that is made before its guards", () => {
  const chosen: Choice = {
    networks: ["encrypted", "absent", "absent"],
    ...{ vnisSwapped: false, moved: false, local: false, ring: 0, esp: true, exits: false },
    peers: [1, 0, 0, 0, 0, 0, 0, 0, 0],
  };
  const rows = rowsOf(chosen);
  const kernel = new ModelKernel();
  const steps = planSteps(rows.rows, []);
  const wrong = steps.filter(({ operation: { row } }) => row.kind !== "policy" || row.policy.action !== "block");
  for (const { operation } of wrong) kernel.apply(operation);
  assert.throws(() => assertGuarded(kernel, chosen, rows, new Set(), "wrong order"), /without block policies/);
});
