/**
 * Encrypted networks on a kernel that cannot encrypt: they are refused with a reason, and nothing of them leaves a host,
 * whatever is taken away.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { must } from "../../src/lab/program.ts";
import type { Network } from "../../src/overlay/messages.ts";
import { noEsp } from "../support/kernel.ts";
import { noLab } from "../support/lab.ts";
import { overhear } from "../support/overlay-canaries.ts";
import { type Container, OverlayRig } from "../support/overlay-rig.ts";

const skip = noLab || (noEsp === false ? "this kernel has ESP; test/vm/overlay.test.ts is for it" : false);
const CANARY = "canary-in-the-encrypted-network";
const CONTROL = "canary-in-the-plain-network";

const plain: Network = {
  id: "plainnet",
  subnets: [{ gateway: "10.1.0.1/24", vni: 4097 }],
  encrypted: false,
  internal: false,
  mtu: undefined,
  members: [],
};
const secret: Network = {
  ...plain,
  id: "secretnet",
  subnets: [
    { gateway: "10.4.0.1/24", vni: 4100 },
    { gateway: "fd04::1/64", vni: 4100 },
  ],
  encrypted: true,
};

describe("encrypted networks without ESP", { skip }, () => {
  let rig: OverlayRig;
  let a: Container;
  let beside: Container;
  before(async () => {
    rig = await OverlayRig.create(["a", "b", "c"], [plain, secret]);
    rig.keys = [1, 2, 3].map((at) => [0xa850 + at, `${at}`.repeat(32)] as const);
    const add = (host: string, name: string, last: number): Promise<Container> =>
      rig.addContainer(host, name, [
        { network: "secretnet", addresses: [`10.4.0.${last}/24`, `fd04::${last}/64`] },
        { network: "plainnet", addresses: [`10.1.0.${last}/24`] },
      ]);
    a = await add("a", "1", 11);
    beside = await add("a", "2", 14);
    await add("b", "1", 12);
    await add("c", "1", 13);
    await rig.settle();
    for (const container of rig.containers) await rig.serve(container);
  });
  after(async () => rig.dispose());

  async function sendCanaries(from: Container): Promise<void> {
    for (const address of ["10.4.0.12", "fd04::13"]) {
      assert.equal((await rig.udp(from, address, { count: 10, text: CANARY })).came, 0);
    }
    assert.equal(await rig.tcp(from, "10.4.0.12", 10_000, CANARY), 0);
  }
  const pause = (ms: number): Promise<undefined> => new Promise((done) => setTimeout(done, ms, undefined));

  test("they are blocked on every host, and the status says why", async () => {
    for (const node of rig.nodes.values()) {
      const status = await node.settled();
      assert.equal(status.encryption.engine, "none");
      const { state, problems, peers } = status.networks["secretnet"]!;
      assert.equal(state, "blocked");
      assert.match(problems[0]!, /this kernel cannot encrypt: it refuses ESP with AES-GCM \(E[A-Z]+\)/);
      assert.equal(Object.values(peers).length, 2);
      for (const peer of Object.values(peers)) assert.equal(peer.state, "blocked");
      assert.equal(status.networks["plainnet"]?.state, "ready");
    }
  });

  test("containers of one host reach each other in them, and the plain network works", async () => {
    assert.equal((await rig.udp(a, "10.4.0.14")).came, 20);
    assert.equal((await rig.udp(beside, "fd04::11")).came, 20);
    assert.equal((await rig.udp(a, "10.1.0.12")).came, 20);
  });

  test("no byte of them is on any link; the same search finds what is sent in the plain network", async () => {
    const heard = await overhear(rig, [CANARY, CONTROL], async () => {
      await sendCanaries(a);
      await rig.udp(a, "10.1.0.12", { text: CONTROL });
    });
    assert.deepEqual([heard.canaries, [...heard.vnis.keys()], heard.esp], [[CONTROL], [4097], 0]);
  });

  const taken: Readonly<Record<string, () => Promise<unknown>>> = {
    "policies are flushed": () => inHosts("ip", "xfrm", "policy", "flush"),
    "associations are flushed": () => inHosts("ip", "xfrm", "state", "flush"),
    "the packet filter is flushed": () => inHosts("nft", "flush", "ruleset"),
    "both are flushed and the drivers are killed": async () => {
      for (const node of rig.nodes.values()) await node.kill();
      await inHosts("ip", "xfrm", "policy", "flush");
      await inHosts("nft", "flush", "ruleset");
    },
  };

  async function inHosts(...command: string[]): Promise<void> {
    for (const { namespace } of rig.lab.hosts) await must("ip", ["netns", "exec", namespace, ...command]);
  }

  for (const [what, take] of Object.entries(taken)) {
    test(`the same when ${what}`, async () => {
      const heard = await overhear(rig, [CANARY], async () => {
        const sending = sendCanaries(a);
        await pause(200);
        await take();
        await sending;
        await sendCanaries(a);
      });
      assert.deepEqual([heard.canaries, heard.vnis.get(4100), heard.esp], [[], undefined, 0]);
    });
  }
});
