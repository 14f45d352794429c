/** The packet filter in the real kernel, in namespaces of their own, seen by nft and by packets on loopback. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import { decodeGeneration, getGeneration } from "../../src/netlink/nft-batch.ts";
import * as match from "../../src/netlink/nft-matches.ts";
import * as nft from "../../src/netlink/nft-objects.ts";
import * as types from "../../src/netlink/nft-set-types.ts";
import * as sets from "../../src/netlink/nft-sets.ts";
import type { Chain, Expression, Set as NftSet, Rule, SetType, Table } from "../../src/netlink/nft-values.ts";
import { inNamespace, isErrno, type Namespace, noKernel } from "../support/kernel.ts";

const skip = noKernel;
const table: Table = { family: "inet", name: "skep" };
const input: Chain = {
  table,
  name: "in",
  base: { type: "filter", hook: "input", priority: -300, policy: "accept" },
};
const output: Chain = {
  table,
  name: "out",
  base: { type: "route", hook: "output", priority: -150, policy: "accept" },
};
const side: Chain = { table, name: "side", base: undefined };
const vnis: NftSet = { table, name: "vnis", key: types.vni, data: undefined };

const rule = (chain: string, tag: string, ...expressions: Expression[]): Rule => ({ table, chain, expressions, tag });
const setOf = (name: string, key: SetType, data?: SetType): NftSet => ({ table, name, key, data });

test("tables, chains and rules are as asked, for us and for nft", { skip }, async () => {
  await inNamespace(async ({ name, nft: filter }) => {
    const tag = "skep:guard:in";
    const expressions = [...match.cameInClear(), ...match.udpTo(4789), ...match.vniIs(4098), match.count, match.drop];
    const userdata = Uint8Array.of(1, 2, 3);
    const nat: Table = { family: "ip", name: "skep-nat" };
    const post: Chain = {
      table: nat,
      name: "post",
      base: { type: "nat", hook: "postrouting", priority: 100, policy: "accept" },
    };
    await filter.batch([
      nft.addTable(table, userdata),
      nft.addTable(nat),
      ...[input, output, side, post].map(nft.addChain),
      nft.addRule(rule("in", tag, ...expressions)),
      nft.addRule(rule("out", "", ...match.udpTo(4789), ...match.setMark(0xd0c4e3, 0xffffff))),
      nft.addRule(rule("in", "", ...match.markIs(1, 0xff), { kind: "verdict", verdict: "jump", chain: "side" })),
      nft.addRule(rule("side", "", ...match.interfaceIs("in", "eth0"), match.accept), "first"),
      nft.addRule({
        table: nat,
        chain: "post",
        tag: "",
        expressions: [...match.interfaceIs("out", "eth0"), { kind: "masquerade" }],
      }),
    ]);
    const shown = ruleset(name);
    for (const line of [
      'meta ipsec missing udp dport 4789 @th,96,24 0x1002 counter packets 0 bytes 0 drop comment "skep:guard:in"',
      "udp dport 4789 meta mark set meta mark & 0xffd0c4e3 | 0x00d0c4e3",
      "meta mark & 0x000000ff == 0x00000001 jump side",
      'iifname "eth0" accept',
      'oifname "eth0" masquerade',
      "type filter hook input priority raw; policy accept;",
      "type route hook output priority mangle; policy accept;",
      "type nat hook postrouting priority srcnat; policy accept;",
    ]) {
      // nft folds the mask of a mark into what is set.
      const loose = line.replace(/mark set .*/, "mark set");
      assert.ok(shown.includes(loose), `${line}\nis not in\n${shown}`);
    }
    const tables = (await filter.ask(nft.listTables())).flatMap((message) => nft.decodeTable(message) ?? []);
    assert.deepEqual(tables.map(({ name: it, family }) => `${family} ${it}`).sort(), ["inet skep", "ip skep-nat"]);
    assert.deepEqual(tables.find(({ family }) => family === "inet")?.userdata, userdata);
    const chains = (await filter.ask(nft.listChains())).flatMap((message) => nft.decodeChain(message) ?? []);
    const plain = chains.map(({ handle: _, ...chain }) => chain);
    assert.deepEqual(plain, [input, output, side, post]);
    const [first] = await rulesOf(filter, "in");
    assert.deepEqual([first?.tag, first?.expressions], [tag, expressions]);
    assert.deepEqual((await rulesOf(filter, "out"))[0]?.expressions.at(-1), {
      kind: "metaSet",
      key: "mark",
      register: 1,
    });
    const listed = (await filter.ask(nft.listRules(nat))).flatMap((message) => nft.decodeRule(message) ?? []);
    assert.deepEqual(listed[0]?.expressions.at(-1), { kind: "masquerade" });
  });
});

test("every word of the guards is a word of nft", { skip }, async () => {
  await inNamespace(async ({ name, nft: filter }) => {
    const inwards = {
      "meta ipsec missing": match.cameInClear(),
      "ipsec in reqid 13681891": match.cameByRequestId(13681891),
      "ipsec in reqid != 13681891": match.cameByOtherRequestId(13681891),
      "ipsec in spi 3217552397": match.cameBySpi(0xbfc7f40d),
      "udp dport 4789 @th,96,24 @vnis": [...match.udpTo(4789), ...match.vniIn("vnis")],
      "udp dport 4789 @th,96,24 . ip saddr != @vteps": [
        ...match.udpTo(4789),
        ...match.vniAndSourceIn("vteps", 4, true),
      ],
      "udp dport 4789 @th,96,24 . ip6 saddr @vteps6": [
        ...match.udpTo(4789),
        ...match.vniAndSourceIn("vteps6", 6, false),
      ],
    };
    const outwards = {
      "rt ipsec missing": match.leavesInClear(),
      "meta mark 0x00d0c4e3": match.markIs(0xd0c4e3, 0xffffffff),
    };
    await filter.batch([
      ...[nft.addTable(table), nft.addChain(input), nft.addChain(output)],
      sets.addSet(vnis, 1),
      sets.addSet(setOf("vteps", types.vniAndSource[4]), 2),
      sets.addSet(setOf("vteps6", types.vniAndSource[6]), 3),
      ...Object.entries(inwards).map(([tag, words]) => nft.addRule(rule("in", tag, ...words, match.drop))),
      ...Object.entries(outwards).map(([tag, words]) => nft.addRule(rule("out", tag, ...words, match.drop))),
    ]);
    const shown = ruleset(name);
    for (const words of [...Object.keys(inwards), ...Object.keys(outwards)]) {
      assert.ok(shown.includes(`${words} drop comment "${words}"`), `${words} is not in\n${shown}`);
    }
    const read = [...(await rulesOf(filter, "in")), ...(await rulesOf(filter, "out"))];
    const wanted = Object.entries({ ...inwards, ...outwards });
    assert.deepEqual(
      read.map(({ tag, expressions }) => [tag, expressions]),
      wanted.map(([tag, words]) => [tag, [...words, match.drop]]),
    );
  });
});

test("rules are put first, replaced, deleted and flushed by their handles", { skip }, async () => {
  await inNamespace(async ({ nft: filter }) => {
    const tags = async () => (await rulesOf(filter, "in")).map(({ tag }) => tag);
    await filter.batch([nft.addTable(table), nft.addChain(input)]);
    for (const tag of ["one", "two", "three"]) await filter.batch([nft.addRule(rule("in", tag, match.accept))]);
    await filter.batch([nft.addRule(rule("in", "zero", match.accept), "first")]);
    assert.deepEqual(await tags(), ["zero", "one", "two", "three"]);
    const [, one, two] = await rulesOf(filter, "in");
    await filter.batch([nft.replaceRule(rule("in", "uno", match.drop), one!.handle), nft.deleteRule(two!)]);
    assert.deepEqual(await tags(), ["zero", "uno", "three"]);
    await assert.rejects(filter.batch([nft.deleteRule(two!)]), isErrno("ENOENT"));
    await filter.batch([nft.flushRules(table, "in")]);
    assert.deepEqual(await tags(), []);
    await filter.batch([nft.deleteChain(input)]);
    await filter.batch([nft.deleteTable(table)]);
    assert.deepEqual(await filter.ask(nft.listTables()), []);
  });
});

test("elements of sets, pairs and maps come and go, also by the thousand", { skip }, async () => {
  await inNamespace(async ({ name, nft: filter }) => {
    const pairs = setOf("vteps", types.vniAndSource[4]);
    const pairs6 = setOf("vteps6", types.vniAndSource[6]);
    const marks = setOf("marks", types.ipv4Address, types.mark);
    const many = Array.from({ length: 2_000 }, (_, at) => ({ key: match.vniBytes(4_096 + at) }));
    const chunks = Array.from({ length: 5 }, (_, at) =>
      many.slice(at * sets.ELEMENTS_MAX, (at + 1) * sets.ELEMENTS_MAX),
    );
    await filter.batch([
      nft.addTable(table),
      ...[vnis, pairs, pairs6, marks].map(sets.addSet),
      ...chunks.map((elements) => sets.addElements(vnis, elements)),
      sets.addElements(pairs, [{ key: match.vniAndSourceBytes(4_098, "10.77.0.2") }]),
      sets.addElements(pairs6, [{ key: match.vniAndSourceBytes(4_098, "fd77::2") }]),
      sets.addElements(marks, [{ key: Uint8Array.of(10, 77, 0, 2), data: Uint8Array.of(5, 0, 0, 0) }]),
    ]);
    assert.deepEqual(keys(await elementsOf(filter, vnis)), keys(many).sort());
    await filter.batch([sets.addElements(vnis, many.slice(0, 1)), sets.deleteElements(vnis, many.slice(2, 300))]);
    assert.equal((await elementsOf(filter, vnis)).length, 2_000 - 298);
    await assert.rejects(filter.batch([sets.deleteElements(vnis, many.slice(2, 3))]), isErrno("ENOENT"));
    await filter.batch([sets.flushElements(vnis), sets.addElements(vnis, many.slice(2, 3))]);
    const shown = ruleset(name);
    for (const words of [
      "typeof @th,96,24\n",
      "elements = { 0x1002 }",
      "typeof @th,96,24 . ip saddr",
      "elements = { 0x1002 . 10.77.0.2 }",
      "typeof @th,96,24 . ip6 saddr",
      "elements = { 0x1002 . fd77::2 }",
      "elements = { 10.77.0.2 : 0x00000005 }",
    ]) {
      assert.ok(shown.includes(words), `${words} is not in\n${shown}`);
    }
    assert.deepEqual(await elementsOf(filter, marks), [
      { key: Uint8Array.of(10, 77, 0, 2), data: Uint8Array.of(5, 0, 0, 0) },
    ]);
    const states = (await filter.ask(sets.listSets(table))).flatMap((message) => sets.decodeSet(message) ?? []);
    assert.deepEqual(
      states.map((set) => [set.name, set.keyBytes, set.dataBytes, set.interval]),
      [
        ["vnis", 3, 0, false],
        ["vteps", 8, 0, false],
        ["vteps6", 20, 0, false],
        ["marks", 4, 4, false],
      ],
    );
    await filter.batch([sets.deleteSet(marks)]);
    assert.equal((await filter.ask(sets.listSets(table))).length, 3);
  });
});

test("a batch with one bad request changes nothing", { skip }, async () => {
  await inNamespace(async ({ name, nft: filter }) => {
    await filter.batch([nft.addTable(table), nft.addChain(input), nft.addRule(rule("in", "kept", match.accept))]);
    const before = ruleset(name);
    const bad = filter.batch([
      nft.flushRules(table),
      nft.addRule(rule("in", "new", match.drop)),
      nft.addRule(rule("nowhere", "", match.drop)),
      nft.deleteTable(table),
    ]);
    await assert.rejects(bad, isErrno("ENOENT"));
    assert.equal(ruleset(name), before);
  });
});

test("a table is replaced at once, and a batch for an older generation is refused", { skip }, async () => {
  await inNamespace(async ({ name, nft: filter }) => {
    const whole = (tag: string) => [
      ...[nft.addTable(table), nft.deleteTable(table), nft.addTable(table)],
      ...[nft.addChain(input), nft.addRule(rule("in", tag, match.accept))],
    ];
    await filter.batch(whole("first"));
    const generation = await generationOf(filter);
    await filter.batch(whole("second"), generation);
    assert.deepEqual(
      (await rulesOf(filter, "in")).map(({ tag }) => tag),
      ["second"],
    );
    assert.notEqual(await generationOf(filter), generation);
    await assert.rejects(filter.batch(whole("third"), generation), isErrno("ERESTART"));
    assert.match(ruleset(name), /comment "second"/);
  });
});

test("a foreign flush is reported with the program that did it; our own change bears our name", { skip }, async () => {
  await inNamespace(async ({ name, nft: filter, nftEvents }) => {
    await filter.batch([nft.addTable(table), nft.addChain(input), nft.addRule(rule("in", "", match.accept))]);
    const changed = await nftEvents("changed");
    assert.deepEqual([changed.thing, changed.table], ["table", table]);
    const own = await nftEvents("generation");
    assert.equal(own.generation.pid, process.pid);
    execFileSync("ip", ["netns", "exec", name, "nft", "flush", "ruleset"]);
    const deleted = await nftEvents("deleted");
    assert.deepEqual(deleted.table, table);
    const foreign = await nftEvents("generation");
    assert.equal(foreign.generation.program, "nft");
    assert.notEqual(foreign.generation.pid, process.pid);
    assert.equal(foreign.generation.number, await generationOf(filter));
    assert.deepEqual(await filter.ask(nft.listTables()), []);
  });
});

test("rules of others are listed too, with foreign words for what we never say", { skip }, async () => {
  await inNamespace(async ({ name, nft: filter }) => {
    const script = `
      add table inet skep
      add chain inet skep in { type filter hook input priority -300 ; }
      add rule inet skep in limit rate 1/second log prefix "x" tcp dport { 22, 80 } ct state established accept
    `;
    execFileSync("ip", ["netns", "exec", name, "nft", "-f", "-"], { input: script });
    const [read] = await rulesOf(filter, "in");
    const kinds = read?.expressions.map((words) => (words.kind === "foreign" ? `foreign ${words.name}` : words.kind));
    assert.deepEqual(kinds, [
      ...["foreign limit", "foreign log", "meta", "compare", "payload", "lookup"],
      ...["connectionState", "bitwise", "compare", "verdict"],
    ]);
  });
});

test("a guard drops VXLAN of guarded networks in clear, counts it, and lets others pass", { skip }, async () => {
  await inNamespace(async (namespace) => {
    const { nft: filter, name } = namespace;
    const guard = [...match.cameInClear(), ...match.udpTo(4789), ...match.vniIn("vnis"), match.count, match.drop];
    await filter.batch([
      ...[nft.addTable(table), nft.addChain(input), sets.addSet(vnis, 1)],
      nft.addRule(rule("in", "guard", ...guard)),
    ]);
    assert.deepEqual(await arrivals(name, [4_098, 4_099]), [4_098, 4_099]);
    await filter.batch([sets.addElements(vnis, [{ key: match.vniBytes(4_098) }])]);
    assert.deepEqual(await arrivals(name, [4_098, 4_099, 4_098, 5_000]), [4_099, 5_000]);
    const [read] = await rulesOf(filter, "in");
    const counter = read?.expressions.find((words) => words.kind === "counter");
    assert.deepEqual(counter, { kind: "counter", packets: 2n, bytes: 2n * (20n + 8n + 8n) });
  });
});

test("only known sources may send to a network that names them", { skip }, async () => {
  await inNamespace(async ({ nft: filter, name }) => {
    const pairs = setOf("vteps", types.vniAndSource[4]);
    const guard = [...match.udpTo(4789), ...match.vniIn("vnis"), ...match.vniAndSourceIn("vteps", 4, true), match.drop];
    await filter.batch([
      ...[nft.addTable(table), nft.addChain(input), sets.addSet(vnis, 1), sets.addSet(pairs, 2)],
      nft.addRule(rule("in", "guard", ...guard)),
      sets.addElements(vnis, [{ key: match.vniBytes(4_098) }]),
      sets.addElements(pairs, [{ key: match.vniAndSourceBytes(4_098, "127.0.0.7") }]),
    ]);
    assert.deepEqual(await arrivals(name, [4_098, 4_099], "127.0.0.7"), [4_098, 4_099]);
    assert.deepEqual(await arrivals(name, [4_098, 4_099], "127.0.0.8"), [4_099]);
  });
});

/** Send VXLAN heads of these networks to 127.0.0.1, port 4789, and tell which arrived. */
async function arrivals(namespace: string, networks: readonly number[], source = "127.0.0.1"): Promise<number[]> {
  const script = `
    const { createSocket } = require("node:dgram");
    const inbox = createSocket("udp4"), out = createSocket("udp4");
    const came = [];
    inbox.on("message", (bytes) => came.push(bytes.readUIntBE(4, 3)));
    inbox.bind(4789, "127.0.0.1", () => out.bind(0, "${source}", () => {
      for (const vni of ${JSON.stringify(networks)}) {
        const head = Buffer.alloc(8);
        head[0] = 8;
        head.writeUIntBE(vni, 4, 3);
        out.send(head, 4789, "127.0.0.1");
      }
      setTimeout(() => { console.log(JSON.stringify(came)); process.exit(0); }, 500);
    }));
  `;
  const run = spawnSync("ip", ["netns", "exec", namespace, process.execPath, "-e", script], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as number[];
}

async function rulesOf(filter: Namespace["nft"], chain: string) {
  return (await filter.ask(nft.listRules(table, chain))).flatMap((message) => nft.decodeRule(message) ?? []);
}

async function elementsOf(filter: Namespace["nft"], set: NftSet) {
  return (await filter.ask(sets.listElements(set))).flatMap((message) => sets.decodeElements(message)?.elements ?? []);
}

function keys(elements: readonly { readonly key: Uint8Array }[]): string[] {
  return elements.map(({ key }) => Buffer.from(key).toString("hex")).sort();
}

async function generationOf(filter: Namespace["nft"]): Promise<number> {
  const [message] = await filter.ask(getGeneration());
  return decodeGeneration(message!)!.number;
}

function ruleset(namespace: string): string {
  return execFileSync("ip", ["netns", "exec", namespace, "nft", "list", "ruleset"], { encoding: "utf8" });
}
