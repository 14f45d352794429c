/**
 * What an attacker (or an unlucky packet) can do to Docker's NetworkDB, tried on ours. Each test is named after the
 * weakness. The attacker holds the cluster's key, so whatever it says arrives; only signatures bind names.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes, seconds } from "../../../src/base/units.ts";
import { SigningKey, type VerifyKey } from "../../../src/crypt/signing-key.ts";
import { ENTRIES_OF_OWNER_MAX } from "../../../src/tables/limits.ts";
import { encodeTablesMessage } from "../../../src/tables/message-codec.ts";
import type { TableEvent, TablesMessage } from "../../../src/tables/messages.ts";
import type { Verifier } from "../../../src/tables/signature.ts";
import { bytes, Hub, type Seat } from "./hub.ts";

function cluster(...names: readonly string[]): [Hub, ...Seat[]] {
  const hub = new Hub();
  const seats = (names.length > 0 ? names : ["aaa", "bbb", "ccc"]).map((name) => hub.add(name));
  hub.join("net", ...seats);
  hub.run(1_000);
  return [hub, ...seats];
}

function event(changes: Partial<TableEvent>): TableEvent {
  return {
    kind: "tableEvent",
    type: "create",
    lTime: 1_000,
    node: "aaa",
    network: "net",
    table: "table",
    key: "k",
    value: bytes("forged"),
    residualReapTime: 0,
    ...changes,
  };
}

const say = (hub: Hub, to: Seat, message: TablesMessage): void => hub.inject(to, encodeTablesMessage(message));

test("forged events in the owner's name: the owner sets its entry right everywhere", () => {
  for (const type of ["create", "update", "delete"] as const) {
    const [hub, a, b, c] = cluster();
    hub.change(a!, "create", "k", "true");
    hub.run(1_000);
    for (const victim of [b!, c!]) say(hub, victim, event({ type, residualReapTime: type === "delete" ? 1_800 : 0 }));
    hub.run(3_000);
    for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), ["net/table/k=true"], type);
    assert.ok(a!.engine.dump().counts.repairs > 0, "and says so");
  }
});

test("an entry taken over by somebody else: the owner takes it back", () => {
  const [hub, a, b, c] = cluster();
  hub.change(a!, "create", "k", "true");
  hub.run(1_000);
  say(hub, b!, event({ node: "ccc" }));
  hub.run(3_000);
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), ["net/table/k=true"]);
});

test("entries made in our name that we never made are deleted everywhere", () => {
  const [hub, , b, c] = cluster();
  say(hub, b!, event({ key: "never" }));
  hub.run(3_000);
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), []);
});

test("a forged farewell: the node objects, and keeps its entries", () => {
  const [hub, a, b, c] = cluster();
  hub.change(a!, "create", "k", "true");
  hub.run(1_000);
  say(hub, b!, { kind: "nodeEvent", type: "leave", lTime: 1_000, node: "aaa" });
  hub.run(minutes(2));
  for (const seat of [b!, c!]) {
    assert.equal(seat.engine.dump().nodes.find(({ name }) => name === "aaa")?.state, "active");
    assert.deepEqual(hub.seen(seat), ["net/table/k=true"], `what ${seat.name} sees`);
  }
});

test("a forged departure from a network: the node says that it is still there, and its entries return", () => {
  const [hub, a, b, c] = cluster();
  hub.change(a!, "create", "k", "true");
  hub.run(1_000);
  say(hub, b!, { kind: "networkEvent", type: "leave", lTime: 1_000, node: "aaa", network: "net" });
  hub.run(minutes(2));
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), ["net/table/k=true"], `what ${seat.name} sees`);
});

test("a Lamport time near 2^64 neither wraps the clock nor freezes it", () => {
  const [hub, a, b] = cluster();
  const before = b!.engine.dump().clocks;
  // The largest time that protobuf can hold, as a real sender would spell it.
  const at = (message: TablesMessage): Uint8Array => {
    const honest = Buffer.from(encodeTablesMessage(message));
    const end = honest.indexOf(Buffer.from([0x10, 0x64])) + 1;
    const inner = Buffer.concat([
      honest.subarray(0, end),
      Buffer.from("ffffffffffffffffff01", "hex"),
      honest.subarray(end + 1),
    ]);
    inner[3] = honest[3]! + 9;
    return new Uint8Array(inner);
  };
  hub.inject(b!, at(event({ lTime: 100, node: "ccc", value: bytes("v") })));
  hub.inject(b!, at({ kind: "nodeEvent", type: "join", lTime: 100, node: "ccc" }));
  for (const lTime of [2 ** 53 - 2 ** 34, 2 ** 52]) {
    say(hub, b!, event({ lTime, node: "ccc" }));
    say(hub, b!, { kind: "networkEvent", type: "join", lTime, node: "ccc", network: "net" });
  }
  const after = b!.engine.dump().clocks;
  assert.ok(after.table - before.table < 10 && after.network - before.network < 10, JSON.stringify(after));
  assert.ok(b!.effects.filter((effect) => effect.do === "drop" && effect.code === "lamportJump").length >= 6);
  assert.equal(hub.change(b!, "create", "mine", "v"), "done");
  hub.run(2_000);
  assert.deepEqual(hub.seen(a!), ["net/table/mine=v"]);
});

test("a clock far ahead of ours, but possible, is followed", () => {
  const [hub, a, b] = cluster();
  say(hub, b!, event({ node: "ccc", lTime: 1_000_000 }));
  hub.change(b!, "create", "late", "v");
  hub.run(1_000);
  assert.ok(b!.engine.dump().clocks.table > 1_000_000);
  assert.ok(hub.seen(a!).includes("net/table/late=v"));
});

test("entries of a failed node are out of sight, and back with it, at once and unchanged", () => {
  const [hub, a, b, c] = cluster();
  hub.change(a!, "create", "k", "v");
  hub.run(1_000);
  hub.fail(a!);
  hub.run(seconds(5));
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), []);
  hub.revive(a!);
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), ["net/table/k=v"]);
  hub.run(minutes(2));
  assert.deepEqual(
    b!.changes.map(({ type }) => type),
    ["create", "delete", "create"],
  );
});

test("a replay of a creation, long after the deletion was forgotten by protocol, has no effect", () => {
  const [hub, a, b, c] = cluster();
  const recorded: Uint8Array[] = [];
  hub.carries = (from, to, payload) => {
    if (from === a && to === b) recorded.push(payload.slice());
    return true;
  };
  hub.change(a!, "create", "k", "v");
  hub.run(2_000);
  hub.change(a!, "delete", "k");
  hub.run(minutes(31));
  const creation = recorded.slice(0, 10);
  const before = b!.changes.length;
  for (const payload of creation) for (const seat of [b!, c!]) hub.inject(seat, payload);
  hub.run(minutes(1));
  assert.equal(b!.changes.length, before);
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), []);
});

test("a key that its owner gave up may be somebody else's after the tombstone's life", () => {
  const [hub, a, b, c] = cluster();
  for (let index = 0; index < 50; index++) hub.change(a!, "create", `k${index}`, "v");
  hub.change(a!, "create", "k", "first");
  hub.change(a!, "delete", "k");
  hub.run(minutes(31));
  assert.equal(hub.change(b!, "create", "k", "second"), "done");
  hub.run(seconds(2));
  for (const seat of [a!, c!]) assert.ok(hub.seen(seat).includes("net/table/k=second"), `what ${seat.name} sees`);
});

test("a removal reaches who joins late, before the creation does", () => {
  const [hub, a] = cluster("aaa", "bbb");
  const recorded: Uint8Array[] = [];
  hub.carries = (_from, _to, payload) => recorded.push(payload.slice()) > 0;
  hub.change(a!, "create", "k", "v");
  hub.run(1_000);
  const creation = [...recorded];
  hub.change(a!, "delete", "k");
  hub.run(1_000);
  const late = hub.add("late");
  hub.run(1_000);
  hub.join("net", late);
  for (const payload of creation) hub.inject(late, payload);
  hub.run(minutes(1));
  assert.deepEqual(hub.seen(late), []);
});

test("a lost network event: who owns entries is attached, and its entries are not refused for ever", () => {
  const hub = new Hub();
  const [a, b] = [hub.add("aaa"), hub.add("bbb")];
  hub.join("net", b);
  hub.run(1_000);
  hub.carries = () => false;
  hub.join("net", a);
  hub.run(1_000);
  hub.carries = () => true;
  hub.change(a, "create", "k", "v");
  say(hub, b, event({ lTime: a.engine.dump().clocks.table, value: bytes("v") }));
  assert.deepEqual(hub.seen(b), ["net/table/k=v"]);
  assert.ok(b.engine.dump().networks[0]!.nodes.includes("aaa"));
});

test("one owner cannot fill a network, and no message takes more than its limit", () => {
  const [hub, , b] = cluster();
  const parts: Uint8Array[] = [];
  for (let index = 0; index < ENTRIES_OF_OWNER_MAX + 100; index++) {
    parts.push(encodeTablesMessage(event({ key: `k${index}`, lTime: 1_000, value: new Uint8Array(0) })));
  }
  for (let at = 0; at < parts.length; at += 10_000) {
    say(hub, b!, { kind: "compound", parts: parts.slice(at, at + 10_000) });
  }
  assert.equal(b!.engine.dump().networks[0]!.entries, ENTRIES_OF_OWNER_MAX);
  const dropped = b!.effects.filter((effect) => effect.do === "drop" && effect.code === "oversize");
  assert.equal(dropped.length, 100);
});

test("nothing is believed of nodes that nobody knows, or that have left", () => {
  const [hub, a, b] = cluster();
  say(hub, b!, event({ node: "stranger" }));
  hub.give(a!, { on: "leave" });
  hub.run(seconds(6));
  say(hub, b!, event({ node: "aaa", lTime: 5_000 }));
  assert.deepEqual(hub.seen(b!), []);
  assert.equal(b!.effects.filter((effect) => effect.do === "drop" && effect.code === "notAttached").length, 2);
});

class Keys implements Verifier {
  readonly #keys = new Map<string, VerifyKey>();
  readonly signers = new Map<string, SigningKey>();

  constructor(...names: readonly string[]) {
    for (const name of names) {
      const key = new SigningKey(SigningKey.generate());
      this.signers.set(name, key);
      this.#keys.set(name, key.verifyKey());
    }
  }

  verify(node: string, signed: Uint8Array, signature: Uint8Array): "valid" | "invalid" | "unknown" {
    const key = this.#keys.get(node);
    if (key === undefined) return "unknown";
    return key.verify(signed, signature) ? "valid" : "invalid";
  }
}

test("forged entries of a node that signs are refused by everybody who checks, and signed ones pass through who does not", () => {
  const hub = new Hub();
  const keys = new Keys("aaa");
  const a = hub.add("aaa", { signer: keys.signers.get("aaa") });
  const b = hub.add("bbb", { verifier: keys });
  const engine = hub.add("old");
  hub.join("net", a, b, engine);
  hub.run(1_000);
  hub.change(a, "create", "k", "true");
  hub.run(2_000);
  a.isUp = false;
  say(hub, b, event({ type: "update" }));
  say(hub, engine, event({ type: "update" }));
  const [honest] = b.changes;
  // Its own value, at a later time than it was signed for.
  say(hub, b, event({ lTime: 2_000, value: honest!.value }));
  hub.run(seconds(2));
  assert.equal(b.changes.length, 1, "a forged or moved entry never shows");
  assert.ok(b.effects.filter((effect) => effect.do === "drop" && effect.code === "badSignature").length >= 2);
  assert.ok(engine.changes.length > 1, "who does not check believes it");
});

test("a node that was never seen to sign is believed without, and one that was is not", () => {
  const hub = new Hub();
  const keys = new Keys("aaa");
  const [a, b] = [hub.add("aaa"), hub.add("bbb", { verifier: keys })];
  hub.join("net", a, b);
  hub.run(1_000);
  hub.change(a, "create", "k", "unsigned");
  hub.run(1_000);
  assert.deepEqual(hub.seen(b), ["net/table/k=unsigned"]);
});

test("what is remembered of deleted entries is forgotten in the end", () => {
  const [hub, a, b] = cluster("aaa", "bbb");
  hub.change(a!, "create", "k", "v");
  hub.change(a!, "delete", "k");
  hub.run(seconds(5));
  hub.now += hours(36);
  hub.run(seconds(10));
  assert.equal(b!.engine.dump().entries.length, 0);
});

test("two nodes that both own an entry do not repair it against each other for ever at the speed of gossip", () => {
  const [hub, a, b] = cluster("aaa", "bbb");
  hub.carries = () => false;
  hub.change(a!, "create", "k", "mine");
  hub.change(b!, "create", "k", "mine too");
  hub.carries = () => true;
  hub.run(minutes(10));
  for (const seat of [a!, b!]) {
    const { repairs } = seat.engine.dump().counts;
    assert.ok(repairs > 0 && repairs < 40, `${seat.name} repaired ${repairs} times in ten minutes`);
  }
});

test("a state and a table that were recorded long ago bring nothing back", () => {
  const [hub, a, b, c] = cluster();
  const recorded: Uint8Array[] = [];
  hub.carries = (from, to, payload) => {
    if (from === a && to === b) recorded.push(payload.slice());
    return true;
  };
  hub.change(a!, "create", "k", "v");
  hub.run(minutes(2));
  const state = a!.engine.localState(false);
  hub.change(a!, "delete", "k");
  hub.give(a!, { on: "leaveNetwork", network: "net" });
  hub.run(minutes(40));
  hub.carries = () => true;
  const old = [...recorded];
  for (const payload of old) for (const seat of [b!, c!]) hub.inject(seat, payload);
  for (const seat of [b!, c!])
    hub.give(seat, { on: "notice", notice: { do: "remoteState", userState: state, join: false } });
  hub.run(minutes(1));
  for (const seat of [b!, c!]) {
    assert.deepEqual(hub.seen(seat), [], `what ${seat.name} sees`);
    assert.ok(!seat.engine.dump().networks[0]!.nodes.includes("aaa"), `whom ${seat.name} takes for attached`);
  }
});
