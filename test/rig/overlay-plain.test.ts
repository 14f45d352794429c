/** Plain overlay networks between three hosts, with real driver processes and the kernel's VXLAN. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Network } from "../../src/overlay/messages.ts";
import { noLab } from "../support/lab.ts";
import { type Container, OverlayRig } from "../support/overlay-rig.ts";

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
  let [a, b, c]: Container[] = [];
  before(async () => {
    rig = await OverlayRig.create(["a", "b", "c"], [red, blue]);
    a = await rig.addContainer("a", "1", [
      { network: "rednet", addresses: ["10.1.0.11/24", "fd01::11/64"] },
      { network: "bluenet", addresses: ["10.2.0.11/24"] },
    ]);
    b = await rig.addContainer("b", "1", [
      { network: "rednet", addresses: ["10.1.0.12/24", "fd01::12/64"] },
      { network: "bluenet", addresses: ["10.3.0.12/24"] },
    ]);
    c = await rig.addContainer("c", "1", [{ network: "rednet", addresses: ["10.1.0.13/24", "fd01::13/64"] }]);
    await rig.settle();
    for (const container of rig.containers) await rig.serve(container);
  });
  after(async () => rig.dispose());

  test("containers reach each other across hosts, IPv4 and IPv6, UDP and TCP", async () => {
    for (const [from, to] of [
      [a, "10.1.0.12"],
      [b, "10.1.0.13"],
      [c, "10.1.0.11"],
      [a, "fd01::13"],
      [c, "fd01::12"],
    ] as const) {
      assert.deepEqual(await rig.udp(from!, to), { sent: 20, came: 20, twice: 0 }, to);
      assert.equal(await rig.tcp(from!, to, 1_000_000), 1_000_000, to);
    }
  });
});
