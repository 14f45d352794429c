/** The rules of NetworkDB as peers keep them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes, seconds } from "../../../src/base/units.ts";
import { decodeTablesMessage } from "../../../src/tables/message-codec.ts";
import { Hub } from "./hub.ts";

function three(): [Hub, ...ReturnType<Hub["add"]>[]] {
  const hub = new Hub();
  const seats = ["aaa", "bbb", "ccc"].map((name) => hub.add(name));
  hub.join("net", ...seats);
  hub.run(1_000);
  return [hub, ...seats];
}

test("an entry reaches everybody in its network, and nobody else", () => {
  const [hub, a, b, c] = three();
  const outside = hub.add("ddd");
  assert.equal(hub.change(a!, "create", "k", "v"), "done");
  hub.run(2_000);
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), ["net/table/k=v"]);
  assert.deepEqual(outside.changes, []);
  assert.deepEqual(a!.changes, [], "nobody watches itself");
});

test("updates and deletions follow, and who watches sees each once", () => {
  const [hub, a, b] = three();
  hub.change(a!, "create", "k", "1");
  hub.run(1_000);
  hub.change(a!, "update", "k", "2");
  hub.run(1_000);
  hub.change(a!, "delete", "k");
  hub.run(1_000);
  assert.deepEqual(
    b!.changes.map(({ type }) => type),
    ["create", "update", "delete"],
  );
});

test("what cannot be changed is refused with the reason", () => {
  const [hub, a, b] = three();
  assert.equal(hub.change(a!, "create", "k", "v", { network: "elsewhere" }), "conflict");
  assert.equal(hub.change(a!, "update", "k", "v"), "notFound");
  assert.equal(hub.change(a!, "delete", "k"), "notFound");
  assert.equal(hub.change(a!, "create", "k", "v"), "done");
  assert.equal(hub.change(a!, "create", "k", "v"), "conflict");
  hub.run(1_000);
  for (const type of ["create", "update", "delete"] as const) assert.equal(hub.change(b!, type, "k", "x"), "conflict");
  assert.equal(hub.change(a!, "create", "p", "v", { table: "overlay_peer_table" }), "done");
  assert.equal(hub.change(a!, "update", "p", "w", { table: "overlay_peer_table" }), "invalid");
});

test("who joins a network late has everything by the time it is in sync, without waiting for gossip", () => {
  const [hub, a] = three();
  for (let index = 0; index < 50; index++) hub.change(a!, "create", `k${index}`, "v");
  hub.run(5_000);
  const late = hub.add("late");
  hub.run(1_000);
  hub.join("net", late);
  assert.ok(late.effects.some((effect) => effect.do === "inSync"));
  assert.equal(hub.seen(late).length, 50);
});

test("who leaves a network loses sight of it, and its entries are gone for the others", () => {
  const [hub, a, b] = three();
  hub.change(a!, "create", "mine", "1");
  hub.change(b!, "create", "yours", "2");
  hub.run(1_000);
  hub.give(a!, { on: "leaveNetwork", network: "net" });
  hub.run(1_000);
  assert.deepEqual(hub.seen(a!), []);
  assert.deepEqual(hub.seen(b!), []);
  hub.join("net", a!);
  hub.run(1_000);
  assert.deepEqual(hub.seen(a!), ["net/table/yours=2"]);
});

test("an answer to a bulk sync has a time strictly above the question's", () => {
  const hub = new Hub();
  const [a, b] = [hub.add("aaa"), hub.add("bbb")];
  const times: { lTime: number; unsolicited: boolean }[] = [];
  hub.carries = (_from, _to, payload) => {
    const message = decodeTablesMessage(payload);
    if (message.kind === "bulkSync") times.push(message);
    return true;
  };
  hub.join("net", a);
  hub.run(1_000);
  hub.join("net", b);
  const [question, answer] = times;
  assert.deepEqual([question?.unsolicited, answer?.unsolicited], [true, false]);
  assert.ok((answer?.lTime ?? 0) > (question?.lTime ?? 0), "later than the question");
});

test("a network is in sync after 30 s even if somebody never answers", () => {
  const hub = new Hub();
  const [a, b] = [hub.add("aaa"), hub.add("bbb")];
  hub.join("net", a);
  hub.run(1_000);
  hub.carries = (_from, _to, payload) => decodeTablesMessage(payload).kind !== "bulkSync";
  hub.join("net", b);
  const isInSync = (): boolean => b.effects.some((effect) => effect.do === "inSync");
  hub.run(seconds(29));
  assert.equal(isInSync(), false);
  hub.run(seconds(2));
  assert.equal(isInSync(), true);
});

test("what gossip lost arrives with the next exchange of tables", () => {
  const [hub, a, b, c] = three();
  hub.carries = (_from, _to, payload) => decodeTablesMessage(payload).kind !== "compound";
  hub.change(a!, "create", "k", "v");
  hub.run(minutes(3));
  for (const seat of [b!, c!]) assert.deepEqual(hub.seen(seat), ["net/table/k=v"]);
});

test("a new name at an old address is a node that started again: what it had before is gone", () => {
  const [hub, a, b] = three();
  hub.change(a!, "create", "k", "old");
  hub.run(1_000);
  a!.isUp = false;
  const again = hub.add("aaa2", {}, a!.endpoint.address);
  hub.run(1_000);
  assert.deepEqual(hub.seen(b!), []);
  hub.join("net", again);
  hub.change(again, "create", "k", "new");
  hub.run(1_000);
  assert.deepEqual(hub.seen(b!), ["net/table/k=new"]);
});

test("who says goodbye is left, not failed, and nobody tries to reach it", () => {
  const [hub, a, b] = three();
  hub.change(a!, "create", "k", "v");
  hub.run(1_000);
  hub.give(a!, { on: "leave" });
  hub.run(seconds(6));
  assert.ok(a!.effects.some((effect) => effect.do === "leaveSaid"));
  hub.fail(a!);
  hub.run(seconds(30));
  assert.equal(b!.engine.dump().nodes.find(({ name }) => name === "aaa")?.state, "left");
  assert.deepEqual(hub.seen(b!), []);
  assert.ok(!b!.effects.some((effect) => effect.do === "join"));
});

test("somebody alone says goodbye at once", () => {
  const hub = new Hub();
  const alone = hub.add("aaa");
  hub.give(alone, { on: "leave" });
  assert.ok(alone.effects.some((effect) => effect.do === "leaveSaid"));
});

test("failed nodes are tried every second, and forgotten after a day", () => {
  const [hub, a, b] = three();
  hub.fail(a!);
  const before = b!.effects.length;
  hub.run(seconds(10));
  const tries = b!.effects.slice(before).filter((effect) => effect.do === "join").length;
  assert.ok(tries >= 9 && tries <= 11, `${tries} tries in 10 s`);
  hub.seats.splice(hub.seats.indexOf(a!), 1);
  hub.now += hours(24);
  hub.run(seconds(10));
  assert.equal(
    b!.engine.dump().nodes.find(({ name }) => name === "aaa"),
    undefined,
  );
});

test("who has lost all bootstrap nodes joins them again, and leaves them alone while one is there", () => {
  const hub = new Hub();
  const [a, b] = [hub.add("aaa"), hub.add("bbb")];
  hub.give(a, { on: "bootstrap", endpoints: [a.endpoint, b.endpoint] });
  hub.run(minutes(5));
  assert.ok(!a.effects.some((effect) => effect.do === "join"), "while one of them is a member");
  const gone = { address: "10.7.7.7", port: 7946 };
  hub.give(a, { on: "bootstrap", endpoints: [gone] });
  hub.run(minutes(5));
  const joins = a.effects.filter((effect) => effect.do === "join").length;
  assert.ok(joins >= 30 && joins <= 70, `${joins} joins in five minutes: ten seconds of every minute or so`);
});

test("a watch of one table sees that table only, and what was there before comes first", () => {
  const [hub, a, b] = three();
  hub.change(a!, "create", "1", "x", { table: "one" });
  hub.change(a!, "create", "2", "y", { table: "two" });
  hub.run(1_000);
  hub.give(b!, { on: "watch", watch: 9, table: "two" });
  hub.change(a!, "create", "3", "z", { table: "two" });
  hub.run(1_000);
  const seen = b!.effects.flatMap((effect) => (effect.do === "entry" && effect.watch === 9 ? [effect.change.key] : []));
  assert.deepEqual(seen, ["2", "3"]);
  hub.give(b!, { on: "unwatch", watch: 9 });
  hub.change(a!, "create", "4", "z", { table: "two" });
  hub.run(1_000);
  assert.equal(b!.effects.filter((effect) => effect.do === "entry" && effect.watch === 9).length, 2);
});

test("no packet of tables is larger than gossip's packets", () => {
  const [hub, a] = three();
  for (let index = 0; index < 500; index++) hub.change(a!, "create", `key-${index}`, "v".repeat(index));
  hub.run(seconds(60));
  const sizes = a!.effects.flatMap((effect) => (effect.do === "sendBestEffort" ? [effect.payload.length] : []));
  assert.ok(sizes.length > 10);
  assert.ok(Math.max(...sizes) <= 1_400, `${Math.max(...sizes)}`);
});
