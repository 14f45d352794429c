/** What happens to overlay networks when somebody else has a hand in the kernel, and when the driver is killed. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { must, run } from "../../src/lab/program.ts";
import { until } from "../../src/lab/until.ts";
import type { Network } from "../../src/overlay/messages.ts";
import { noLab } from "../support/lab.ts";
import { type Container, macOf, type OverlayNode, OverlayRig } from "../support/overlay-rig.ts";

const skip = noLab;
const REPAIR_MS = 2_000;
/** Not IANA's: everything has to go by the configured one. */
const PORT = 14_789;

const red: Network = {
  id: "rednet",
  subnets: [{ gateway: "10.1.0.1/24", vni: 4097 }],
  encrypted: false,
  internal: false,
  mtu: undefined,
  members: [],
};
/** Guarded like every encrypted network, whether this kernel can encrypt or not. */
const secret: Network = { ...red, id: "secretnet", subnets: [{ gateway: "10.4.0.1/24", vni: 4100 }], encrypted: true };

describe("repair and adoption", { skip }, () => {
  let rig: OverlayRig;
  let a: Container;
  let b: Container;
  before(async () => {
    rig = await OverlayRig.create(["a", "b"], [red, secret], { port: PORT });
    for (const [host, last] of [
      ["a", 11],
      ["b", 12],
    ] as const) {
      const container = await rig.addContainer(host, "1", [
        { network: "rednet", addresses: [`10.1.0.${last}/24`] },
        { network: "secretnet", addresses: [`10.4.0.${last}/24`] },
      ]);
      rig.addExit(container, [`172.18.0.${last}/16`]);
    }
    [a, b] = rig.containers as [Container, Container];
    rig.keys = [1, 2, 3].map((at) => [0xa850 + at, `${at}`.repeat(32)] as const);
    await rig.settle();
    for (const container of rig.containers) await rig.serve(container);
  });
  after(async () => rig.dispose());

  const node = (): OverlayNode => rig.nodes.get("a")!;
  const inHost = (...command: string[]): Promise<string> => must("ip", ["netns", "exec", a.host.namespace, ...command]);
  const sandbox = (): string => rig.sandbox(a.host, "rednet");

  /** Everything that a person would look at, without what counts and ages. */
  async function picture(): Promise<string> {
    const commands: string[][] = [
      ["ip", "-n", sandbox(), "-d", "addr"],
      ["ip", "-n", a.namespace, "-d", "addr"],
      ["ip", "-n", a.namespace, "route"],
      ["ip", "-n", a.host.namespace, "link"],
      ["ip", "-n", sandbox(), "neigh", "show", "nud", "permanent"],
      ["ip", "netns", "exec", sandbox(), "bridge", "fdb", "show", "dev", "vx4097"],
      ["ip", "netns", "exec", a.host.namespace, "nft", "-a", "list", "table", "inet", "skep"],
      ["ip", "-n", a.host.namespace, "xfrm", "policy"],
    ];
    const shown = await Promise.all(commands.map(async ([command = "", ...args]) => must(command, args)));
    // What bridges learned comes and goes.
    const lines = shown.join("\n").split("\n");
    const kept = lines.filter((line) => !/master br0 *(?:permanent)?$/.test(line));
    return kept
      .join("\n")
      .replaceAll(/\w+_timer +[\d.]+|packets \d+ bytes \d+|\d+sec|dst 10\S+ lladdr \S+ REACHABLE/g, "");
  }

  const tampering: Readonly<Record<string, () => Promise<unknown>>> = {
    "a forwarding entry is deleted": () =>
      must("bridge", [
        "-n",
        sandbox(),
        "fdb",
        "del",
        macOf("10.1.0.12"),
        "dev",
        "vx4097",
        "dst",
        b.host.address,
        "self",
      ]),
    "a forwarding entry leads elsewhere": () =>
      must("bridge", [
        "-n",
        sandbox(),
        "fdb",
        "replace",
        macOf("10.1.0.12"),
        "dev",
        "vx4097",
        "dst",
        "10.99.0.77",
        "self",
      ]),
    "a forwarding entry is planted": () =>
      must("bridge", [
        "-n",
        sandbox(),
        "fdb",
        "add",
        "02:00:00:00:00:66",
        "dev",
        "vx4097",
        "dst",
        "10.99.0.66",
        "self",
      ]),
    "a neighbour is deleted": () => must("ip", ["-n", sandbox(), "neigh", "del", "10.1.0.12", "dev", "vx4097"]),
    "the vxlan device is set down": () => must("ip", ["-n", sandbox(), "link", "set", "vx4097", "down"]),
    "the vxlan device is deleted": () => must("ip", ["-n", sandbox(), "link", "del", "vx4097"]),
    "the vxlan device leaves its bridge": () => must("ip", ["-n", sandbox(), "link", "set", "vx4097", "nomaster"]),
    "the bridge is deleted": () => must("ip", ["-n", sandbox(), "link", "del", "br0"]),
    "the gateway's address is deleted": () => must("ip", ["-n", sandbox(), "addr", "flush", "dev", "br0"]),
    "the container's interface is deleted": () => must("ip", ["-n", a.namespace, "link", "del", "eth0"]),
    "the container's interface has another MTU": () =>
      must("ip", ["-n", a.namespace, "link", "set", "eth0", "mtu", "1300"]),
    "the container's interface has another MAC": () =>
      must("ip", ["-n", a.namespace, "link", "set", "eth0", "address", "02:00:00:00:00:01"]),
    "the container's address is deleted": () => must("ip", ["-n", a.namespace, "addr", "flush", "dev", "eth0"]),
    "the container's default route is deleted": () => must("ip", ["-n", a.namespace, "route", "del", "default"]),
    "the exit bridge is deleted": () => inHost("ip", "link", "del", "skep_exit"),
    "the packet filter is flushed": () => inHost("nft", "flush", "ruleset"),
    "one rule of the packet filter is deleted": () => inHost("nft", "flush", "chain", "inet", "skep", "out"),
    "a rule is put in front": () => inHost("nft", "insert", "rule", "inet", "skep", "in", "accept"),
    "a member of a set is deleted": () =>
      inHost("nft", "delete", "element", "inet", "skep", "encrypted", "{ 0x001004 }"),
    "policies are flushed": () => inHost("ip", "xfrm", "policy", "flush"),
    "forwarding is switched off": () => inHost("sysctl", "-qw", "net.ipv4.ip_forward=0"),
  };

  for (const [what, tamper] of Object.entries(tampering)) {
    test(`${what}: repaired within 2 s, and counted`, async () => {
      const before = await picture();
      const repairs = node().repairs;
      await tamper();
      await until(
        "the repair is counted",
        REPAIR_MS,
        () => node().repairs > repairs && node().status?.settled === true,
      );
      assert.deepEqual(withoutNumbers(await picture()), withoutNumbers(before));
      assert.equal((await rig.udp(a, "10.1.0.12")).came, 20);
    });
  }

  test("what others have in the kernel is left alone", async () => {
    const foreign: string[][] = [
      ["nft", "add", "table", "inet", "other"],
      ["nft", "add", "chain", "inet", "other", "in", "{ type filter hook input priority 5; }"],
      ["ip", "link", "add", "other0", "type", "bridge"],
      ["ip", "link", "add", "vxother", "type", "vxlan", "id", "9999", "dstport", `${PORT}`, "local", a.host.address],
      ["ip", "xfrm", "policy", "add", "dir", "out", "src", "192.0.2.1", "dst", "192.0.2.2", "action", "block"],
      [
        "ip",
        "xfrm",
        "policy",
        "add",
        "dir",
        "out",
        "src",
        "192.0.2.1",
        "dst",
        "192.0.2.2",
        "mark",
        "7",
        "action",
        "block",
      ],
      ["ip", "rule", "add", "fwmark", "0x1000000/0x1000000", "table", "100"],
    ];
    for (const command of foreign) await inHost(...command);
    await must("ip", ["-n", a.namespace, "addr", "add", "192.0.2.55/32", "dev", "eth0"]);
    await inHost("nft", "flush", "table", "inet", "skep");
    await new Promise((done) => setTimeout(done, 2_500));
    await node().settled();
    assert.match(await inHost("nft", "list", "ruleset"), /table inet other/);
    assert.match(await inHost("ip", "link"), /other0[\s\S]*vxother/);
    assert.equal((await inHost("ip", "xfrm", "policy")).match(/192\.0\.2\.1/g)?.length, 2);
    assert.match(await must("ip", ["-n", a.namespace, "addr"]), /192\.0\.2\.55/);
  });

  test("kill -9 and restart lose no packet, and change nothing", async () => {
    const before = await picture();
    const stream = rig.udp(a, "10.1.0.12", { count: 600, gapMs: 5 });
    const bytes = rig.tcp(b, "10.1.0.11", 3_000_000);
    await new Promise((done) => setTimeout(done, 300));
    await node().kill();
    await rig.start("a");
    node().want(rig.wantedOf(a.host));
    await node().settled();
    assert.deepEqual(await stream, { sent: 600, came: 600, twice: 0 });
    assert.equal(await bytes, 3_000_000);
    assert.equal(node().repairs, 0);
    assert.equal(await picture(), before);
  });

  test("what was wanted no more while the driver was dead is gone after its restart", async () => {
    await node().kill();
    await rig.start("a");
    const wanted = rig.wantedOf(a.host);
    node().want({
      ...wanted,
      networks: [red],
      endpoints: wanted.endpoints.slice(0, 1),
      peers: wanted.peers.slice(0, 1),
    });
    await node().settled();
    assert.equal((await run("ip", ["-n", rig.sandbox(a.host, "secretnet"), "link"])).code === 0, false);
    assert.doesNotMatch(await must("ip", ["-n", a.namespace, "link"]), /eth1/);
    assert.equal((await rig.udp(a, "10.1.0.12")).came, 20);
    node().want(wanted);
    await node().settled();
    assert.match(await must("ip", ["-n", a.namespace, "link"]), /eth1/);
  });
});

/** Indexes and handles change when something is made anew. */
function withoutNumbers(picture: string): string[] {
  const lines = picture
    .replaceAll(
      /^\d+: |@if\d+|handle \d+|\b\d+: |index \d+|port_id \S+|port_no \S+|designated_\w+ \S+|root_\w+ \S+/gm,
      "",
    )
    .replaceAll(
      /link\/ether \S+ brd \S+ (?=link-netns)|link-netns\S* \S+|inet6 fe80\S+ .*|valid_lft.*|gc_timer .*|topology_change\w* \S+|\S+_timer\s+\S+|fe80\S+|ptype \S+|bridge_id \S+/g,
      "",
    )
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("link/"));
  return [...new Set(lines)].sort();
}
