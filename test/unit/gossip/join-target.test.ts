import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../src/base/fault.ts";
import { parseJoinTarget } from "../../../src/gossip/join-target.ts";

test("a target is [nodename/]host[:port]", () => {
  const cases: [text: string, node: string, host: string, port: number][] = [
    ["10.0.0.1", "", "10.0.0.1", 7946],
    ["10.0.0.1:7000", "", "10.0.0.1", 7000],
    ["::1", "", "::1", 7946],
    ["[::1]", "", "::1", 7946],
    ["[2001:DB8::1]:7000", "", "2001:db8::1", 7000],
    ["[::ffff:10.0.0.1]:7000", "", "10.0.0.1", 7000],
    ["db1.example.org", "", "db1.example.org", 7946],
    ["a/db1.example.org.:1", "a", "db1.example.org.", 1],
    ["node 1/[::1]:65535", "node 1", "::1", 65535],
    ["under_score:9", "", "under_score", 9],
    [`${"n".repeat(255)}/${"h".repeat(253)}.:65535`, "n".repeat(255), `${"h".repeat(253)}.`, 65535],
  ];
  for (const [text, node, host, port] of cases)
    assert.deepEqual(parseJoinTarget(text, 7946), { node, host, port }, text);
});

test("what cannot be a target is refused with the reason", () => {
  const cases: [text: string, reason: RegExp][] = [
    ["", /names no host/],
    ["a/", /names no host/],
    ["/10.0.0.1", /empty node name/],
    ["10.0.0.1:0", /port/],
    ["10.0.0.1:65536", /port/],
    ["10.0.0.1:", /port/],
    ["10.0.0.1:+1", /port/],
    ["::1:7946:x", /too many colons/],
    ["[::1", /bracket/],
    ["[::1]7946", /bracket/],
    ["[10.0.0.1]:1", /no IPv6 address/],
    ["[:zz:]:1", /no IPv6 address/],
    ["10.0.0.256", /four numbers/],
    ["a b", /neither/],
    ["x".repeat(1000), /longer/],
    ["x".repeat(254), /host of more than 253/],
    [`${"0.".repeat(127)}1:7946`, /host of more than 253/],
    [`[fe80::1%${"x".repeat(250)}]:1`, /host of more than 253/],
    [`${"x".repeat(256)}/a`, /node name of more than 255/],
    [`${"\u00fc".repeat(128)}/a`, /node name of more than 255/],
  ];
  for (const [text, reason] of cases) {
    assert.throws(
      () => parseJoinTarget(text, 7946),
      (error) => error instanceof Fault && reason.test(error.message),
      text,
    );
  }
});

test("any text gives a target or an invalid fault, nothing else", () => {
  const pieces = fc.array(fc.constantFrom("[", "]", ":", "::", "/", ".", "10", "a", "ffff", "%", " ", "7946"), {
    maxLength: 9,
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        pieces.map((parts) => parts.join("")),
      ),
      (text) => {
        try {
          const { host, port } = parseJoinTarget(text, 7946);
          assert.ok(host.length > 0 && port >= 1 && port <= 65535);
        } catch (error) {
          assert.ok(error instanceof Fault && error.code === "invalid", String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
