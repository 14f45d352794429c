import assert from "node:assert/strict";
import { test } from "node:test";
import { addLink, changeLink } from "../../src/netlink/links.ts";
import {
  addForwarding,
  addNeighbour,
  decodeForwarding,
  decodeNeighbour,
  deleteForwarding,
  deleteNeighbour,
  type Forwarding,
  listForwarding,
  listNeighbours,
} from "../../src/netlink/neighbours.ts";
import { type Fresh, fields, inFresh, noNetlink, refusal } from "../support/netlink.ts";

const skip = noNetlink;

/** A vxlan device that is up; its index. */
function tunnel(one: Fresh, name = "vx0", vni = 7, local = "192.0.2.1"): number {
  one.change(addLink({ name, up: true, options: { kind: "vxlan", vni, port: 4789, local, learning: false } }));
  return one.link(name).index;
}

function forwarding(one: Fresh, link: number): Forwarding[] {
  return one.route.ask(listForwarding(link)).map((message) => decodeForwarding(message)!);
}

for (const [version, address] of [
  [4, "10.0.1.4"],
  [6, "fd00::4"],
] as const) {
  test(`permanent neighbours of IPv${version} are made, replaced, read and deleted`, { skip }, () =>
    inFresh(1, (one) => {
      const link = tunnel(one);
      one.change(addNeighbour({ link, address, mac: "02:42:0a:00:01:04" }, "create"));
      one.change(addNeighbour({ link, address, mac: "02:42:0a:00:01:05" }));
      const seen = (): unknown[] =>
        one.ip("neigh", "show", "nud", "permanent", "dev", "vx0").map((row) => fields(row, "dst lladdr state.0"));
      assert.deepEqual(seen(), [[address, "02:42:0a:00:01:05", "PERMANENT"]]);
      const rows = one.route.ask(listNeighbours(version, link)).map((message) => decodeNeighbour(message)!);
      assert.deepEqual(
        rows.filter(({ state }) => state === "permanent"),
        [{ link, address, mac: "02:42:0a:00:01:05", state: "permanent", proxy: false }],
      );
      const again = addNeighbour({ link, address, mac: "02:42:0a:00:01:06" }, "create");
      assert.throws(() => one.change(again), refusal("EEXIST"));
      one.change(deleteNeighbour({ link, address }));
      assert.deepEqual(seen(), []);
      assert.throws(() => one.change(deleteNeighbour({ link, address })), refusal("ENOENT"));
    }),
  );
}

test("forwarding rows of a vxlan device are made, replaced, read and deleted", { skip }, () =>
  inFresh(1, (one) => {
    const link = tunnel(one);
    const row = { link, mac: "02:42:0a:00:01:04", destination: "192.0.2.2" };
    one.change(addForwarding(row, "create"));
    assert.throws(() => one.change(addForwarding(row, "create")), refusal("EEXIST"));
    const moved = { ...row, destination: "192.0.2.3" };
    one.change(addForwarding(moved));
    const seen = (): unknown[] =>
      one.bridge("fdb", "show", "dev", "vx0").map((other) => fields(other, "mac dst flags.0 state port vni"));
    assert.deepEqual(seen(), [["02:42:0a:00:01:04", "192.0.2.3", "self", "permanent", undefined, undefined]]);
    one.change(addForwarding({ ...moved, port: 8472, vni: 99 }));
    assert.deepEqual(seen(), [["02:42:0a:00:01:04", "192.0.2.3", "self", "permanent", 8472, 99]]);
    assert.deepEqual(forwarding(one, link), [
      {
        ...moved,
        port: 8472,
        vni: 99,
        vlan: undefined,
        permanent: true,
        ofBridge: false,
        external: false,
      },
    ]);
    one.change(deleteForwarding({ ...moved, port: 8472, vni: 99 }));
    assert.deepEqual(seen(), []);
    assert.throws(() => one.change(deleteForwarding(moved)), refusal("ENOENT"));
  }),
);

test("broadcasts go to several nodes, of either version of IP", { skip }, () =>
  inFresh(1, (one) => {
    const link = tunnel(one, "vx6", 8, "fd99::1");
    const everybody = "00:00:00:00:00:00";
    one.change(addForwarding({ link, mac: everybody, destination: "fd99::2" }, "append"));
    one.change(addForwarding({ link, mac: everybody, destination: "fd99::3" }, "append"));
    const seen = one.bridge("fdb", "show", "dev", "vx6").map((row) => fields(row, "mac dst"));
    assert.deepEqual(seen, [
      [everybody, "fd99::2"],
      [everybody, "fd99::3"],
    ]);
    assert.deepEqual(
      forwarding(one, link).map(({ destination }) => destination),
      ["fd99::2", "fd99::3"],
    );
    one.change(deleteForwarding({ link, mac: everybody, destination: "fd99::2" }));
    assert.deepEqual(
      forwarding(one, link).map(({ destination }) => destination),
      ["fd99::3"],
    );
  }),
);

test("a port's rows in its bridge's table are told from its own", { skip }, () =>
  inFresh(1, (one) => {
    const link = tunnel(one);
    one.change(addLink({ name: "br0", up: true, options: { kind: "bridge" } }));
    one.change(changeLink(link, { master: one.link("br0").index }));
    one.change(addForwarding({ link, mac: "02:42:0a:00:01:04", destination: "192.0.2.2" }));
    const rows = forwarding(one, link);
    assert.deepEqual(
      rows.filter(({ ofBridge }) => !ofBridge).map(({ destination }) => destination),
      ["192.0.2.2"],
    );
    assert.ok(rows.some(({ ofBridge, mac }) => ofBridge && mac === one.link("vx0").mac));
    assert.equal(rows.length, one.bridge("fdb", "show", "dev", "vx0").length);
  }),
);

test("thousands of rows in one go: each has its outcome, and bad ones stop no others", { skip }, () =>
  inFresh(1, (one) => {
    const link = tunnel(one);
    const macOf = (number: number): string =>
      `02:42:00:00:${(number >> 8).toString(16).padStart(2, "0")}:${(number & 255).toString(16).padStart(2, "0")}`;
    const requests = Array.from({ length: 3000 }, (_, number) =>
      number % 3 === 0
        ? addNeighbour({
            link: number % 30 === 0 ? 4711 : link,
            address: `10.0.${number >> 8}.${number & 255}`,
            mac: macOf(number),
          })
        : addForwarding({ link, mac: macOf(number), destination: "192.0.2.2" }),
    );
    const outcomes = one.route.changeAll(requests);
    assert.equal(outcomes.length, 3000);
    for (const [number, outcome] of outcomes.entries()) {
      assert.equal(outcome?.errno, number % 30 === 0 ? "ENODEV" : undefined, `row ${number}`);
    }
    assert.equal(forwarding(one, link).length, 2000);
    assert.equal(one.bridge("fdb", "show", "dev", "vx0").length, 2000);
    assert.equal(one.ip("neigh", "show", "nud", "permanent", "dev", "vx0").length, 900);
    // All of them refused: no refusal is lost on the way.
    const refused = one.route.changeAll(
      requests.map(() => addNeighbour({ link: 4711, address: "10.0.0.1", mac: macOf(1) })),
    );
    assert.equal(refused.filter((outcome) => outcome?.errno === "ENODEV").length, 3000);
    assert.deepEqual(one.route.changeAll([]), []);
  }),
);
