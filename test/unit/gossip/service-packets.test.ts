import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { networkMatch } from "../../../src/base/ip.ts";
import { SymmetricKey } from "../../../src/crypt/aead.ts";
import { lan } from "../../../src/gossip/config.ts";
import type { GossipInput } from "../../../src/gossip/effects.ts";
import { Keyring } from "../../../src/gossip/keyring.ts";
import type { PacketMessage } from "../../../src/gossip/messages.ts";
import { PacketCodec } from "../../../src/gossip/packet.ts";
import { Incidents } from "../../../src/gossip/service-incidents.ts";
import { PacketShell } from "../../../src/gossip/service-packets.ts";
import { systemClock as clock } from "../../../src/os/clock.ts";
import { systemRandom } from "../../../src/os/random.ts";
import { systemDatagrams } from "../../../src/os/udp.ts";
import { recordingLog } from "../../support/recording-log.ts";
import { until } from "../../support/until.ts";

const random = systemRandom();
const suspect = (incarnation: number): PacketMessage => ({ kind: "suspect", incarnation, node: "x", from: "y" });
const ping = (seqNo: number): PacketMessage => ({ kind: "ping", seqNo, node: "" });
const kinds = (inputs: readonly GossipInput[]) =>
  inputs.flatMap((input) => (input.on === "packet" ? input.messages.map(({ kind }) => kind) : [input.on]));

interface Setup {
  readonly cidrsAllowed?: readonly string[];
  readonly depth?: number;
  readonly key?: SymmetricKey;
  /** Seen before the engine would. */
  readonly onInput?: (input: GossipInput) => void;
}

/** A shell on loopback that remembers what it would give to an engine. */
async function open({ cidrsAllowed, depth = 1024, key, onInput }: Setup = {}) {
  const { log, lines } = recordingLog();
  const incidents = new Incidents(log, clock.now);
  const keyring = new Keyring(key === undefined ? [] : [key]);
  const inputs: GossipInput[] = [];
  const give = (input: GossipInput): void => {
    inputs.push(input);
    onInput?.(input);
  };
  const codec = new PacketCodec({ config: lan, keyring }, { random });
  const options = { handoffQueueDepth: depth, allowed: networkMatch(cidrsAllowed), codec, incidents, give };
  const shell = new PacketShell(options, { clock });
  const local = await shell.bind(systemDatagrams, { address: "127.0.0.1", port: 0 });
  return { shell, local, inputs, incidents, lines, codec };
}

test("probe traffic reaches the engine before what came with it and before what waits", async () => {
  const a = await open();
  const b = await open();
  a.shell.send(b.local, [suspect(1), ping(1), suspect(2)], true);
  await until(() => b.inputs.length === 3);
  assert.deepEqual(kinds(b.inputs), ["ping", "suspect", "suspect"]);
  assert.deepEqual(b.inputs[0], { on: "packet", from: a.local, messages: [ping(1)] });
  assert.deepEqual(b.shell.counts().queue, { high: 0, normal: 0 });
  assert.equal(a.shell.counts().bytesOut, b.shell.counts().bytesIn);
  await Promise.all([a.shell.close(), b.shell.close()]);
});

test("a storm of state messages does not delay the answer to a ping", async () => {
  const a = await open();
  // An engine that needs 2 ms for each suspicion: 100 of them are 200 ms of work.
  const slow = (input: GossipInput): void => {
    if (kinds([input])[0] !== "suspect") return;
    const done = clock.now() + 2;
    while (clock.now() < done);
  };
  const b = await open({ onInput: slow });
  for (let packet = 0; packet < 10; packet++) {
    a.shell.send(
      b.local,
      Array.from({ length: 10 }, (_, index) => suspect(packet * 10 + index)),
      false,
    );
  }
  a.shell.send(b.local, [ping(1)], false);
  await until(() => b.inputs.length === 101);
  const place = kinds(b.inputs).indexOf("ping");
  assert.ok(place < 50, `the ping was number ${place}`);
  await Promise.all([a.shell.close(), b.shell.close()]);
});

test("beyond the depth of the queue messages are dropped and counted", async () => {
  const a = await open();
  const b = await open({ depth: 3 });
  a.shell.send(
    b.local,
    Array.from({ length: 10 }, (_, index) => suspect(index)),
    false,
  );
  await until(() => b.inputs.length === 3);
  assert.equal(b.incidents.counts().drops.queueFull, 7);
  await Promise.all([a.shell.close(), b.shell.close()]);
});

test("a flood of garbage is counted by reason, logged in a few lines, and harms nobody", async () => {
  const key = new SymmetricKey(randomBytes(32));
  const a = await open();
  const b = await open({ key });
  const sealed = new PacketCodec({ config: lan, keyring: new Keyring([key]) }, { random });
  const other = new PacketCodec({ config: lan, keyring: new Keyring([new SymmetricKey(randomBytes(32))]) }, { random });
  const socket = await systemDatagrams.bind(
    { address: "127.0.0.1", port: 0 },
    () => undefined,
    () => undefined,
  );
  const good = sealed.encode([ping(1)], false);
  const flood = async (bytes: Uint8Array): Promise<void> => {
    const before = b.shell.counts().packetsIn;
    socket.send(bytes, b.local);
    await until(() => b.shell.counts().packetsIn > before);
  };
  for (let round = 0; round < 50; round++) {
    await flood(randomBytes(1 + Math.floor(Math.random() * 1400)));
    await flood(other.encode([ping(2)], true));
    a.shell.send(b.local, [ping(3)], false);
  }
  await flood(new Uint8Array(0));
  await flood(good);
  await flood(good);
  await until(() => b.shell.counts().packetsIn === 153);
  const { drops, bugs } = b.incidents.counts();
  assert.equal(bugs, 0);
  assert.equal(drops.plaintext, 50);
  assert.ok(drops.undecryptable >= 50);
  assert.equal(drops.replayed, 1);
  assert.equal(drops.emptyMessage, 1);
  assert.deepEqual(kinds(b.inputs), ["ping"]);
  assert.ok(b.lines.length <= 20, `${b.lines.length} lines`);
  await Promise.all([a.shell.close(), b.shell.close(), socket.close()]);
});

test("packets from outside the allowed networks are dropped unread", async () => {
  const a = await open();
  const b = await open({ cidrsAllowed: ["10.0.0.0/8"] });
  a.shell.send(b.local, [ping(1)], false);
  await until(() => b.incidents.counts().drops.notAllowed === 1);
  assert.deepEqual(b.inputs, []);
  await Promise.all([a.shell.close(), b.shell.close()]);
});

test("what the system refuses to send is told to the engine and counted", async () => {
  const a = await open();
  const nowhere = { address: "::1", port: 9 };
  a.shell.send(nowhere, [ping(1)], false);
  await until(() => a.inputs.length === 1);
  assert.deepEqual(a.inputs, [{ on: "sendFailed", to: nowhere }]);
  assert.equal(a.incidents.counts().socketErrors, 1);
  await a.shell.close();
});

test("what cannot be encoded is counted, not thrown: too long is its author's fault, no messages a bug of ours", async () => {
  const a = await open();
  a.shell.send(a.local, [{ kind: "user", payload: randomBytes(70_000) }], false);
  assert.deepEqual([a.incidents.counts().socketErrors, a.incidents.counts().bugs], [1, 0]);
  a.shell.send(a.local, [], false);
  assert.deepEqual([a.incidents.counts().socketErrors, a.incidents.counts().bugs], [1, 1]);
  assert.equal(a.shell.counts().packetsOut, 0);
  await a.shell.close();
});
