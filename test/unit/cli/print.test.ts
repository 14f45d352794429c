import assert from "node:assert/strict";
import { test } from "node:test";
import {
  memberView,
  printKeys,
  printMembers,
  printNotice,
  printReady,
  printStats,
} from "../../../src/cli/gossip-print.ts";
import { table } from "../../../src/cli/print.ts";
import type { Member } from "../../../src/gossip/effects.ts";

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const member = (name: string): Member => ({
  name,
  addr: Uint8Array.of(10, 0, 0, 1),
  endpoint: { address: "10.0.0.1", port: 7946 },
  meta: Uint8Array.of(255),
  incarnation: 7,
  state: "alive",
  vsn: Uint8Array.of(1, 5, 2, 0, 0, 0),
});

test("a cell can neither end its line nor its column", () => {
  assert.equal(table(["A", "B"], [["x\ty\nz", 1]]), "A\tB\nx\\u0009y\\u000az\t1\n");
});

test("members are sorted by name, one a row, or as one JSON document", () => {
  const views = ["b", "a"].map((name) => memberView(member(name), base64));
  const row = "10.0.0.1:7946\talive\t7\t1.5.2.0.0.0\n";
  assert.equal(printMembers(views, "text"), `NAME\tADDRESS\tSTATE\tINCARNATION\tVERSIONS\na\t${row}b\t${row}`);
  const parsed = JSON.parse(printMembers(views, "json")) as unknown[];
  assert.deepEqual(parsed[0], { ...views[1], meta: "/w==", versions: [1, 5, 2, 0, 0, 0] });
});

test("keys show their ids and which one encrypts", () => {
  const keys = [
    { id: "1111", primary: true },
    { id: "2222", primary: false },
  ];
  assert.equal(printKeys(keys, "text"), "KEY\tROLE\n1111\tprimary\n2222\tdecrypts\n");
  assert.deepEqual(JSON.parse(printKeys(keys, "json")), keys);
});

test("numbers in groups become dotted rows", () => {
  const stats = { members: 2, packets: { in: 3, queue: { high: 0 } } };
  assert.equal(printStats(stats, "text"), "NAME\tVALUE\nmembers\t2\npackets.in\t3\npackets.queue.high\t0\n");
});

test("events are one line each, whatever the name", () => {
  const name = "a\u001b[31m\nb";
  const notice = { do: "tell", event: { kind: "suspect", member: member(name), from: "c\td" } } as const;
  const line = printNotice("T", notice, "text", base64);
  assert.equal(line, "T\tsuspect\ta\\u001b[31m\\u000ab\t10.0.0.1:7946\talive\tc\\u0009d\n");
  const parsed = JSON.parse(printNotice("T", notice, "json", base64)) as { event: string; from: string };
  assert.equal(parsed.event, "suspect");
  assert.equal(parsed.from, "c\td");
  assert.equal(printReady("T", memberView(member("a"), base64), "text"), "T\tready\ta\t10.0.0.1:7946\talive\n");
});

test("conflicts tell the claimed endpoint, messages their length, and pings nothing", () => {
  const claimed = { address: "::1", port: 1 };
  const conflict = { do: "tell", event: { kind: "conflict", member: member("a"), claimed } } as const;
  assert.match(printNotice("T", conflict, "text", base64), /\tconflict\ta\t.*\t\[::1\]:1\n$/);
  const message = { do: "userMessage", payload: Uint8Array.of(1, 2), from: claimed } as const;
  assert.equal(printNotice("T", message, "text", base64), "T\tmessage\t[::1]:1\t2 bytes\n");
  assert.equal((JSON.parse(printNotice("T", message, "json", base64)) as { payload: string }).payload, "AQI=");
  const ping = { do: "pingComplete", node: "a", roundTripMs: 1, payload: null } as const;
  assert.equal(printNotice("T", ping, "text", base64), "");
});
