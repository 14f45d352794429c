/**
 * Encrypted networks with the kernel's own ESP, between two hosts: everything arrives and nothing is readable, also while
 * keys are rotated, and while one protection after the other is taken away.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { must } from "../../src/lab/program.ts";
import { until } from "../../src/lab/until.ts";
import type { Network } from "../../src/overlay/messages.ts";
import { spiOf } from "../../src/overlay/spi.ts";
import { noEsp } from "../support/kernel.ts";
import { noLab } from "../support/lab.ts";
import { type Overheard, overhear } from "../support/overlay-canaries.ts";
import { type Container, macOf, OverlayRig } from "../support/overlay-rig.ts";

const skip = noLab || noEsp;
const CANARY = "canary-in-the-encrypted-network";
const SECRET = 4100;
const ROTATIONS = 60;
const PATIENCE_MS = 30_000;

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
    { gateway: "10.4.0.1/24", vni: SECRET },
    { gateway: "fd04::1/64", vni: SECRET },
  ],
  encrypted: true,
};

describe("encrypted networks with the kernel's ESP", { skip }, () => {
  let rig: OverlayRig;
  let a: Container;
  let b: Container;
  let tag = 0xa850;
  const freshKey = (): readonly [number, string] => [++tag, randomBytes(16).toString("hex")];
  before(async () => {
    rig = await OverlayRig.create(["a", "b", "x"], [plain, secret], { inside: true, drivers: ["a", "b"] });
    rig.keys = [freshKey(), freshKey(), freshKey()];
    for (const [host, last] of [
      ["a", 11],
      ["b", 12],
    ] as const) {
      await rig.addContainer(host, "1", [
        { network: "secretnet", addresses: [`10.4.0.${last}/24`, `fd04::${last}/64`] },
        { network: "plainnet", addresses: [`10.1.0.${last}/24`] },
      ]);
    }
    [a, b] = rig.containers as [Container, Container];
    await rig.settle();
    for (const container of rig.containers) await rig.serve(container);
  });
  after(async () => rig?.dispose());

  const inHost = (host: string, ...command: string[]): Promise<string> =>
    must("ip", ["netns", "exec", rig.lab.host(host).namespace, ...command]);
  const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

  function assertSealed(heard: Overheard, what: string): void {
    assert.deepEqual([heard.canaries, heard.vnis.get(SECRET)], [[], undefined], what);
  }

  test("the status says that they are encrypted", async () => {
    const { networks, encryption } = await rig.nodes.get("a")!.settled();
    assert.deepEqual(encryption, { engine: "kernel" });
    const { state, mtu, peers, problems } = networks["secretnet"]!;
    assert.deepEqual([state, mtu, problems], ["ready", 1424, []]);
    assert.equal(peers[b.host.address]?.state, "encrypted");
  });

  test("UDP and TCP arrive, IPv4 and IPv6, and are on the wire in ESP only", async () => {
    const heard = await overhear(rig, [CANARY], async () => {
      for (const address of ["10.4.0.12", "fd04::12"]) {
        assert.deepEqual(await rig.udp(a, address, { text: CANARY }), { sent: 20, came: 20, twice: 0 });
        assert.equal(await rig.tcp(a, address, 200_000, CANARY), 200_000);
      }
    });
    assertSealed(heard, "as set up");
    assert.ok(heard.esp > 300, `${heard.esp} packets of ESP`);
    const control = await overhear(rig, [CANARY], () => rig.udp(a, "10.1.0.12", { text: CANARY }));
    assert.deepEqual([control.canaries, control.esp], [[CANARY], 0]);
  });

  test("the largest packet arrives in one piece", async () => {
    const heard = await overhear(rig, [], async () => {
      assert.equal((await rig.udp(a, "10.4.0.12", { count: 5, bytes: 1424 - 28 })).came, 5);
    });
    // Each is seen where it enters the switch and where it leaves.
    assert.equal(heard.esp, 5 * 2 * 2 + heard.espSmall);
    assert.equal(heard.espBytesMax, 1514);
  });

  test("60 rotations with a second between lose nothing and show nothing", async () => {
    const heard = await overhear(rig, [CANARY], async () => {
      let rotating = true;
      const whileRotating = async <Result>(work: () => Promise<Result>): Promise<Result[]> => {
        const results: Result[] = [];
        while (rotating) results.push(await work());
        return results;
      };
      const datagrams = whileRotating(() => rig.udp(a, "10.4.0.12", { count: 400, gapMs: 20, text: CANARY }));
      const streams = whileRotating(() => rig.tcp(b, "10.4.0.11", 300_000, CANARY));
      for (let rotation = 0; rotation < ROTATIONS; rotation++) {
        rig.keys = [...rig.keys.slice(1), freshKey()];
        rig.want();
        // What is under way has to arrive before the key after the next retires its own.
        await pause(1_000);
      }
      rotating = false;
      for (const { came, twice } of await datagrams) assert.deepEqual([came, twice], [400, 0]);
      for (const came of await streams) assert.equal(came, 300_000);
    });
    assertSealed(heard, "while rotating");
    assert.ok(heard.esp > 5_000, `${heard.esp} packets of ESP`);
    for (const node of rig.nodes.values()) {
      const status = await node.settled();
      assert.equal(status.networks["secretnet"]?.state, "ready");
      assert.equal(node.repairs, 0);
    }
    const states = (await inHost("a", "ip", "xfrm", "state")).match(/^src/gm)?.length;
    assert.equal(states, 7, "three keys in two spellings to receive with, one to send with");
  });

  /** What is done in host A while canaries are sent from there, and whether its driver lives on. */
  const taken: Readonly<Record<string, readonly [alive: boolean, ...commands: string[][]]>> = {
    "policies are flushed": [true, ["ip", "xfrm", "policy", "flush"]],
    "associations are flushed": [true, ["ip", "xfrm", "state", "flush"]],
    "the packet filter is flushed": [true, ["nft", "flush", "ruleset"]],
    "policies are flushed and nobody repairs": [false, ["ip", "xfrm", "policy", "flush"]],
    "associations are flushed and nobody repairs": [false, ["ip", "xfrm", "state", "flush"]],
    "the packet filter is flushed and nobody repairs": [false, ["nft", "flush", "ruleset"]],
    "another tool marks everything": [
      true,
      ["nft", "add table inet other"],
      ["nft", "add chain inet other out { type route hook output priority -140; }"],
      ["nft", "add rule inet other out meta mark set 7"],
    ],
    "the way to the peer has another source": [
      true,
      ["ip", "addr", "add", "10.99.0.99/24", "dev", "eth0"],
      ["ip", "route", "replace", "10.99.0.2/32", "dev", "eth0", "src", "10.99.0.99"],
    ],
  };

  for (const [what, [alive, ...commands]] of Object.entries(taken)) {
    test(`${what}: nothing leaves in clear`, async () => {
      try {
        const heard = await overhear(rig, [CANARY], async () => {
          assert.equal((await rig.udp(a, "10.4.0.12", { count: 5, text: CANARY })).came, 5);
          if (!alive) await rig.nodes.get("a")!.kill();
          const sending = rig.udp(a, "10.4.0.12", { count: 300, gapMs: 20, text: CANARY });
          await pause(2_000);
          for (const command of commands) await inHost("a", ...command);
          await sending;
        });
        assertSealed(heard, what);
        assert.ok(heard.esp >= 5 * 2 * 2, `${heard.esp} packets of ESP`);
      } finally {
        if (!alive) (await rig.start("a")).want(rig.wantedOf(a.host));
        await rig.nodes.get("a")!.settled();
      }
      await until("traffic is back", PATIENCE_MS, async () => (await rig.udp(a, "10.4.0.12", { count: 5 })).came === 5);
      assert.equal((await rig.nodes.get("a")!.settled()).networks["secretnet"]?.state, "ready");
    });
  }

  /** A VXLAN packet to host A with the VNI of the encrypted network, for its container, from UDP of another host. */
  async function inject(host: string, text: string): Promise<boolean> {
    const heard = await rig.sniff(a.namespace, "eth0");
    const mac = (address: string): string => macOf(address).replaceAll(":", "");
    const header = `08000000${SECRET.toString(16).padStart(6, "0")}00`;
    const frame = `${header}${mac("10.4.0.11")}${mac("10.4.0.12")}0800${Buffer.from(text.padEnd(64)).toString("hex")}`;
    const to = JSON.stringify(a.host.address);
    const script = `const s = require("node:dgram").createSocket("udp4"); let n = 3; const send = () => n-- === 0 ? s.close() : s.send(Buffer.from("${frame}", "hex"), 4789, ${to}, () => setTimeout(send, 50)); send();`;
    await inHost(host, process.execPath, "-e", script);
    await pause(300);
    return heard(text);
  }

  /** While nobody repairs it. */
  async function withoutGuard(host: string, chain: "in" | "out", during: () => Promise<void>): Promise<void> {
    await rig.nodes.get(host)!.kill();
    try {
      await inHost(host, "nft", "flush", "chain", "inet", "skep", chain);
      await during();
    } finally {
      (await rig.start(host)).want(rig.wantedOf(rig.lab.host(host)));
      await rig.nodes.get(host)!.settled();
    }
  }

  test("VXLAN in clear is not let in, from a member neither", async () => {
    assert.equal(await inject("x", "clear-from-outside"), false);
    await withoutGuard("b", "out", async () => assert.equal(await inject("b", "clear-from-a-member"), false));
    const { stdout } = await a.host.run("nft", ["list", "chain", "inet", "skep", "in"]);
    assert.match(stdout, /counter packets 6 .*"in clear"/);
    // Control: it is the guard that keeps it out.
    await withoutGuard("a", "in", async () => assert.equal(await inject("x", "clear-without-a-guard"), true));
    assert.equal(await inject("x", "clear-with-a-guard-again"), false);
  });

  test("ESP of somebody else is not let in", async () => {
    const x = rig.lab.host("x");
    const key = `0x${randomBytes(20).toString("hex")}`;
    const ends = ["src", x.address, "dst", a.host.address, "proto", "esp", "spi", "0x7777", "reqid", "7"];
    for (const host of ["x", "a"]) {
      const algorithm = ["aead", "rfc4106(gcm(aes))", key, "128"];
      await inHost(host, "ip", "xfrm", "state", "add", ...ends, "mode", "transport", ...algorithm);
    }
    const template = [
      "tmpl",
      "src",
      x.address,
      "dst",
      a.host.address,
      "proto",
      "esp",
      "reqid",
      "7",
      "mode",
      "transport",
    ];
    await inHost(
      "x",
      "ip",
      "xfrm",
      "policy",
      "add",
      "dir",
      "out",
      "src",
      x.address,
      "dst",
      a.host.address,
      ...template,
    );
    assert.equal(await inject("x", "foreign-esp"), false);
    const { stdout } = await a.host.run("nft", ["list", "chain", "inet", "skep", "in"]);
    assert.match(stdout, /counter packets 3 .*"by another's association"/);
    assert.match(await inHost("a", "ip", "xfrm", "state"), /spi 0x00007777/, "it is not ours to remove");
  });

  test("an association that cannot be added leaves the old key in use, and the reason in the status", async () => {
    const next = [...rig.keys.slice(1), freshKey()];
    const spi = spiOf(a.host.address, b.host.address, BigInt(next[1]![0]), "mapped");
    const foreign = ["src", a.host.address, "dst", b.host.address, "proto", "esp", "spi", `0x${spi.toString(16)}`];
    const algorithm = ["aead", "rfc4106(gcm(aes))", `0x${randomBytes(20).toString("hex")}`, "64"];
    await inHost("a", "ip", "xfrm", "state", "add", ...foreign, "reqid", "7", "mode", "transport", ...algorithm);
    rig.keys = next;
    rig.want();
    const node = rig.nodes.get("a")!;
    await until("it is told", PATIENCE_MS, () => node.status?.networks["secretnet"]?.peers[b.host.address]?.why);
    assert.match(node.status!.networks["secretnet"]!.peers[b.host.address]!.why!, /add association .*EEXIST/);
    const heard = await overhear(rig, [CANARY], async () => {
      assert.equal((await rig.udp(a, "10.4.0.12", { text: CANARY })).came, 20);
    });
    assertSealed(heard, "with a foreign association in the way");
    await inHost("a", "ip", "xfrm", "state", "delete", ...foreign.slice(2));
    await until("it works again", PATIENCE_MS, () => node.status?.settled === true);
  });

  test("a restart adopts everything and loses nothing", async () => {
    const before = await inHost("a", "ip", "-s", "xfrm", "state");
    const stream = rig.udp(a, "10.4.0.12", { count: 400, gapMs: 20, text: CANARY });
    await pause(1_500);
    await rig.nodes.get("a")!.kill();
    await pause(500);
    (await rig.start("a")).want(rig.wantedOf(a.host));
    assert.deepEqual(await stream, { sent: 400, came: 400, twice: 0 });
    const added = (text: string): string[] => [...text.matchAll(/add (\S+ \S+)/g)].map(([, when]) => when!);
    assert.deepEqual(added(await inHost("a", "ip", "-s", "xfrm", "state")), added(before));
    assert.equal(rig.nodes.get("a")!.repairs, 0);
  });
});
