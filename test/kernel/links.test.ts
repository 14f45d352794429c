import assert from "node:assert/strict";
import { test } from "node:test";
import { addAddress } from "../../src/netlink/addresses.ts";
import {
  addLink,
  changeLink,
  changeLinkOptions,
  changePort,
  decodeLink,
  deleteLink,
  getLink,
  listLinks,
} from "../../src/netlink/links.ts";
import { fields, inFresh, noNetlink, type Row, refusal } from "../support/netlink.ts";

const skip = noNetlink;

function flagsOf(row: Row | undefined): string {
  return String(row?.["flags"]);
}

test("a bridge is as ordered, and reads back as it is", { skip }, () =>
  inFresh(1, (one) => {
    const options = {
      kind: "bridge",
      ageingSeconds: 77,
      spanningTree: false,
      multicastSnooping: false,
      callIptables: false,
      callIp6tables: false,
    } as const;
    one.change(addLink({ name: "br0", mac: "02:42:0a:00:01:01", mtu: 1450, up: true, options }));
    const [seen] = one.ip("link", "show", "br0");
    assert.deepEqual(fields(seen, "address mtu linkinfo.info_kind"), ["02:42:0a:00:01:01", 1450, "bridge"]);
    assert.deepEqual(flagsOf(seen).includes("UP"), true);
    const names = ["ageing_time", "stp_state", "mcast_snooping", "nf_call_iptables", "nf_call_ip6tables"];
    assert.deepEqual(fields(seen, names.map((name) => `linkinfo.info_data.${name}`).join(" ")), [7700, 0, 0, 0, 0]);
    const link = one.link("br0");
    assert.deepEqual({ ...link.bridge, ...options }, link.bridge);
    assert.deepEqual(
      [link.index, link.name, link.mtu, link.mac, link.up, link.kind, link.master],
      [seen?.["ifindex"], "br0", 1450, "02:42:0a:00:01:01", true, "bridge", 0],
    );
    one.change(changeLinkOptions(link.index, { kind: "bridge", ageingSeconds: 5 }));
    assert.deepEqual(fields(one.ip("link", "show", "br0")[0], "linkinfo.info_data.ageing_time"), [500]);
    assert.throws(() => one.change(addLink({ name: "br0", options })), refusal("EEXIST"));
  }),
);

const vxlans = [
  {
    kind: "vxlan",
    vni: 4097,
    port: 4789,
    local: "192.0.2.1",
    ttl: 9,
    tos: 0x20,
    learning: false,
    ageingSeconds: 60,
    rowsMax: 1000,
    proxy: true,
    routeShortCircuit: false,
    l2miss: true,
    l3miss: true,
    udpChecksum: true,
    udpZeroChecksum6Tx: false,
    udpZeroChecksum6Rx: false,
    doNotFragment: "set",
  },
  {
    kind: "vxlan",
    vni: 0xff_ffff,
    port: 8472,
    local: "fd99::1",
    ttl: 0,
    tos: 0,
    learning: true,
    ageingSeconds: 300,
    rowsMax: 0,
    proxy: false,
    routeShortCircuit: true,
    l2miss: false,
    l3miss: false,
    udpChecksum: true,
    udpZeroChecksum6Tx: true,
    udpZeroChecksum6Rx: true,
    doNotFragment: "unset",
  },
] as const;

for (const options of vxlans) {
  test(`a vxlan device over ${options.local} is as ordered, and reads back as it is`, { skip }, () =>
    inFresh(1, (one) => {
      one.change(addLink({ name: "vx0", mtu: 1400, options }));
      const data = fields(one.ip("link", "show", "vx0")[0], "linkinfo.info_data")[0] as Row;
      assert.deepEqual(one.link("vx0").vxlan, options);
      assert.deepEqual(fields(data, "id port ttl learning ageing"), [
        options.vni,
        options.port,
        options.ttl,
        options.learning,
        options.ageingSeconds,
      ]);
      assert.equal(data["local"] ?? data["local6"], options.local);
      assert.equal(data["limit"] ?? 0, options.rowsMax);
      // What is off is left out.
      const switches = fields(data, "proxy l2miss l3miss rsc").map((value) => value ?? false);
      assert.deepEqual(switches, [options.proxy, options.l2miss, options.l3miss, options.routeShortCircuit]);
      assert.equal(data["df"] ?? "unset", options.doNotFragment);
    }),
  );
}

test("a vxlan device born in a sandbox keeps its socket in the host", { skip }, () =>
  inFresh(2, (host, sandbox) => {
    const options = { kind: "vxlan", vni: 7, port: 4789, local: "192.0.2.1", learning: false } as const;
    host.change(addLink({ name: "vx7", namespace: { descriptor: sandbox.namespace.descriptor }, options }));
    assert.equal(sandbox.link("vx7").vxlan?.vni, 7);
    assert.notEqual(sandbox.link("vx7").partnerNamespaceId, undefined);
    assert.throws(() => host.link("vx7"), refusal("ENODEV"));
    sandbox.change(changeLink(sandbox.link("vx7").index, { up: true }));
    // The host's socket serves that VNI already, wherever the device lives; the sandbox has a socket of its own to give.
    assert.throws(
      () => host.change(addLink({ name: "again", options })),
      /EEXIST \(A VXLAN device with the specified VNI/,
    );
    sandbox.change(addLink({ name: "again", options }));
  }),
);

test("both ends of a veth are as ordered, the far one in another namespace", { skip }, () =>
  inFresh(2, (near, far) => {
    near.change(
      addLink({
        name: "veth0",
        mtu: 1400,
        mac: "02:00:00:00:00:01",
        up: true,
        options: {
          kind: "veth",
          peer: {
            name: "eth0",
            mac: "02:00:00:00:00:02",
            mtu: 1400,
            namespace: { descriptor: far.namespace.descriptor },
          },
        },
      }),
    );
    far.change(changeLink(far.link("eth0").index, { up: true }));
    const nearSeen = near.ip("link", "show", "veth0")[0];
    assert.deepEqual(fields(nearSeen, "address mtu"), ["02:00:00:00:00:01", 1400]);
    assert.ok(flagsOf(nearSeen).includes("UP"), "up");
    const farSeen = far.ip("link", "show", "eth0")[0];
    assert.deepEqual(fields(farSeen, "address mtu"), ["02:00:00:00:00:02", 1400]);
    assert.ok(flagsOf(farSeen).includes("UP"), "up");
    assert.equal(near.link("veth0").kind, "veth");
    assert.equal(near.link("veth0").partner, far.link("eth0").index);
    assert.equal(near.link("veth0").carrier, true);
    near.change(deleteLink("veth0"));
    assert.throws(() => far.link("eth0"), refusal("ENODEV"));
  }),
);

test("links change: name, MTU, MAC, alias, bridge, namespace, up and down", { skip }, () =>
  inFresh(2, (one, other) => {
    one.change(
      addLink({ name: "br0", options: { kind: "bridge" } }),
      addLink({ name: "a", options: { kind: "veth", peer: { name: "b" } } }),
    );
    const [bridge, { index }] = [one.link("br0"), one.link("a")];
    one.change(
      changeLink(index, {
        name: "renamed",
        mtu: 1234,
        mac: "02:00:00:00:00:09",
        alias: "of a test",
        up: true,
        master: bridge.index,
      }),
    );
    const [seen] = one.ip("link", "show", "renamed");
    const wanted = [index, 1234, "02:00:00:00:00:09", "of a test", "br0"];
    assert.deepEqual(fields(seen, "ifindex mtu address ifalias master"), wanted);
    assert.equal(flagsOf(seen).includes("UP"), true);
    const link = one.link("renamed");
    assert.deepEqual([link.alias, link.master, link.up], ["of a test", bridge.index, true]);
    one.change(changeLink(index, { master: 0, up: false }));
    assert.deepEqual([one.link("renamed").master, one.link("renamed").up], [0, false]);
    one.change(changeLink(index, { name: "moved", namespace: { descriptor: other.namespace.descriptor } }));
    assert.deepEqual(fields(other.ip("link", "show", "moved")[0], "address"), ["02:00:00:00:00:09"]);
    assert.throws(() => one.link("renamed"), refusal("ENODEV"));
    other.change(deleteLink("moved"));
    assert.throws(() => one.link("b"), refusal("ENODEV"));
  }),
);

test("ports of a bridge: isolated, hairpin and flooding, as bridge(8) sees them", { skip }, () =>
  inFresh(1, (one) => {
    one.change(addLink({ name: "br0", options: { kind: "bridge" } }));
    const master = one.link("br0").index;
    one.change(addLink({ name: "p", master, options: { kind: "veth", peer: { name: "q" } } }));
    const { index } = one.link("p");
    const options = {
      hairpin: true,
      learning: false,
      unicastFlood: false,
      multicastFlood: false,
      broadcastFlood: false,
      neighbourSuppression: true,
      isolated: true,
    };
    one.change(changePort(index, options));
    const names = "hairpin learning flood mcast_flood bcast_flood neigh_suppress isolated";
    const seen = fields(one.bridge("link", "show", "dev", "p")[0], names);
    assert.deepEqual(seen, [true, false, false, false, false, true, true]);
    assert.deepEqual(one.link("p").port, options);
    assert.equal(one.link("br0").port, undefined);
  }),
);

test("dumps have every link, or the ports of one bridge", { skip }, () =>
  inFresh(1, (one) => {
    one.change(addLink({ name: "br0", options: { kind: "bridge" } }));
    const master = one.link("br0").index;
    for (let number = 0; number < 300; number++) {
      const veth = { kind: "veth", peer: { name: `b${number}` } } as const;
      one.change(addLink({ name: `a${number}`, ...(number < 150 ? { master } : {}), options: veth }));
    }
    const names = one.route.ask(listLinks()).map((message) => decodeLink(message).name);
    assert.deepEqual(
      names.sort(),
      one
        .ip("link", "show")
        .map((row) => row["ifname"])
        .sort(),
    );
    assert.equal(names.length, 602);
    assert.equal(one.route.ask(listLinks(master)).length, 150);
  }),
);

test("refusals come with the kernel's own words", { skip }, () =>
  inFresh(1, (one) => {
    one.change(addLink({ name: "br0", mtu: 1500, options: { kind: "bridge" } }));
    const tooLarge = changeLink(one.link("br0").index, { mtu: 70_000 });
    assert.throws(() => one.change(tooLarge), /EINVAL \(mtu greater than device maximum\)/);
    assert.throws(() => one.route.ask(getLink(4711)), refusal("ENODEV"));
    assert.throws(() => one.change(deleteLink("nobody")), refusal("ENODEV"));
    assert.throws(() => one.change(addAddress({ link: 4711, address: "192.0.2.1/24" })), refusal("ENODEV"));
  }),
);
