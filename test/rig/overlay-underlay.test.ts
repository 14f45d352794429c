/** Overlay networks on other underlays: IPv6, and paths that are narrower than usual. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { must } from "../../src/lab/program.ts";
import { until } from "../../src/lab/until.ts";
import type { Network } from "../../src/overlay/messages.ts";
import { noLab } from "../support/lab.ts";
import { OverlayRig, type RigOptions } from "../support/overlay-rig.ts";

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

async function withTwoHosts(network: Network, options: RigOptions, use: (rig: OverlayRig) => Promise<void>) {
  const rig = await OverlayRig.create(["a", "b"], [network], options);
  try {
    for (const [host, last] of [
      ["a", 11],
      ["b", 12],
    ] as const) {
      const addresses = [`10.1.0.${last}/24`, `fd01::${last}/64`];
      await rig.addContainer(host, "1", [{ network: "rednet", addresses }]);
    }
    await rig.settle();
    for (const container of rig.containers) await rig.serve(container);
    await use(rig);
  } finally {
    await rig.dispose();
  }
}

describe("underlays", { skip }, () => {
  test("the underlay may be IPv6, with room for its larger header", async () => {
    await withTwoHosts(red, { ipv6: true, port: 8472 }, async (rig) => {
      const { mtu } = (await rig.nodes.get("a")!.settled()).networks["rednet"]!;
      assert.equal(mtu, 1430);
      const [a] = rig.containers;
      for (const address of ["10.1.0.12", "fd01::12"]) {
        assert.equal((await rig.udp(a!, address)).came, 20);
        assert.equal(await rig.tcp(a!, address, 300_000), 300_000);
      }
      assert.equal((await rig.udp(a!, "10.1.0.12", { count: 5, bytes: mtu - 28 })).came, 5);
    });
  });

  test("a narrow path to one node is noticed, and packets fit again", async () => {
    await withTwoHosts(red, {}, async (rig) => {
      const [a, b] = rig.containers;
      for (const { host } of [a!, b!]) {
        const other = host === a!.host ? b!.host : a!.host;
        const route = ["route", "add", `${other.address}/32`, "dev", "eth0", "mtu", "1400"];
        await must("ip", ["-n", host.namespace, ...route]);
      }
      for (const node of rig.nodes.values()) {
        await until("the path is measured", 5_000, () => node.status?.networks["rednet"]?.mtu === 1350);
        await node.settled();
      }
      assert.match(await must("ip", ["-n", a!.namespace, "link", "show", "eth0"]), /mtu 1350 /);
      assert.equal((await rig.udp(a!, "10.1.0.12", { count: 5, bytes: 1350 - 28 })).came, 5);
      assert.equal(await rig.tcp(a!, "10.1.0.12", 300_000), 300_000);
      for (const node of rig.nodes.values()) assert.equal(node.repairs, 0);
    });
  });

  test("the network's option makes packets smaller still", async () => {
    await withTwoHosts({ ...red, mtu: 1_400 }, {}, async (rig) => {
      const [a] = rig.containers;
      assert.match(await must("ip", ["-n", a!.namespace, "link", "show", "eth0"]), /mtu 1350 /);
      assert.equal((await rig.udp(a!, "fd01::12", { count: 5, bytes: 1350 - 48 })).came, 5);
    });
  });
});
