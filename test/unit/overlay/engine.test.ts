/** The engine over a model of the kernel: it settles, repairs, retries, adopts, and tells what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RingKey } from "../../../src/model/ring-key.ts";
import { CarryOut } from "../../../src/overlay/carry-out.ts";
import { overlayConfig } from "../../../src/overlay/config.ts";
import type {
  Observation,
  Operation,
  OverlayEffect,
  OverlayInput,
  OverlayStatus,
} from "../../../src/overlay/effects.ts";
import { OverlayEngine } from "../../../src/overlay/engine.ts";
import type { Network, Peer, Wanted } from "../../../src/overlay/messages.ts";
import { associationKey, describe, keyOf } from "../../../src/overlay/row-key.ts";
import { spiOf } from "../../../src/overlay/spi.ts";
import { ModelKernel } from "../../support/model-kernel.ts";

const config = overlayConfig("10.99.0.1");
const keys = [1, 2, 3, 4].map((at) => new RingKey(BigInt(0x100 + at), new Uint8Array(16).fill(at)));

/** An engine in a world of its own. */
class World {
  readonly engine = new OverlayEngine(config);
  kernel = new ModelKernel();
  now = 1_000;
  done: Operation[] = [];
  status: OverlayStatus | undefined;
  esp: Observation["esp"] = { available: true };
  usage = new Map<string, { packets: number; sequence: number }>();
  pathMtus = new Map<string, number>();
  refuse: (operation: Operation) => string | undefined = () => undefined;

  give(input: OverlayInput | { on: "wake" }): void {
    for (const effect of this.engine.step(this.now, input)) this.#perform(effect);
  }

  /** Let time pass, with a wake-up whenever the engine asked for one. */
  pass(ms: number): void {
    const until = this.now + ms;
    while (this.engine.deadline() <= until) {
      this.now = Math.max(this.now, this.engine.deadline());
      this.give({ on: "wake" });
    }
    this.now = until;
  }

  #perform(effect: OverlayEffect): void {
    if (effect.do === "tell") this.status = effect.status;
    if (effect.do === "observe") {
      const { esp, usage, pathMtus } = this;
      const rows = [...this.kernel.rows.values()];
      this.give({ on: "observed", observation: { rows, esp, usage, pathMtus, closed: new Map() } });
    }
    if (effect.do !== "apply") return;
    const carry = new CarryOut(effect.steps);
    for (let step = carry.next(); step !== undefined; step = carry.next()) {
      const refusal = this.refuse(step.operation);
      if (refusal === undefined) {
        this.kernel.apply(step.operation);
        this.done.push(step.operation);
      }
      carry.report(refusal === undefined ? "done" : { failed: refusal });
    }
    this.give({ on: "applied", outcomes: carry.outcomes });
  }
}

function network(id: string, encrypted: boolean, vni: number): Network {
  const subnets = [{ gateway: `10.${vni % 200}.0.1/24`, vni }];
  return { id, subnets, encrypted, internal: false, mtu: undefined, members: [] };
}

function peer(id: string, vni: number, last: number, vtep: string): Peer {
  const mac = `02:42:0a:01:00:${last.toString(16).padStart(2, "0")}`;
  return { network: id, endpoint: "ab".repeat(8), address: `10.${vni % 200}.0.${last}/24`, mac, vtep };
}

const B = "10.99.0.2";
const C = "10.99.0.3";
const wanted: Wanted = {
  networks: [network("plain", false, 4097), network("secret", true, 4098)],
  endpoints: [],
  exits: [],
  peers: [peer("plain", 4097, 5, B), peer("secret", 4098, 6, B), peer("secret", 4098, 7, C)],
  keys: keys.slice(0, 3),
};

function settledWorld(): World {
  const world = new World();
  world.give({ on: "want", wanted });
  assert.equal(world.status?.settled, true);
  world.done = [];
  return world;
}

test("what is wanted is made at once, read back, and told", () => {
  const world = settledWorld();
  const { networks, encryption } = world.status!;
  assert.deepEqual(encryption, { engine: "kernel", why: undefined });
  assert.deepEqual(
    [...networks].map(([id, { state, mtu }]) => [id, state, mtu]),
    [
      ["plain", "ready", 1450],
      ["secret", "ready", 1424],
    ],
  );
  assert.deepEqual(
    [...networks.get("secret")!.peers.values()].map(({ state }) => state),
    ["encrypted", "encrypted"],
  );
  assert.deepEqual(
    [...networks.get("plain")!.peers.values()].map(({ state }) => state),
    ["plain"],
  );
});

test("after a restart it touches nothing that is right", () => {
  const before = settledWorld();
  const after = new World();
  after.kernel = before.kernel;
  after.give({ on: "want", wanted });
  assert.deepEqual(after.done, []);
  assert.equal(after.status?.settled, true);
});

test("drift is repaired at the next audit, within 2 s, and counted; at once when it is reported", () => {
  const world = settledWorld();
  const entry = [...world.kernel.rows.values()].find(({ kind }) => kind === "forwarding")!;
  world.kernel.remove(keyOf(entry));
  world.pass(2_000);
  assert.equal(world.kernel.rows.has(keyOf(entry)), true);
  assert.deepEqual([...world.status!.repairs], [["forwarding", 1]]);
  world.kernel.remove(keyOf(entry));
  world.give({ on: "disturbed", what: "a neighbour" });
  world.pass(50);
  assert.equal(world.kernel.rows.has(keyOf(entry)), true);
  assert.deepEqual([...world.status!.repairs], [["forwarding", 2]]);
});

test("what somebody adds among our own rows is removed and counted", () => {
  const world = settledWorld();
  const planted = {
    kind: "forwarding",
    place: "sandbox:plain",
    link: "vx4097",
    mac: "02:00:00:00:00:66",
    vtep: C,
  } as const;
  world.kernel.apply({ do: "add", row: planted });
  world.pass(2_000);
  assert.equal(world.kernel.rows.has(keyOf(planted)), false);
  assert.deepEqual([...world.status!.repairs], [["forwarding", 1]]);
});

test("changes that were asked for are not counted as repairs", () => {
  const world = settledWorld();
  world.give({ on: "want", wanted: { ...wanted, peers: wanted.peers.slice(0, 2), keys: keys.slice(1) } });
  world.give({ on: "want", wanted });
  world.pass(5_000);
  assert.equal(world.status?.settled, true);
  assert.equal(world.status.repairs.size, 0);
});

test("a refused association blocks its peer with the reason, and is tried again until it works", () => {
  const world = new World();
  world.refuse = ({ do: verb, row }) =>
    verb === "add" && row.kind === "association" && row.association.destination === C ? "ENOSYS" : undefined;
  world.give({ on: "want", wanted });
  const peers = world.status!.networks.get("secret")!.peers;
  assert.equal(world.status?.settled, false);
  assert.equal(peers.get(B)?.state, "encrypted");
  assert.equal(peers.get(C)?.state, "blocked");
  assert.match(peers.get(C)!.why!, /association 10\.99\.0\.3 .*: ENOSYS/);
  assert.equal(world.status.networks.get("secret")!.state, "degraded");
  assert.deepEqual(
    world.kernel.entries(4098).map(({ vtep }) => vtep),
    [B],
  );
  world.refuse = () => undefined;
  world.pass(2_000);
  assert.equal(world.status.settled, true);
  assert.deepEqual(
    world.kernel
      .entries(4098)
      .map(({ vtep }) => vtep)
      .sort(),
    [B, C],
  );
});

test("retries become slower, up to the time of the audit", () => {
  const world = new World();
  let tries = 0;
  world.refuse = ({ row }) => {
    if (row.kind !== "filter") return undefined;
    tries += 1;
    return "ENOMEM";
  };
  world.give({ on: "want", wanted });
  world.pass(60_000);
  assert.ok(tries > 55 && tries < 75, `${tries} tries in a minute`);
});

test("without guards nothing of an encrypted network leaves, and the reason is told", () => {
  const world = new World();
  world.refuse = ({ row }) => (row.kind === "policy" && row.policy.action === "block" ? "EPERM" : undefined);
  world.give({ on: "want", wanted });
  const secret = world.status!.networks.get("secret")!;
  assert.equal(secret.state, "blocked");
  assert.match(secret.problems.join(), /its guards: add policy .*EPERM/);
  assert.deepEqual(world.kernel.entries(4098), []);
  assert.equal(world.kernel.entries(4097).length, 1);
});

test("when the guards cannot be put back, the entries go first", () => {
  const world = settledWorld();
  for (const [key, row] of [...world.kernel.rows]) if (row.kind === "policy") world.kernel.remove(key);
  world.refuse = ({ do: verb, row }) => (verb === "add" && row.kind === "policy" ? "EPERM" : undefined);
  world.give({ on: "disturbed", what: "policies" });
  world.pass(100);
  assert.deepEqual(
    world.done.map(({ do: verb, row }) => `${verb} ${row.kind}`),
    ["delete neighbour", "delete forwarding", "delete neighbour", "delete forwarding"],
  );
  assert.deepEqual(world.kernel.entries(4098), []);
  assert.equal(world.status!.networks.get("secret")!.state, "blocked");
});

test("a kernel without ESP blocks encrypted networks with a clear reason, and no other", () => {
  const world = new World();
  world.esp = { available: false, why: "it has no AES-GCM for ESP (ENOSYS)" };
  world.give({ on: "want", wanted });
  const { networks, encryption } = world.status!;
  assert.equal(encryption.engine, "none");
  assert.equal(networks.get("secret")?.state, "blocked");
  assert.match(networks.get("secret")!.problems[0]!, /cannot encrypt: it has no AES-GCM/);
  assert.match(networks.get("secret")!.peers.get(B)!.why!, /cannot encrypt/);
  assert.deepEqual(world.kernel.entries(4098), []);
  assert.equal(networks.get("plain")?.state, "ready");
});

test("without keys an encrypted network is blocked until they arrive", () => {
  const world = new World();
  world.give({ on: "want", wanted: { ...wanted, keys: [] } });
  assert.match(world.status!.networks.get("secret")!.problems[0]!, /no encryption keys have arrived/);
  assert.deepEqual(world.kernel.entries(4098), []);
  world.give({ on: "want", wanted });
  assert.equal(world.status!.networks.get("secret")!.state, "ready");
});

test("a peer that spells addresses in the short form is answered in it", () => {
  const world = settledWorld();
  const short = associationKey(config.dataPath.bound, spiOf(B, config.dataPath.advertised, keys[1]!.tag, "short"));
  world.usage.set(short, { packets: 3, sequence: 0 });
  world.pass(2_000);
  const expected = spiOf(config.dataPath.advertised, B, keys[1]!.tag, "short");
  assert.equal(world.kernel.rows.has(associationKey(B, expected)), true);
  assert.deepEqual(world.done.map(describe).slice(0, 1), [`add association ${B} ${expected}`]);
  assert.equal(world.status!.repairs.size, 0);
});

test("an association whose sequence numbers are nearly used up is made anew", () => {
  const world = settledWorld();
  const key = associationKey(B, spiOf(config.dataPath.advertised, B, keys[1]!.tag, "mapped"));
  world.usage.set(key, { packets: 4e9, sequence: 0.96 * 2 ** 32 });
  world.give({ on: "disturbed", what: "test" });
  world.usage.set(key, { packets: 4e9, sequence: 0.96 * 2 ** 32 });
  const effects = world.engine.step(world.now + 100, { on: "wake" });
  assert.equal(effects[0]?.do, "observe");
  world.usage.clear();
});

test("a path that is narrower than usual makes the network's packets smaller", () => {
  const world = settledWorld();
  world.pathMtus.set(C, 1400);
  world.pass(2_000);
  assert.equal(world.status!.networks.get("secret")!.mtu, 1324);
  assert.equal(world.status!.networks.get("plain")!.mtu, 1450);
});

test("one wrong network, endpoint or peer does not take the others with it", () => {
  const world = new World();
  const hostile = [
    peer("plain", 4097, 9, "127.0.0.1"),
    { ...peer("plain", 4097, 10, B), address: "8.8.8.8/24" },
    { ...peer("plain", 4097, 11, B), mac: "01:00:5e:00:00:01" },
    { ...peer("plain", 4097, 12, B), address: "10.97.0.1/24" },
    { ...peer("plain", 4097, 13, B), address: "nonsense\u001b[2J" },
    peer("unknown", 4097, 14, B),
  ];
  world.give({
    on: "want",
    wanted: {
      ...wanted,
      networks: [...wanted.networks, network("twin", false, 4097), network("twice", true, 1 << 24)],
      peers: [...wanted.peers, ...hostile],
    },
  });
  assert.equal(world.status?.settled, true);
  const { networks } = world.status;
  assert.match(networks.get("twin")!.problems.join(), /VNI 4097 belongs to another network/);
  assert.match(networks.get("twice")!.problems.join(), /more than 24 bits/);
  assert.match(networks.get("unknown")!.problems.join(), /1 rows are about this network, which is not here/);
  assert.equal(networks.get("plain")!.problems.length, 5);
  assert.equal(networks.get("plain")!.problems.join().includes("\u001b"), false);
  assert.equal(networks.get("secret")!.state, "ready");
  assert.deepEqual(
    world.kernel.entries(4097).map(({ vtep }) => vtep),
    [B],
  );
});
