import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { decodeAcknowledgement } from "../../../src/netlink/acknowledgement.ts";
import { addAddress, decodeAddress } from "../../../src/netlink/addresses.ts";
import { listAttributes, textIn } from "../../../src/netlink/attributes.ts";
import { addLink, changeLink, changePort, decodeLink, deleteLink } from "../../../src/netlink/links.ts";
import { aligned, decodeMessages, type Envelope, NLMSG, type Request } from "../../../src/netlink/message.ts";
import {
  addForwarding,
  addNeighbour,
  decodeForwarding,
  decodeNeighbour,
  deleteForwarding,
  deleteNeighbour,
} from "../../../src/netlink/neighbours.ts";
import { addRoute, decodeRoute, deleteRoute } from "../../../src/netlink/routes.ts";
import { addRule, decodeRule } from "../../../src/netlink/rules.ts";
import {
  addressHead,
  addressHeadIn,
  linkHead,
  linkHeadIn,
  neighbourHead,
  neighbourHeadIn,
  routeHead,
  routeHeadIn,
  ruleHead,
  ruleHeadIn,
  sizes,
} from "../../../src/netlink/structs.ts";

/** What iproute2 sends, and what the kernel answers; the file says how both were recorded. */
const vectors = JSON.parse(readFileSync(new URL("../../vectors/rtnetlink-vectors.json", import.meta.url), "utf8")) as {
  readonly requests: readonly { readonly name: string; readonly command: string; readonly bytes: string }[];
  readonly answers: readonly { readonly name: string; readonly datagrams: readonly string[] }[];
};
const [VX0, VX6, ETH0, VETH0] = [3, 4, 5, 6] as const;
const BRIDGE = Buffer.from("bridge").toString("hex");
const plain = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

/** The order of ours that means what the command does. */
const ours: Readonly<Record<string, Request>> = {
  bridge: addLink({
    name: "br0",
    mtu: 1450,
    mac: "02:42:0a:00:01:01",
    up: true,
    options: {
      kind: "bridge",
      ageingSeconds: 77,
      spanningTree: false,
      multicastSnooping: false,
      callIptables: false,
      callIp6tables: false,
    },
  }),
  vxlan4: addLink({
    name: "vx0",
    options: {
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
  }),
  vxlan6: addLink({
    name: "vx6",
    options: { kind: "vxlan", vni: 0xff_ffff, port: 8472, local: "fd99::1", group: "fd99::2", learning: true },
  }),
  veth: addLink({
    name: "veth0",
    mtu: 1400,
    mac: "02:00:00:00:00:01",
    options: { kind: "veth", peer: { name: "eth0", mac: "02:00:00:00:00:02" } },
  }),
  change: changeLink(VETH0, { name: "a", mtu: 1234, mac: "02:00:00:00:00:09", alias: "words", master: 2, up: true }),
  port: changePort(VETH0, {
    hairpin: true,
    learning: false,
    unicastFlood: false,
    multicastFlood: false,
    broadcastFlood: false,
    neighbourSuppression: true,
    isolated: true,
  }),
  down: changeLink(ETH0, { master: 0, up: false }),
  eth0up: changeLink(ETH0, { up: true }),
  address4: addAddress({ link: ETH0, address: "192.0.2.1/24", broadcast: "192.0.2.255" }, "create"),
  address6: addAddress({ link: ETH0, address: "2001:db8::1/64", withoutDuplicateDetection: true }),
  "address-host": addAddress({ link: 1, address: "127.0.0.7/8" }, "create"),
  route4: addRoute({
    destination: "203.0.113.0/24",
    gateway: "192.0.2.9",
    link: ETH0,
    preferredSource: "192.0.2.1",
    priority: 50,
    mtu: 1300,
    table: 100_000,
    protocol: 77,
  }),
  "route-link": addRoute({ destination: "198.51.100.0/24", link: ETH0 }, "create"),
  route6: addRoute({ destination: "::/0", gateway: "2001:db8::ffff", link: ETH0, priority: 7 }),
  "route-unreachable": addRoute({ destination: "203.0.113.0/24", type: "unreachable", table: 99 }, "create"),
  "route-delete": deleteRoute({
    destination: "203.0.113.0/24",
    gateway: "192.0.2.9",
    link: ETH0,
    table: 100_000,
    protocol: 77,
  }),
  rule4: addRule({ version: 4, priority: 100, action: "table", table: 100_000, mark: 0x10, mask: 0xf0 }),
  rule6: addRule({
    version: 6,
    priority: 104,
    action: "unreachable",
    table: 0,
    source: "2001:db8::/32",
    destination: "2001:db8:1::/48",
    inputName: "a",
    outputName: "b",
  }),
  neighbour4: addNeighbour({ link: VX0, address: "10.0.1.4", mac: "02:42:0a:00:01:04" }),
  neighbour6: addNeighbour({ link: VX0, address: "fd00::4", mac: "02:42:0a:00:01:04" }),
  "neighbour-delete": deleteNeighbour({ link: VX0, address: "10.0.1.4" }),
  forwarding: addForwarding({ link: VX0, mac: "02:42:0a:00:01:04", destination: "192.0.2.2" }),
  forwarding6: addForwarding({ link: VX6, mac: "02:42:0a:00:01:05", destination: "fd99::2", port: 8472, vni: 99 }),
  "forwarding-append": addForwarding({ link: VX0, mac: "00:00:00:00:00:00", destination: "192.0.2.3" }, "append"),
  "forwarding-delete": deleteForwarding({ link: VX0, mac: "02:42:0a:00:01:04", destination: "192.0.2.2" }),
  "rename-only": changeLink(VX6, { name: "vx7" }),
  delete: deleteLink(VX6),
};

/** Sizes of the structs, and which attributes hold others, by the types of messages. */
const shapes: Readonly<Record<number, { readonly size: number; readonly nests: readonly string[] }>> = {
  16: { size: sizes.link, nests: ["18", "18.2", "18.5"] },
  17: { size: sizes.link, nests: [] },
  20: { size: sizes.address, nests: [] },
  24: { size: sizes.route, nests: ["8"] },
  25: { size: sizes.route, nests: ["8"] },
  28: { size: sizes.neighbour, nests: [] },
  29: { size: sizes.neighbour, nests: [] },
  32: { size: sizes.rule, nests: [] },
};

/** Type, flags, struct and attributes; the order of attributes means nothing, nor does the bit that says "nested". */
function meaning({ type, flags, body }: Request): unknown {
  const { size, nests } = shapes[type]!;
  const tree = (bytes: Uint8Array, path: string): unknown[] =>
    listAttributes(bytes)
      .map(([name, value]) => {
        const here = path === "" ? `${name}` : `${path}.${name}`;
        if (nests.includes(here)) return [name, tree(value, here)];
        // The peer of a veth: a whole link.
        if (here === "18.2.1" && value.length > size) return [name, tree(value.subarray(size), "peer")];
        // What iproute2 calls the ports of bridges, the kernel knows as ports of the kind "bridge".
        if (here === "18.1" && textIn(value) === "bridge_slave") return [4, BRIDGE];
        const text = Buffer.from(value).toString("hex");
        // The names of kinds may end with a zero byte or not.
        return [name, here === "18.1" || here === "18.4" ? text.replace(/00$/, "") : text];
      })
      .sort((a, b) => Number(a[0]) - Number(b[0]));
  return {
    type,
    flags: flags | 5,
    head: Buffer.from(body.subarray(0, size)).toString("hex"),
    tree: tree(body.subarray(size), ""),
  };
}

for (const { name, command, bytes } of vectors.requests) {
  test(`means the same to the kernel as: ${command.replace("-n vectors ", "")}`, () => {
    const [theirs] = decodeMessages(plain(bytes));
    assert.deepEqual(meaning(ours[name]!), meaning(theirs!));
  });
}

test("every recorded command has its order", () => {
  assert.deepEqual(
    Object.keys(ours),
    vectors.requests.map(({ name }) => name),
  );
});

function answer(name: string): Envelope[] {
  const { datagrams } = vectors.answers.find((other) => other.name === name)!;
  const messages = datagrams.flatMap((datagram) => decodeMessages(plain(datagram)));
  return messages.filter(({ type }) => type !== NLMSG.done);
}

test("recorded links read as they were made", () => {
  const links = answer("links").map(decodeLink);
  assert.deepEqual(
    links.map(({ index, name, kind, up, mtu, master, mac }) => [index, name, kind, up, mtu, master, mac]),
    [
      [1, "lo", "", true, 65536, 0, "00:00:00:00:00:00"],
      [2, "br0", "bridge", true, 1234, 0, "02:42:0a:00:01:01"],
      [3, "vx0", "vxlan", false, 1500, 0, links[2]!.mac],
      [5, "eth0", "veth", true, 1500, 0, "02:00:00:00:00:02"],
      [6, "a", "veth", true, 1234, 2, "02:00:00:00:00:09"],
    ].map((row, index) => (index === 0 ? [...row.slice(0, 3), links[0]!.up, ...row.slice(4)] : row)),
  );
  assert.deepEqual(links[2]!.vxlan?.vni, 4097);
  assert.deepEqual([links[3]!.partner, links[4]!.partner, links[4]!.alias], [6, 5, "words"]);
  assert.equal(links[4]!.port?.isolated, true);
  assert.equal(links[1]!.bridge?.ageingSeconds, 77);
});

test("recorded addresses, routes and rules read as they were made", () => {
  const addresses = [...answer("addresses4"), ...answer("addresses6")].map((message) => decodeAddress(message)!);
  const texts = addresses.map(({ address, scope }) => `${address} ${scope}`);
  for (const wanted of ["127.0.0.7/8 254", "192.0.2.1/24 0", "2001:db8::1/64 0"])
    assert.ok(texts.includes(wanted), wanted);
  const routes = [...answer("routes4"), ...answer("routes6")].map(decodeRoute);
  const find = (destination: string): unknown => routes.find((route) => route.destination === destination);
  assert.deepEqual(find("203.0.113.0/24"), {
    destination: "203.0.113.0/24",
    gateway: undefined,
    link: 0,
    preferredSource: undefined,
    table: 99,
    priority: 0,
    mtu: undefined,
    protocol: 4,
    type: "unreachable",
    multipath: false,
    cloned: false,
  });
  assert.deepEqual({ ...(find("::/0") as object), gateway: "2001:db8::ffff", priority: 7, table: 254 }, find("::/0"));
  const rules = [...answer("rules4"), ...answer("rules6")].map(decodeRule);
  assert.deepEqual(
    rules.map((rule) => rule?.priority),
    [0, 100, 32766, 32767, 0, 104, 32766],
  );
  const [route] = answer("route-to").map(decodeRoute);
  assert.deepEqual(
    [route!.destination, route!.link, route!.table, route!.cloned],
    ["198.51.100.7/32", ETH0, 254, true],
  );
});

test("recorded rows of neighbours and forwarding read as they were made", () => {
  const neighbours = answer("neighbours6").map((message) => decodeNeighbour(message)!);
  const permanent = neighbours.filter(({ state }) => state === "permanent");
  assert.deepEqual(permanent, [
    { link: VX0, address: "fd00::4", mac: "02:42:0a:00:01:04", state: "permanent", proxy: false },
  ]);
  const rows = answer("forwarding").map((message) => decodeForwarding(message)!);
  assert.ok(
    rows.some(
      ({ link, mac, destination }) => link === VX0 && mac === "00:00:00:00:00:00" && destination === "192.0.2.3",
    ),
  );
  assert.ok(rows.some(({ ofBridge, mac }) => ofBridge && mac === "02:42:0a:00:01:01"));
});

test("recorded acknowledgements say what the kernel said", () => {
  const [done] = answer("done");
  const [spoken] = answer("refused-with-words");
  const [plainly] = answer("refused");
  assert.deepEqual(decodeAcknowledgement(done!), { errno: 0, text: "" });
  assert.deepEqual(decodeAcknowledgement(spoken!), {
    errno: 17,
    text: "A VXLAN device with the specified VNI already exists",
  });
  assert.deepEqual(decodeAcknowledgement(plainly!), { errno: 19, text: "" });
});

test("the kernel's structs have their sizes, and hold what was put into them", () => {
  const u8 = fc.nat(0xff);
  const u16 = fc.nat(0xffff);
  const u32 = fc.nat(0xffff_ffff);
  const index = fc.nat(0x7fff_ffff);
  const holds = <Head extends object>(
    head: fc.Arbitrary<Head>,
    size: number,
    encode: (head: Head) => Uint8Array,
    decode: (bytes: Uint8Array) => object,
  ): void =>
    fc.assert(
      fc.property(head, (value) => {
        const bytes = encode(value);
        assert.equal(bytes.length, size);
        assert.equal(aligned(size), size);
        assert.deepEqual({ ...decode(bytes), ...value }, decode(bytes));
      }),
    );
  const prefix = { family: u8, destinationBits: u8, sourceBits: u8, table: u8, flags: u32 };
  holds(fc.record({ family: u8, index, flags: u32, change: u32 }), 16, linkHead, linkHeadIn);
  holds(fc.record({ family: u8, bits: u8, flags: u8, scope: u8, index }), 8, addressHead, addressHeadIn);
  holds(fc.record({ ...prefix, protocol: u8, scope: u8, type: u8 }), 12, routeHead, routeHeadIn);
  holds(fc.record({ family: u8, index, state: u16, flags: u8 }), 12, neighbourHead, neighbourHeadIn);
  holds(fc.record({ ...prefix, action: u8 }), 12, ruleHead, ruleHeadIn);
});
