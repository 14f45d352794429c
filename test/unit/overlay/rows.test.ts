/** From what is wanted to rows: what peers may claim, clashes of SPIs, and one way for each MAC. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RingKey } from "../../../src/model/ring-key.ts";
import { overlayConfig } from "../../../src/overlay/config.ts";
import type { ForwardingRow, NeighbourRow } from "../../../src/overlay/effects.ts";
import type { Network, Peer, Wanted } from "../../../src/overlay/messages.ts";
import { associationKey } from "../../../src/overlay/row-key.ts";
import { spiOf } from "../../../src/overlay/spi.ts";
import { type Facts, wantedRows } from "../../../src/overlay/wanted-rows.ts";

const config = overlayConfig("10.99.0.1");
const keys = [0x101, 0x102, 0x103].map((tag) => new RingKey(BigInt(tag), new Uint8Array(16).fill(tag)));
const facts: Facts = { esp: { available: true }, pathMtus: new Map(), closed: new Map(), forms: new Map() };

const network: Network = {
  id: "net",
  subnets: [
    { gateway: "10.1.0.1/24", vni: 4097 },
    { gateway: "fd01::1/64", vni: 4098 },
  ],
  encrypted: true,
  internal: false,
  mtu: undefined,
  members: [],
};

function peer(address: string, mac: string, vtep: string): Peer {
  return { network: "net", endpoint: "ab".repeat(32), address, mac, vtep };
}

function plan(peers: readonly Peer[], more: Partial<Wanted> = {}) {
  const made = wantedRows({ networks: [network], endpoints: [], exits: [], peers, keys, ...more }, facts, config);
  const rows = [...made.rows.values()].map(({ row }) => row);
  return {
    ...made,
    keys: [...made.rows.keys()],
    forwarding: rows.filter((row): row is ForwardingRow => row.kind === "forwarding"),
    neighbours: rows.filter((row): row is NeighbourRow => row.kind === "neighbour"),
  };
}

test("a MAC with addresses in two subnets is sent to through one VNI, whatever the order of the rows", () => {
  const rows = [
    peer("fd01::5/64", "02:42:0a:01:00:05", "10.99.0.2"),
    peer("10.1.0.5/24", "02:42:0a:01:00:05", "10.99.0.2"),
  ];
  for (const peers of [rows, [...rows].reverse()]) {
    const { forwarding, neighbours } = plan(peers);
    assert.deepEqual(
      forwarding.map(({ link }) => link),
      ["vx4097"],
    );
    assert.deepEqual(
      neighbours.map(({ link }) => link),
      ["vx4097", "vx4097"],
    );
  }
});

test("of two rows with one address the last one wins, and of one MAC at two nodes as well", () => {
  const moved = plan([
    peer("10.1.0.5/24", "02:42:0a:01:00:05", "10.99.0.2"),
    peer("10.1.0.5/24", "02:42:0a:01:00:05", "10.99.0.3"),
  ]);
  assert.deepEqual(
    moved.forwarding.map(({ vtep }) => vtep),
    ["10.99.0.3"],
  );
  const taken = plan([
    peer("10.1.0.5/24", "02:42:0a:01:00:05", "10.99.0.2"),
    peer("10.1.0.6/24", "02:42:0a:01:00:05", "10.99.0.3"),
  ]);
  assert.deepEqual(
    taken.neighbours.map(({ address }) => address),
    ["10.1.0.6"],
  );
});

test("a peer row cannot take what is this node's own, nor point at what is no node", () => {
  const endpoint = {
    id: "cd".repeat(32),
    network: "net",
    addresses: ["10.1.0.9/24"],
    mac: "02:42:0a:01:00:09",
    container: { namespace: "/proc/1/ns/net", name: "eth0" },
  };
  const hostile = [
    peer("10.1.0.9/24", "02:00:00:00:00:01", "10.99.0.2"),
    peer("10.1.0.7/24", "02:42:0a:01:00:09", "10.99.0.2"),
    peer("10.1.0.1/24", "02:00:00:00:00:02", "10.99.0.2"),
    peer("10.1.0.7/24", "00:00:00:00:00:00", "10.99.0.2"),
    peer("10.1.0.7/24", "ff:ff:ff:ff:ff:ff", "10.99.0.2"),
    peer("10.1.0.7/24", "02:42:0A:01:00:07", "10.99.0.2"),
    peer("10.1.0.7", "02:42:0a:01:00:07", "10.99.0.2"),
    peer("10.1.1.7/24", "02:42:0a:01:00:07", "10.99.0.2"),
    ...["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "fd99::2", "host", "::ffff:10.99.0.2"].map((vtep) =>
      peer("10.1.0.7/24", "02:42:0a:01:00:07", vtep),
    ),
  ];
  const { forwarding, neighbours, problems } = plan(hostile, { endpoints: [endpoint] });
  assert.deepEqual([forwarding, neighbours], [[], []]);
  const counted = problems.reduce((sum, { why }) => sum + Number(/^(\d+) peer rows/.exec(why)?.[1] ?? 0), 0);
  assert.equal(counted, hostile.length);
});

test("rows about this node itself are passed over in silence", () => {
  const { forwarding, problems } = plan([peer("10.1.0.5/24", "02:42:0a:01:00:05", "10.99.0.1")]);
  assert.deepEqual([forwarding, problems], [[], []]);
});

/** Found by trying: FNV collides for these. */
const sameTag = ["70.173.244.35", "98.182.144.56"] as const;
const twoTags = ["103.166.63.165", "189.2.129.96"] as const;

test("two peers that share SPI, key and salt both work, and it is told", () => {
  const spi = spiOf(sameTag[0], "10.99.0.1", 0x102n, "mapped");
  assert.equal(spiOf(sameTag[1], "10.99.0.1", 0x102n, "mapped"), spi);
  const peers = sameTag.map((vtep, at) => peer(`10.1.0.${at + 5}/24`, `02:42:0a:01:00:0${at + 5}`, vtep));
  const made = plan(peers);
  assert.equal(made.keys.filter((key) => key === associationKey("10.99.0.1", spi)).length, 1);
  assert.equal(made.forwarding.length, 2);
  assert.match(made.problems[0]!.why, /SPI clash: it shares SPI 0x[0-9a-f]{8}, key and salt with 70\.173\.244\.35/);
  assert.equal(made.networks[0]?.blockedPeers.size, 0);
});

test("peers that clash once do so under every key and towards every node: rotation does not help", () => {
  for (const tag of [1n, 0xa853n, 0xffff_ffffn]) {
    for (const to of ["10.99.0.1", "192.0.2.1"]) {
      assert.equal(spiOf(sameTag[0], to, tag, "mapped"), spiOf(sameTag[1], to, tag, "mapped"));
    }
  }
  assert.notEqual(spiOf(sameTag[0], "10.99.0.1", 1n, "short"), spiOf(sameTag[0], "10.99.0.1", 2n, "short"));
});

test("two peers whose SPI is the same under two keys cannot both be understood: one is blocked, with the reason", () => {
  const peers = twoTags.map((vtep, at) => peer(`10.1.0.${at + 5}/24`, `02:42:0a:01:00:0${at + 5}`, vtep));
  const made = plan(peers);
  assert.deepEqual(
    made.forwarding.map(({ vtep }) => vtep),
    [twoTags[0]],
  );
  assert.match(made.networks[0]!.blockedPeers.get(twoTags[1])!, /SPI 0x181e4028 is already that of 103\.166\.63\.165/);
});

test("nodes that take part are let in before any of their endpoints is known", () => {
  const members = { ...network, members: ["10.99.0.7", "127.0.0.1"] };
  const made = plan([], { networks: [members] });
  assert.deepEqual(made.networks[0]?.vteps, ["10.99.0.7"]);
  assert.equal(made.keys.filter((key) => key.startsWith("element members4")).length, 2);
  assert.equal(
    made.keys.some((key) => key.startsWith("policy out 10.99.0.1/32-10.99.0.7/32")),
    true,
  );
});
