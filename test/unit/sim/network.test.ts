import assert from "node:assert/strict";
import { test } from "node:test";
import { dial } from "../../../src/sim/exchange.ts";
import { Host } from "../../../src/sim/host.ts";
import { type Attachment, type Link, Network, quietLink } from "../../../src/sim/network.ts";
import { World } from "../../../src/sim/world.ts";

interface Pair {
  readonly world: World;
  readonly network: Network<number, string>;
  readonly nodes: Attachment<number, string>[];
  /** What arrived, by node. */
  readonly datagrams: number[][];
}

function pair(link: Partial<Link> = {}, count = 2): Pair {
  const world = new World({ seed: 42 });
  const network = new Network<number, string>(world, { ...quietLink, ...link });
  const datagrams: number[][] = [];
  const nodes = Array.from({ length: count }, (_, index) => {
    const received: number[] = [];
    datagrams.push(received);
    return network.attach(
      new Host(world),
      { address: `10.0.0.${index + 1}`, port: 7946 },
      {
        datagram: (payload) => received.push(payload),
        request: (payload, _from, stream) => (payload === "close" ? stream.close() : stream.reply(`${payload}!`, 5)),
      },
    );
  });
  return { world, network, nodes, datagrams };
}

function ask(
  { world, network, nodes }: Pair,
  request = "hello",
  { timeoutMs = 10_000, expectsReply = true } = {},
): { readonly heard: string[]; readonly hangUp: () => void } {
  const heard: string[] = [];
  const say = (what: string): void => void heard.push(`${what} ${Math.round(world.now())}`);
  const to = nodes[1]!.endpoint;
  const hangUp = dial(
    network,
    nodes[0]!,
    { to, request, bytes: 100, timeoutMs, expectsReply },
    {
      response: (payload) => say(payload),
      sent: () => say("sent"),
      failed: (why) => say(why),
    },
  );
  return { heard, hangUp };
}

test("loss takes its share of datagrams, duplication adds its own", () => {
  const lossy = pair({ loss: 0.25, duplicate: 0.1 });
  for (let at = 0; at < 10_000; at++) lossy.network.send(lossy.nodes[0]!, lossy.nodes[1]!.endpoint, at, 10);
  lossy.world.run(10_000);
  const arrived = lossy.datagrams[1]!;
  assert.ok(Math.abs(new Set(arrived).size - 7_500) < 200, `${new Set(arrived).size} of 10,000`);
  assert.ok(Math.abs(arrived.length - new Set(arrived).size - 750) < 120, `${arrived.length} with copies`);
  assert.equal(lossy.nodes[0]!.traffic.datagramsSent, 10_000);
  assert.equal(lossy.nodes[0]!.traffic.datagramBytesSent, 100_000);
});

test("a link without jitter keeps order, one that reorders does not", () => {
  for (const [link, ordered] of [
    [{ jitterMs: 0 }, true],
    [{ jitterMs: 0, reorder: 0.1 }, false],
  ] as const) {
    const { world, network, nodes, datagrams } = pair(link);
    for (let at = 0; at < 1_000; at++) world.at(at, () => network.send(nodes[0]!, nodes[1]!.endpoint, at, 10));
    world.run(2_000);
    const arrived = datagrams[1]!;
    assert.equal(arrived.length, 1_000);
    assert.equal(
      arrived.every((value, at) => at === 0 || arrived[at - 1]! < value),
      ordered,
    );
  }
});

test("a one-way cut stops one direction only, and heals", () => {
  const { world, network, nodes, datagrams } = pair();
  const both = (value: number): void => {
    network.send(nodes[0]!, nodes[1]!.endpoint, value, 1);
    network.send(nodes[1]!, nodes[0]!.endpoint, value, 1);
    world.run(100);
  };
  const cut = network.cut([0], [1], { oneWay: true });
  both(1);
  cut.heal();
  both(2);
  assert.deepEqual(datagrams, [[1, 2], [2]]);
});

test("loss can differ by direction and by link", () => {
  const { world, network, nodes, datagrams } = pair({}, 3);
  network.setPairLink(0, 1, { loss: 1 });
  network.setNodeLink(2, { loss: 1 });
  network.send(nodes[0]!, nodes[1]!.endpoint, 1, 1);
  network.send(nodes[1]!, nodes[0]!.endpoint, 2, 1);
  network.send(nodes[2]!, nodes[0]!.endpoint, 3, 1);
  world.run(100);
  assert.deepEqual(datagrams, [[2], [], []]);
});

test("a stream answer takes four trips", () => {
  const calm = pair({ delayMs: 10, jitterMs: 0 });
  const { heard } = ask(calm);
  calm.world.run(1_000);
  assert.deepEqual(heard, ["hello! 40"]);
});

test("a stream that expects nothing is written when the connection stands", () => {
  const calm = pair({ delayMs: 10, jitterMs: 0 });
  const { heard } = ask(calm, "hello", { expectsReply: false });
  calm.world.run(1_000);
  assert.deepEqual(heard, ["sent 20"]);
});

test("a server that closes fails the exchange", () => {
  const calm = pair({ delayMs: 10, jitterMs: 0 });
  const { heard } = ask(calm, "close");
  calm.world.run(1_000);
  assert.deepEqual(heard, ["closed 40"]);
});

test("a cut stream fails by time-out, once; one that heals in time goes on by retransmission", () => {
  const dead = pair({ delayMs: 10, jitterMs: 0 });
  dead.network.cut([0], [1]);
  const failed = ask(dead);
  dead.world.run(100_000);
  assert.deepEqual(failed.heard, ["timeout 10000"]);

  const healing = pair({ delayMs: 10, jitterMs: 0 });
  const cut = healing.network.cut([0], [1]);
  const saved = ask(healing);
  healing.world.at(2_500, () => cut.heal());
  healing.world.run(100_000);
  assert.deepEqual(saved.heard, ["hello! 3040"]);
});

test("nobody hears of an exchange that was hung up, nor after a crash", () => {
  const calm = pair();
  const hung = ask(calm);
  hung.hangUp();
  const crashed = ask(calm);
  calm.nodes[0]!.host.crash();
  calm.nodes[0]!.host.restart();
  calm.world.run(100_000);
  assert.deepEqual([...hung.heard, ...crashed.heard], []);
});

test("a dead server is silent", () => {
  const calm = pair();
  calm.nodes[1]!.host.crash();
  const { heard } = ask(calm);
  calm.world.run(100_000);
  assert.deepEqual(heard, ["timeout 10000"]);
});
