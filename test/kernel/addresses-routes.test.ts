import assert from "node:assert/strict";
import { test } from "node:test";
import { addAddress, decodeAddress, deleteAddress, listAddresses } from "../../src/netlink/addresses.ts";
import { addLink, changeLink } from "../../src/netlink/links.ts";
import { addRoute, decodeRoute, deleteRoute, listRoutes, routeTo } from "../../src/netlink/routes.ts";
import { addRule, decodeRule, deleteRule, listRules, type Rule } from "../../src/netlink/rules.ts";
import { type Fresh, fields, inFresh, noNetlink, type Row, refusal } from "../support/netlink.ts";

const skip = noNetlink;

/** A link that is up, with an address of each version; its index. */
function raise(one: Fresh): number {
  one.change(addLink({ name: "a", up: true, options: { kind: "veth", peer: { name: "b" } } }));
  one.change(changeLink(one.link("b").index, { up: true }));
  const link = one.link("a").index;
  one.change(
    addAddress({ link, address: "192.0.2.1/24", broadcast: "192.0.2.255" }),
    addAddress({ link, address: "2001:db8::1/64", withoutDuplicateDetection: true }),
  );
  return link;
}

test("addresses of both versions come and go as ip(8) sees them", { skip }, () =>
  inFresh(1, (one) => {
    const link = raise(one);
    const seen = (): unknown[] =>
      (fields(one.ip("address", "show", "dev", "a")[0], "addr_info")[0] as Row[])
        .filter((row) => row["scope"] === "global")
        .map((row) => fields(row, "family local prefixlen broadcast"));
    assert.deepEqual(seen(), [
      ["inet", "192.0.2.1", 24, "192.0.2.255"],
      ["inet6", "2001:db8::1", 64, undefined],
    ]);
    const ours = ([4, 6] as const).flatMap((version) =>
      one.route.ask(listAddresses(version, link)).map((message) => decodeAddress(message)!),
    );
    const wide = ours.filter(({ scope }) => scope === 0);
    assert.deepEqual(
      wide.map(({ address, broadcast, tentative, permanent }) => [address, broadcast, tentative, permanent]),
      [
        ["192.0.2.1/24", "192.0.2.255", false, true],
        ["2001:db8::1/64", undefined, false, true],
      ],
    );
    assert.equal(wide[0]!.label, "a");
    one.change(addAddress({ link, address: "192.0.2.1/24" }));
    assert.throws(() => one.change(addAddress({ link, address: "192.0.2.1/24" }, "create")), refusal("EEXIST"));
    one.change(deleteAddress({ link, address: "192.0.2.1/24" }), deleteAddress({ link, address: "2001:db8::1/64" }));
    assert.deepEqual(seen(), []);
    assert.throws(() => one.change(deleteAddress({ link, address: "192.0.2.1/24" })), refusal("EADDRNOTAVAIL"));
    assert.equal(one.route.ask(listAddresses(4, link)).length, 0);
  }),
);

test("an address may come without a route to its subnet", { skip }, () =>
  inFresh(1, (one) => {
    const link = raise(one);
    one.change(addAddress({ link, address: "198.51.100.1/24", withoutRoute: true }));
    assert.deepEqual(one.ip("route", "show", "198.51.100.0/24"), []);
    assert.equal(one.ip("route", "show", "192.0.2.0/24").length, 1);
  }),
);

const routes = [
  { destination: "0.0.0.0/0", gateway: "192.0.2.254", priority: 50, mtu: 1300 },
  { destination: "203.0.113.0/24", gateway: "192.0.2.9", preferredSource: "192.0.2.1", table: 100_000, protocol: 77 },
  { destination: "203.0.113.128/25", table: 99 },
  { destination: "::/0", gateway: "2001:db8::ffff", priority: 7, mtu: 1400 },
  { destination: "2001:db8:1::/48", gateway: "2001:db8::9", table: 100_000, protocol: 77, priority: 1024 },
] as const;

for (const route of routes) {
  test(`a route to ${route.destination} is made, replaced, read and deleted`, { skip }, () =>
    inFresh(1, (one) => {
      const link = raise(one);
      const wanted = { ...route, link };
      const version = route.destination.includes(":") ? "-6" : "-4";
      const { table } = { table: 254, ...route };
      const seen = (): unknown[] => one.ip(version, "route", "show", "table", `${table}`, "proto", protocol);
      const protocol = "protocol" in route ? `${route.protocol}` : "static";
      one.change(addRoute(wanted, "create"), addRoute(wanted));
      const [row] = seen() as Row[];
      const { gateway, priority, preferredSource, mtu } = { gateway: undefined, ...route } as Record<string, unknown>;
      const destination = route.destination.endsWith("/0") ? "default" : route.destination;
      assert.deepEqual(fields(row, "dst dev gateway prefsrc"), [destination, "a", gateway, preferredSource]);
      if (priority !== undefined) assert.deepEqual(fields(row, "metric"), [priority]);
      if (mtu !== undefined) assert.deepEqual(fields(row, "metrics.0.mtu"), [mtu]);
      assert.equal(seen().length, 1);
      assert.throws(() => one.change(addRoute(wanted, "create")), refusal("EEXIST"));
      const found = one.route.ask(listRoutes(version === "-6" ? 6 : 4, table)).map(decodeRoute);
      const mine = found.find((other) => other.destination === route.destination && other.protocol !== 2);
      const { destination: where, ...rest } = wanted;
      assert.deepEqual({ ...mine, ...rest }, mine);
      assert.deepEqual([mine?.destination, mine?.table, mine?.type, mine?.cloned], [where, table, "unicast", false]);
      one.change(deleteRoute(wanted));
      assert.deepEqual(seen(), []);
      assert.throws(() => one.change(deleteRoute(wanted)), refusal("ESRCH"));
    }),
  );
}

test("the way to a destination: link, gateway, source, MTU, and by mark another table", { skip }, () =>
  inFresh(1, (one) => {
    const link = raise(one);
    const way = (to: string, how = {}): ReturnType<typeof decodeRoute> =>
      decodeRoute(one.route.ask(routeTo(to, how))[0]!);
    assert.throws(() => way("203.0.113.7"), refusal("ENETUNREACH"));
    one.change(
      addRoute({ destination: "203.0.113.0/24", gateway: "192.0.2.254", link, mtu: 1300 }),
      addRoute({ destination: "203.0.113.0/24", gateway: "192.0.2.253", link, table: 1000 }),
      addRoute({ destination: "2001:db8:2::/48", gateway: "2001:db8::2", link, mtu: 1350 }),
      addRoute({ destination: "203.0.113.0/24", table: 1001, type: "unreachable" }),
      addRule({ version: 4, priority: 100, action: "table", table: 1000, mark: 0xd0c4e3, mask: 0xffff_ffff }),
    );
    const plain = way("203.0.113.7");
    assert.deepEqual(
      [plain.destination, plain.gateway, plain.link, plain.preferredSource, plain.mtu, plain.table],
      ["203.0.113.7/32", "192.0.2.254", link, "192.0.2.1", 1300, 254],
    );
    assert.equal(way("203.0.113.7", { mark: 0xd0c4e3 }).gateway, "192.0.2.253");
    assert.equal(way("203.0.113.7", { mark: 0xd0c4e3 }).table, 1000);
    assert.equal(way("192.0.2.77").gateway, undefined);
    assert.equal(way("2001:db8:2::7").gateway, "2001:db8::2");
    assert.equal(way("2001:db8:2::7").mtu, 1350);
    assert.equal(way("192.0.2.77", { link }).link, link);
    const asked = fields(one.ip("route", "get", "203.0.113.7", "mark", "0xd0c4e3")[0], "gateway prefsrc");
    assert.deepEqual(asked, ["192.0.2.253", "192.0.2.1"]);
  }),
);

const rules: Rule[] = [
  { version: 4, priority: 100, action: "table", table: 100_000, mark: 0x10, mask: 0xf0 },
  { version: 4, priority: 101, action: "table", table: 99, source: "192.0.2.0/24", destination: "203.0.113.0/24" },
  { version: 4, priority: 102, action: "blackhole", table: 0, inputName: "a", outputName: "b" },
  { version: 6, priority: 103, action: "table", table: 99, mark: 0xffff_ffff, mask: 0xffff_ffff },
  { version: 6, priority: 104, action: "unreachable", table: 0, source: "2001:db8::/32" },
];

test("rules are made, read and deleted as ip(8) sees them", { skip }, () =>
  inFresh(1, (one) => {
    one.change(...rules.map(addRule));
    const ours = ([4, 6] as const).flatMap((version) => one.route.ask(listRules(version)).map(decodeRule));
    const made = ours.filter((rule) => rule !== undefined && rule.priority >= 100 && rule.priority < 200);
    assert.deepEqual(made, rules);
    const seen = [...one.ip("-4", "rule", "show"), ...one.ip("-6", "rule", "show")];
    assert.deepEqual(
      seen
        .filter((row) => (row["priority"] as number) >= 100 && (row["priority"] as number) < 200)
        .map((row) => fields(row, "priority table fwmark fwmask src dst iif oif action")),
      [
        [100, "100000", "0x10", "0xf0", "all", undefined, undefined, undefined, undefined],
        [101, "99", undefined, undefined, "192.0.2.0", "203.0.113.0", undefined, undefined, undefined],
        [102, undefined, undefined, undefined, "all", undefined, "a", "b", "blackhole"],
        [103, "99", "0xffffffff", undefined, "all", undefined, undefined, undefined, undefined],
        [104, undefined, undefined, undefined, "2001:db8::", undefined, undefined, undefined, "unreachable"],
      ],
    );
    assert.throws(() => one.change(addRule(rules[0]!)), refusal("EEXIST"));
    one.change(...rules.map(deleteRule));
    assert.throws(() => one.change(deleteRule(rules[0]!)), refusal("ENOENT"));
    assert.equal(one.ip("-4", "rule", "show").length, 3);
  }),
);
