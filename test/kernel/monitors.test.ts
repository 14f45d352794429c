import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { addAddress, deleteAddress } from "../../src/netlink/addresses.ts";
import { addLink, changeLink, deleteLink } from "../../src/netlink/links.ts";
import { addForwarding, addNeighbour, deleteForwarding } from "../../src/netlink/neighbours.ts";
import { listenToRoutes, type RouteEvent } from "../../src/netlink/route-events.ts";
import { routeGroups } from "../../src/netlink/route-types.ts";
import { addRoute, deleteRoute } from "../../src/netlink/routes.ts";
import { addRule } from "../../src/netlink/rules.ts";
import { systemNetlink } from "../../src/os/netlink-monitor.ts";
import { type Fresh, inFresh, noNetlink } from "../support/netlink.ts";
import { until } from "../support/until.ts";

const skip = noNetlink;
const everything = Object.keys(routeGroups) as (keyof typeof routeGroups)[];

interface Heard {
  readonly events: RouteEvent[];
  readonly resyncs: string[];
  close(): void;
  /** Waits for an event. */
  find(matches: (event: RouteEvent) => boolean): Promise<void>;
}

function listen(one: Fresh, groups = everything): Heard {
  const events: RouteEvent[] = [];
  const resyncs: string[] = [];
  const monitor = listenToRoutes(systemNetlink, one.namespace, groups, {
    event: (event) => void events.push(event),
    resync: (why) => void resyncs.push(why),
    failed: (error) => assert.fail(error),
  });
  return {
    events,
    resyncs,
    close: () => monitor.close(),
    find: (matches) => until(() => events.some(matches)),
  };
}

/** Send a packet to an address. */
function speak(one: Fresh, address: string): void {
  spawnSync("ip", ["netns", "exec", one.name, "bash", "-c", `echo > /dev/udp/${address}/9`]);
}

test("links, addresses, routes, rules, neighbours and forwarding rows are reported as they come and go", { skip }, () =>
  inFresh(1, async (one) => {
    const heard = listen(one);
    try {
      const options = { kind: "vxlan", vni: 7, port: 4789, local: "192.0.2.1", learning: false } as const;
      one.change(addLink({ name: "vx0", up: true, options }));
      const link = one.link("vx0").index;
      const row = { link, mac: "02:42:0a:00:01:04", destination: "192.0.2.2" };
      const address = { link, address: "198.51.100.1/24" };
      const route = { destination: "203.0.113.0/24", link };
      one.change(
        addAddress(address),
        addRoute(route),
        addRule({ version: 6, priority: 77, action: "blackhole", table: 0 }),
        addNeighbour({ link, address: "10.0.1.4", mac: row.mac }),
        addForwarding(row),
        deleteForwarding(row),
        deleteRoute(route),
        deleteAddress(address),
        deleteLink(link),
      );
      await heard.find((event) => event.what === "link" && event.gone && event.link.name === "vx0");
      const told = heard.events.map((event) => `${event.what}${"gone" in event && event.gone ? " gone" : ""}`);
      const wanted = ["link", "address", "route", "rule", "neighbour", "forwarding", "forwarding gone", "route gone"];
      let from = 0;
      for (const what of [...wanted, "address gone", "link gone"]) {
        from = told.indexOf(what, from) + 1;
        assert.ok(from > 0, `${what} in its place of: ${told.join(", ")}`);
      }
      const rows = heard.events.filter((event) => event.what === "forwarding");
      assert.deepEqual(rows[0]?.forwarding.destination, "192.0.2.2");
      assert.deepEqual(heard.resyncs, []);
    } finally {
      heard.close();
    }
  }),
);

test("a link that leaves for another namespace is gone here, and appears there", { skip }, () =>
  inFresh(2, async (one, other) => {
    const [here, there] = [listen(one, ["links"]), listen(other, ["links"])];
    try {
      one.change(addLink({ name: "a", options: { kind: "veth", peer: { name: "b" } } }));
      one.change(changeLink(one.link("a").index, { namespace: { descriptor: other.namespace.descriptor } }));
      await here.find((event) => event.what === "link" && event.gone && event.link.name === "a");
      await there.find((event) => event.what === "link" && !event.gone && event.link.name === "a");
    } finally {
      here.close();
      there.close();
    }
  }),
);

test("what others do is reported too, also packets for addresses that nobody knows", { skip }, () =>
  inFresh(1, async (one) => {
    const heard = listen(one, ["neighbours", "addresses4"]);
    try {
      const options = { kind: "vxlan", vni: 7, port: 4789, l2miss: true, l3miss: true, proxy: true } as const;
      one.change(addLink({ name: "vx0", options }));
      one.namespace.writeSetting("net/ipv6/conf/vx0/disable_ipv6", "1");
      one.change(changeLink(one.link("vx0").index, { up: true }));
      one.text("address", "add", "10.0.1.1/24", "dev", "vx0");
      await heard.find((event) => event.what === "address" && event.address.address === "10.0.1.1/24");
      one.change(addNeighbour({ link: one.link("vx0").index, address: "10.0.1.8", mac: "02:42:0a:00:01:08" }));
      speak(one, "10.0.1.8");
      await heard.find((event) => event.what === "missing" && event.missing.mac === "02:42:0a:00:01:08");
      // A packet from elsewhere asks for an address: what is asked from here would be a neighbour already.
      one.change(addLink({ name: "br0", up: true, options: { kind: "bridge" } }));
      one.change(changeLink(one.link("vx0").index, { master: one.link("br0").index }));
      one.text("address", "flush", "dev", "vx0");
      one.text("address", "add", "10.0.1.1/24", "dev", "br0");
      speak(one, "10.0.1.9");
      await heard.find((event) => event.what === "missing" && event.missing.address === "10.0.1.9");
    } finally {
      heard.close();
    }
  }),
);

test("reports that come faster than they are read end in one call to look at everything", { skip }, () =>
  inFresh(1, async (one) => {
    const [heard, calm] = [listen(one, ["neighbours"]), listen(one, ["links"])];
    try {
      const options = { kind: "vxlan", vni: 7, port: 4789, local: "192.0.2.1" } as const;
      one.change(addLink({ name: "vx0", up: true, options }));
      const link = one.link("vx0").index;
      const pair = (value: number): string => value.toString(16).padStart(2, "0");
      const rows = Array.from({ length: 20_000 }, (_, number) =>
        addForwarding({
          link,
          mac: `02:42:00:00:${pair(number >> 8)}:${pair(number & 255)}`,
          destination: "192.0.2.2",
        }),
      );
      assert.ok(one.route.changeAll(rows).every((outcome) => outcome === undefined));
      await until(() => heard.resyncs.length > 0);
      assert.deepEqual(heard.resyncs, ["reports were lost"]);
      one.change(addLink({ name: "a", options: { kind: "veth", peer: { name: "b" } } }));
      await calm.find((event) => event.what === "link" && event.link.name === "b");
      assert.deepEqual(calm.resyncs, []);
      // It still listens.
      one.change(addNeighbour({ link, address: "10.0.1.4", mac: "02:42:0a:00:01:04" }));
      await heard.find((event) => event.what === "neighbour" && event.neighbour.address === "10.0.1.4");
    } finally {
      heard.close();
      calm.close();
    }
  }),
);

test("who has closed hears nothing more, others still do", { skip }, () =>
  inFresh(1, async (one) => {
    const events: string[] = [];
    const first = systemNetlink.listen(one.namespace, "route", [routeGroups.links], {
      heard() {
        events.push("first");
        first.close();
        first.close();
      },
      overrun: () => assert.fail("overrun"),
      failed: (error) => assert.fail(error),
    });
    const second = listen(one, ["links"]);
    try {
      for (const name of ["a", "c"]) one.change(addLink({ name, options: { kind: "bridge" } }));
      await second.find((event) => event.what === "link" && event.link.name === "c");
      await setTimeout(20);
      assert.deepEqual(events, ["first"]);
    } finally {
      second.close();
    }
  }),
);
