/** Plain overlay networks between three hosts, with real driver processes and the kernel's VXLAN. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Capture } from "../../src/lab/capture.ts";
import { must, run } from "../../src/lab/program.ts";
import { until } from "../../src/lab/until.ts";
import type { Network } from "../../src/overlay/messages.ts";
import { noLab } from "../support/lab.ts";
import { type Container, macOf, OverlayRig, type ProcessNode } from "../support/overlay-rig.ts";
import { type Tunnelled, tunnelledIn } from "../support/vxlan-frames.ts";

const skip = noLab;

const red: Network = {
  id: "rednet",
  subnets: [
    { gateway: "10.1.0.1/24", vni: 4097 },
    { gateway: "fd01::1/64", vni: 4097 },
  ],
  encrypted: false,
  internal: false,
  mtu: undefined,
  members: [],
};
/** Two subnets, and on two hosts only. */
const blue: Network = {
  ...red,
  id: "bluenet",
  subnets: [
    { gateway: "10.2.0.1/24", vni: 4098 },
    { gateway: "10.3.0.1/24", vni: 4099 },
  ],
};

describe("plain overlay networks", { skip }, () => {
  let rig: OverlayRig;
  let a: Container;
  let b: Container;
  let c: Container;
  before(async () => {
    rig = await OverlayRig.create(["a", "b", "c", "x"], [red, blue], { drivers: ["a", "b", "c"] });
    a = await rig.addContainer("a", "1", [
      { network: "rednet", addresses: ["10.1.0.11/24", "fd01::11/64"] },
      { network: "bluenet", addresses: ["10.2.0.11/24"] },
    ]);
    b = await rig.addContainer("b", "1", [
      { network: "rednet", addresses: ["10.1.0.12/24", "fd01::12/64"] },
      { network: "bluenet", addresses: ["10.3.0.12/24"] },
    ]);
    c = await rig.addContainer("c", "1", [{ network: "rednet", addresses: ["10.1.0.13/24", "fd01::13/64"] }]);
    rig.addExit(a, ["172.18.0.11/16", "fd00:73:6b65:70::11/64"]);
    await rig.settle();
    for (const container of rig.containers) await rig.serve(container);
  });
  after(async () => rig.dispose());

  /** VXLAN on the ports of these hosts while something happens. */
  async function overheard(hosts: readonly string[], during: () => Promise<unknown>): Promise<Tunnelled[]> {
    const capture = await Capture.start(
      rig.lab,
      hosts.map((name) => rig.lab.host(name)),
    );
    await during();
    await capture.stop();
    const frames: Tunnelled[] = [];
    for await (const frame of capture.frames()) {
      const tunnelled = tunnelledIn(frame);
      if (tunnelled !== undefined) frames.push(tunnelled);
    }
    return frames;
  }

  const all = { sent: 20, came: 20, twice: 0 };

  test("containers reach each other across hosts, IPv4 and IPv6, UDP and TCP", async () => {
    for (const [from, to] of [
      [a, "10.1.0.12"],
      [b, "10.1.0.13"],
      [c, "10.1.0.11"],
      [a, "fd01::13"],
      [c, "fd01::12"],
    ] as const) {
      assert.deepEqual(await rig.udp(from, to), all, to);
      assert.equal(await rig.tcp(from, to, 1_000_000), 1_000_000, to);
    }
  });

  test("subnets of one network reach each other through their gateways", async () => {
    assert.deepEqual(await rig.udp(a, "10.3.0.12"), all);
    assert.equal(await rig.tcp(b, "10.2.0.11", 200_000), 200_000);
  });

  test("a network's frames go only to hosts that take part in it", async () => {
    const frames = await overheard(["b", "c"], async () => {
      await rig.udp(a, "10.3.0.12");
      await rig.udp(a, "10.1.0.12");
      await rig.udp(a, "10.2.0.77", { count: 3 });
    });
    // There through the VNI of the other subnet, back through that of the own.
    const vnis = new Set(frames.map(({ vni }) => vni));
    assert.deepEqual([...vnis].sort(), [4097, 4098, 4099]);
    const atC = await overheard(["c"], async () => rig.udp(a, "10.3.0.12"));
    assert.deepEqual(atC, []);
  });

  test("the largest packet fills the underlay, and one byte more goes in two", async () => {
    const { mtu } = (await rig.nodes.get("a")!.settled()).networks["rednet"]!;
    assert.equal(mtu, 1450);
    for (const [bytes, address, perDatagram] of [
      [mtu - 28, "10.1.0.12", 1],
      [mtu - 28 + 1, "10.1.0.12", 2],
      [mtu - 48, "fd01::12", 1],
      [mtu - 48 + 1, "fd01::12", 2],
    ] as const) {
      const frames = await overheard(["b"], async () => {
        assert.deepEqual(await rig.udp(a, address, { count: 5, bytes }), { sent: 5, came: 5, twice: 0 });
      });
      const data = frames.filter(({ inner }) => inner.length > 120 || perDatagram === 2);
      assert.equal(data.length >= 5 * 2 * perDatagram, true, `${data.length} frames for ${bytes} bytes`);
      const largest = Math.max(...frames.map(({ outerBytes }) => outerBytes));
      assert.ok(largest <= 1514, `${largest} bytes on the wire`);
      if (perDatagram === 1) assert.equal(largest, 1514);
    }
  });

  test("frames from a host that does not take part are dropped, whatever they claim", async () => {
    const x = rig.lab.host("x");
    const { namespace: outside } = x;
    const device = `vxlan id 4097 dstport 4789 local ${x.address} remote ${a.host.address}`.split(" ");
    await must("ip", ["-n", outside, "link", "add", "vx", "address", macOf("10.1.0.13"), "type", ...device]);
    const batch = `link set vx up\naddr add 10.1.0.13/24 dev vx\nneigh add 10.1.0.11 lladdr ${macOf("10.1.0.11")} dev vx\n`;
    await must("ip", ["-n", outside, "-batch", "-"], batch);
    const inject = async (text: string): Promise<boolean> => {
      const heard = await rig.sniff(a.namespace, "eth0");
      await rig.udp({ namespace: outside }, "10.1.0.11", { count: 3, text });
      return heard(text);
    };
    assert.equal(await inject("outsider-one"), false);
    // Control: it is the guard that drops them. The driver, which would put it back, is held.
    const { program } = rig.nodes.get("a") as ProcessNode;
    program.signal("SIGSTOP");
    await must("ip", ["netns", "exec", a.host.namespace, "nft", "flush", "chain", "inet", "skep", "in"]);
    assert.equal(await inject("outsider-two"), true);
    program.signal("SIGCONT");
    await until("the guard is back", 2_000, async () => {
      const { stdout } = await a.host.run("nft", ["list", "chain", "inet", "skep", "in"]);
      return stdout.includes("from no node of the network, IPv4");
    });
    assert.equal(await inject("outsider-three"), false);
    assert.deepEqual(await rig.udp(a, "10.1.0.12"), all);
  });

  test("a container with an exit reaches what is outside, with the host's address; others do not", async () => {
    const host = rig.lab.host("c");
    await rig.serve({ namespace: host.namespace, name: "outside" });
    const heard = await rig.sniff(host.namespace, "eth0");
    assert.deepEqual(await rig.udp(a, host.address, { text: "way-out" }), all);
    assert.deepEqual(await rig.udp(a, host.address6), all);
    assert.equal(await heard("way-out"), true);
    assert.equal((await rig.udp(b, host.address, { count: 3 })).came, 0);
    const { stdout } = await run("ip", ["-n", a.namespace, "-o", "route", "get", host.address]);
    assert.match(stdout, /via 172\.18\.0\.1 dev eth2/);
  });

  test("a container cannot pass itself off as its host by VXLAN through its exit", async () => {
    const heard = await rig.sniff(b.host.namespace, "eth0");
    const frame = `0800000000100100${"ff".repeat(6)}0200000000010800${Buffer.from("forged-by-container").toString("hex")}`;
    const script = `const s = require("node:dgram").createSocket("udp4"); const send = (n) => n === 0 ? s.close() : s.send(Buffer.from(${JSON.stringify(frame)}, "hex"), 4789, ${JSON.stringify(b.host.address)}, () => setTimeout(send, 50, n - 1)); send(5);`;
    await must("ip", ["netns", "exec", a.namespace, process.execPath, "-e", script]);
    assert.equal(await heard("forged-by-container"), false);
    const { stdout } = await a.host.run("nft", ["list", "chain", "inet", "skep", "through"]);
    assert.match(stdout, /counter packets 5 /);
  });
});
