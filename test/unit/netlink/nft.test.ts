/** nf_tables messages against what nft sends for the same command, and against nonsense. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Fault } from "../../../src/base/fault.ts";
import { batch, decodeGeneration } from "../../../src/netlink/nft-batch.ts";
import { decodeNftEvent } from "../../../src/netlink/nft-events.ts";
import * as match from "../../../src/netlink/nft-matches.ts";
import * as nft from "../../../src/netlink/nft-objects.ts";
import * as types from "../../../src/netlink/nft-set-types.ts";
import * as sets from "../../../src/netlink/nft-sets.ts";
import type { Expression, Rule, SetType, Table } from "../../../src/netlink/nft-values.ts";

interface Vectors {
  readonly messages: Readonly<Record<string, readonly { type: number; flags: number; body: string }[]>>;
}
const file = new URL("../../vectors/nft-vectors.json", import.meta.url);
const { messages } = JSON.parse(readFileSync(file, "utf8")) as Vectors;

function vector(command: string): { type: number; flags: number; body: Uint8Array } {
  const message = messages[command]?.[0];
  assert.ok(message, command);
  return { ...message, body: Uint8Array.from(Buffer.from(message.body, "hex")) };
}

const g: Table = { family: "inet", name: "g" };
const ipv4 = (offset: number, bytes: number): Expression => ({
  kind: "payload",
  base: "network",
  offset,
  bytes,
  register: 1,
});
const equal = (...value: number[]): Expression => ({
  kind: "compare",
  operator: "==",
  register: 1,
  value: Uint8Array.from(value),
});

/** Rules as nft spells them, and as we do. */
const rules: Readonly<Record<string, readonly Expression[]>> = {
  "c meta secpath missing udp dport 4789 @th,96,24 @vnis counter drop": [
    ...match.cameInClear(),
    ...match.udpTo(4789),
    ...match.vniIn("vnis"),
    match.count,
    match.drop,
  ],
  "o rt ipsec missing udp dport 4789 drop": [...match.leavesInClear(), ...match.udpTo(4789), match.drop],
  "c ipsec in reqid 13681891 accept": [...match.cameByRequestId(13681891), match.accept],
  "c ipsec in spi 13681891 accept": [...match.cameBySpi(13681891), match.accept],
  "c udp dport 4789 @th,96,24 . ip saddr @vteps accept": [
    ...match.udpTo(4789),
    ...match.vniAndSourceIn("vteps", 4, false),
    match.accept,
  ],
  "c udp dport 4789 @th,96,24 . ip saddr != @vteps drop": [
    ...match.udpTo(4789),
    ...match.vniAndSourceIn("vteps", 4, true),
    match.drop,
  ],
  'c iifname "eth0" meta mark & 0xff == 1 jump other': [
    ...match.interfaceIs("in", "eth0"),
    ...match.markIs(1, 0xff),
    { kind: "verdict", verdict: "jump", chain: "other" },
  ],
  "o udp dport 4789 @th,96,24 @vnis counter meta mark set 0xd0c4e3": [
    ...match.udpTo(4789),
    ...match.vniIn("vnis"),
    match.count,
    ...match.setMark(0xd0c4e3, 0xffff_ffff),
  ],
  "o meta mark set ip daddr map @marks": [
    ...match.familyIs(4),
    ipv4(16, 4),
    { kind: "lookup", set: "marks", register: 1, not: false, target: 1 },
    { kind: "metaSet", key: "mark", register: 1 },
  ],
  'p oifname "eth0" masquerade': [...match.interfaceIs("out", "eth0"), { kind: "masquerade" }],
  "c ip6 saddr fd77::1 udp dport 4789 return": [
    ...match.familyIs(6),
    ipv4(8, 16),
    equal(0xfd, 0x77, ...Array<number>(13).fill(0), 1),
    ...match.udpTo(4789),
    { kind: "verdict", verdict: "return" },
  ],
  "c meta nfproto ipv4 meta mark set meta mark & 0xffffff00 | 0x5 continue": [
    ...match.familyIs(4),
    ...match.setMark(5, 0xff),
    { kind: "verdict", verdict: "continue" },
  ],
};

/** Attributes that nft sends and nobody needs: the id of a set within its own batch, counters that start at zero. */
function reduced(expressions: readonly Expression[]): unknown[] {
  return expressions.map((expression) => (expression.kind === "counter" ? "counter" : expression));
}

for (const [text, expressions] of Object.entries(rules)) {
  test(`rule "${text}" means the same to nft and to us`, () => {
    const sent = vector(`add rule inet g ${text}`);
    const ours = nft.addRule({ table: g, chain: text.charAt(0), expressions, tag: "" });
    assert.equal(ours.type, sent.type);
    assert.equal(ours.flags | 1, sent.flags);
    const theirs = expressionsOf(sent.body);
    assert.deepEqual(reduced(theirs), reduced(expressions));
    assert.deepEqual(expressionsOf(ours.body), [...expressions]);
    // What names a set carries its id, and a counter its zeros; all other rules are the same to the byte.
    if (!/@vnis|@vteps|@marks|counter/.test(text)) assert.deepEqual(ours.body, sent.body);
  });
}

/** What is in NFTA_RULE_EXPRESSIONS: a message on its way there has no handle, so the decoder is given one. */
function expressionsOf(body: Uint8Array): readonly Expression[] {
  const handle = Uint8Array.of(12, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const type = (10 << 8) | 6;
  return nft.decodeRule({ type, body: Uint8Array.from([...body, ...handle]) })?.expressions ?? [];
}

test("chains, elements and deletions have the same bytes as nft's", () => {
  const vnis = { table: g, name: "vnis" };
  const one = { key: match.vniBytes(0x1002) };
  const base = { type: "filter", hook: "forward", priority: 5, policy: "drop" } as const;
  const same = {
    "add chain inet g c2 { type filter hook forward priority 5 ; policy drop ; }": nft.addChain({
      ...{ table: g, name: "c2", base },
    }),
    "delete element inet g vnis { 0x001002 }": sets.deleteElements(vnis, [one]),
    "delete chain inet g c2": nft.deleteChain({ table: g, name: "c2" }),
    "delete table inet t2": nft.deleteTable({ family: "inet", name: "t2" }),
  };
  for (const [command, request] of Object.entries(same)) {
    const sent = vector(command);
    assert.equal(request.type, sent.type);
    assert.equal(request.flags | 1, sent.flags);
    assert.equal(Buffer.from(request.body).toString("hex"), Buffer.from(sent.body).toString("hex"), command);
  }
});

test("elements of sets, pairs and maps are read as nft wrote them", () => {
  const read = (command: string) => sets.decodeElements(vector(command))?.elements;
  assert.deepEqual(read("add element inet g vnis { 0x001002, 0x001003 }"), [
    { key: match.vniBytes(0x1002) },
    { key: match.vniBytes(0x1003) },
  ]);
  assert.deepEqual(read("add element inet g vteps { 0x001002 . 10.0.0.1 }"), [
    { key: match.vniAndSourceBytes(0x1002, "10.0.0.1") },
  ]);
  const marks = [{ key: Uint8Array.of(10, 0, 0, 1), data: Uint8Array.of(5, 0, 0, 0) }];
  assert.deepEqual(read("add element inet g marks { 10.0.0.1 : 0x5 }"), marks);
  assert.deepEqual(read("add element inet g s2 { 10.0.0.0/8 }")?.length, 1, "the end of a range is no element");
});

test("a type of elements has the userdata of nft", () => {
  const hex = (key: SetType): string => Buffer.from(types.setUserdata(key, undefined)).toString("hex");
  const field = "0407000000011e00040000000001040000000002040300000003046000000004041800000";
  assert.equal(hex(types.vni), `0004020000000326 00${field}0`.replaceAll(" ", ""));
  const head = "000400000000034600040d000000013e0026 00".replaceAll(" ", "");
  assert.equal(hex(types.vniAndSource[4]), `${head}${field}00114000407000000010c00040c00000001040b000000`);
  assert.equal(hex(types.vniAndSource[6]), `${head}${field}00114000407000000010c00040d000000010408000000`);
});

test("a batch is begun, ended, and bound to a generation if there is one", () => {
  const [begin, one, end] = batch([nft.addTable(g)], 0x01020304);
  assert.deepEqual(begin, {
    type: 0x10,
    flags: 0,
    body: Uint8Array.of(0, 0, 0, 10, 8, 0, 1, 0, 1, 2, 3, 4),
  });
  assert.equal((one?.flags ?? 0) & 4, 4);
  assert.deepEqual(end, { type: 0x11, flags: 0, body: Uint8Array.of(0, 0, 0, 10) });
});

test("what makes no sense is refused before the kernel sees it", () => {
  const rule = (...expressions: Expression[]): Rule => ({ table: g, chain: "c", expressions, tag: "" });
  const set = { table: g, name: "s" };
  const refused: (() => unknown)[] = [
    () => nft.addTable({ family: "inet", name: "" }),
    () => nft.addTable({ family: "inet", name: "x".repeat(256) }),
    () => nft.addTable({ family: "inet", name: "a\0b" }),
    () => nft.addRule({ ...rule(), tag: "x".repeat(128) }),
    () => nft.addRule(rule({ kind: "verdict", verdict: "jump" })),
    () => nft.addRule(rule({ kind: "verdict", verdict: "drop", chain: "c" })),
    () => nft.addRule(rule({ kind: "foreign", name: "log" })),
    () => nft.addRule(rule(...Array<Expression>(129).fill(match.drop))),
    () => sets.addElements(set, []),
    () => sets.addElements(set, Array(401).fill({ key: Uint8Array.of(1) })),
  ];
  for (const act of refused) assert.throws(act, { code: "invalid" }, String(act));
});

test("messages that are cut off or scrambled are faults, never anything else", () => {
  let faults = 0;
  for (const [command, sent] of Object.entries(messages)) {
    for (const { type, body } of sent) {
      const whole = Uint8Array.from(Buffer.from(body, "hex"));
      for (let length = 0; length < whole.length; length += 5) {
        const cut = whole.slice(0, length).map((byte, at) => (at % 37 === 36 ? byte ^ 0x41 : byte));
        for (const decode of [decodeNftEvent, decodeGeneration, nft.decodeRule, sets.decodeElements, sets.decodeSet]) {
          try {
            decode({ type, body: cut });
          } catch (error) {
            assert.ok(error instanceof Fault, `${command}: ${String(error)}`);
            faults += 1;
          }
        }
      }
    }
  }
  assert.ok(faults > 200, `${faults}`);
});
