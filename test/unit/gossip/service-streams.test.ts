import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { networkMatch } from "../../../src/base/ip.ts";
import { SymmetricKey } from "../../../src/crypt/aead.ts";
import { lan } from "../../../src/gossip/config.ts";
import type { GossipInput } from "../../../src/gossip/effects.ts";
import { Keyring } from "../../../src/gossip/keyring.ts";
import { STREAMS_MAX } from "../../../src/gossip/limits.ts";
import type { PushPull, StreamRequest, StreamResponse } from "../../../src/gossip/messages.ts";
import { Incidents } from "../../../src/gossip/service-incidents.ts";
import { StreamShell, UNFINISHED_BYTES_MAX } from "../../../src/gossip/service-streams.ts";
import { StreamCodec } from "../../../src/gossip/stream.ts";
import { systemClock as clock } from "../../../src/os/clock.ts";
import { systemRandom } from "../../../src/os/random.ts";
import { systemStreams } from "../../../src/os/tcp.ts";
import type { Endpoint } from "../../../src/port/endpoint.ts";
import { recordingLog } from "../../support/recording-log.ts";
import { until } from "../../support/until.ts";

const random = systemRandom();
const streams = systemStreams(clock);
const loopback = { address: "127.0.0.1", port: 0 };
const aKey = new SymmetricKey(randomBytes(32));
const pushPull: PushPull = { kind: "pushPull", join: true, nodes: [], userState: new Uint8Array(0) };

interface Setup {
  readonly key?: SymmetricKey | undefined;
  readonly tcpTimeoutMs?: number;
  readonly cidrsAllowed?: readonly string[];
  /** Plays the engine: what to answer, `undefined` for closing without a word, "nothing" for silence. */
  readonly answer?: (request: StreamRequest) => StreamResponse | undefined | "nothing";
}

/** A shell on loopback that remembers what it would give to an engine, and answers as told. */
async function open({ key, tcpTimeoutMs = 5_000, cidrsAllowed, answer = () => pushPull }: Setup = {}) {
  const { log } = recordingLog();
  const incidents = new Incidents(log, clock.now);
  const inputs: GossipInput[] = [];
  const codec = new StreamCodec({ config: lan, keyring: new Keyring(key === undefined ? [] : [key]) }, { random });
  const give = (input: GossipInput): void => {
    inputs.push(input);
    if (input.on !== "request") return;
    const message = answer(input.message);
    if (message === undefined) shell.closeAccepted(input.exchange);
    else if (message !== "nothing") shell.reply(input.exchange, message);
  };
  const allowed = networkMatch(cidrsAllowed);
  const shell: StreamShell = new StreamShell({ tcpTimeoutMs, allowed, codec, incidents, give }, { clock, streams });
  const local = await shell.listen(loopback);
  return { shell, local, inputs, incidents, codec };
}

type Opened = Awaited<ReturnType<typeof open>>;
let lastExchange = 0;

/** What the engine would hear about one dialled exchange. */
async function dial({ shell, inputs }: Opened, to: Endpoint, message: StreamRequest = pushPull, timeoutMs = 5_000) {
  const exchange = ++lastExchange;
  const expects = message.kind === "user" ? "nothing" : message.kind === "ping" ? "ack" : "pushPull";
  shell.dial({ do: "dial", exchange, to, message, expects, timeoutMs });
  const mine = () =>
    inputs.find((input) => "exchange" in input && input.on !== "request" && input.exchange === exchange);
  await until(() => mine() !== undefined);
  const input = mine();
  assert.equal(shell.counts().dialled, 0);
  if (input?.on === "exchangeFailed") return input.fault.code;
  return input?.on === "response" ? input.message.kind : input?.on;
}

/** A raw client; resolves when the other side has closed. */
function raw(
  to: Endpoint,
  ...chunks: readonly Uint8Array[]
): { socket: Socket; received: Buffer[]; closed: Promise<void> } {
  const socket = connect(to.port, to.address);
  const received: Buffer[] = [];
  socket.on("data", (bytes) => received.push(bytes));
  socket.on("error", () => undefined);
  for (const chunk of chunks) socket.write(chunk);
  return { socket, received, closed: new Promise((resolve) => socket.on("close", () => resolve())) };
}

/** Reads and says nothing; a socket that does not read never learns that its peer has gone. */
const listening = (socket: Socket): Socket => socket.on("error", () => undefined).resume();

test("a state exchange, a ping and a user message pass in both directions, encrypted", async () => {
  const a = await open({ key: aKey });
  const b = await open({
    key: aKey,
    answer: (request) => {
      if (request.kind === "pushPull") return pushPull;
      return request.kind === "ping" ? { kind: "ack", seqNo: request.seqNo, payload: null } : undefined;
    },
  });
  assert.equal(await dial(a, b.local), "pushPull");
  assert.equal(await dial(a, b.local, { kind: "ping", seqNo: 5, node: "b" }), "ack");
  assert.equal(await dial(a, b.local, { kind: "user", payload: randomBytes(100_000) }), "sent");
  assert.deepEqual(
    b.inputs.map((input) => (input.on === "request" ? input.message.kind : "")),
    ["pushPull", "ping", "user"],
  );
  await until(() => b.shell.counts().accepted === 0);
  assert.deepEqual([a.incidents.counts().bugs, b.incidents.counts().bugs], [0, 0]);
  await Promise.all([a.shell.close(), b.shell.close()]);
});

test("a request in clear text, or under another key, is counted and answered with an encrypted error", async () => {
  const server = await open({ key: aKey });
  const plain = await open();
  const other = await open({ key: new SymmetricKey(randomBytes(32)) });
  assert.equal(await dial(plain, server.local), "undecryptable");
  assert.equal(await dial(other, server.local), "undecryptable");
  const { drops } = server.incidents.counts();
  assert.deepEqual([drops.plaintext, drops.undecryptable], [1, 1]);
  assert.deepEqual(server.inputs, []);
  // Somebody who has the key but sends in clear text can read the reason.
  const client = raw(server.local, plain.codec.encodeRequest(pushPull));
  await until(() => client.received.length > 0);
  const message = server.codec.responseReader().push(0, new Uint8Array(Buffer.concat(client.received)));
  assert.ok(message?.kind === "error" && /not encrypted/.test(message.error));
  client.socket.destroy();
  await Promise.all([server.shell.close(), plain.shell.close(), other.shell.close()]);
});

test("an error reply reaches the engine of the dialler", async () => {
  const a = await open({ key: aKey });
  const b = await open({ key: aKey, answer: () => ({ kind: "error", error: "no" }) });
  assert.equal(await dial(a, b.local), "error");
  await Promise.all([a.shell.close(), b.shell.close()]);
});

test("garbage is counted and the stream closed, whatever it is and wherever it is cut", async () => {
  const server = await open({ key: aKey });
  const encrypted = server.codec.encodeRequest(pushPull);
  const oversize = Uint8Array.of(10, 0xff, 0xff, 0xff, 0xff, 1);
  const unknown = Uint8Array.of(10, 0, 0, 0, 40, ...randomBytes(40));
  for (const bytes of [oversize, unknown, encrypted.slice(0, 30), encrypted.slice(0, 3), Uint8Array.of(77)]) {
    const client = raw(server.local, bytes);
    client.socket.end();
    await client.closed;
  }
  await until(() => server.shell.counts().accepted === 0);
  const { drops, bugs } = server.incidents.counts();
  assert.equal(drops.oversize, 1);
  assert.equal(drops.truncated, 2);
  assert.equal(drops.plaintext, 1);
  assert.equal(drops.encryptionVersion + drops.undecryptable, 1);
  assert.equal(bugs, 0);
  assert.deepEqual(server.inputs, []);
  await server.shell.close();
});

test("a request that came before is refused", async () => {
  const server = await open({ key: aKey });
  const recorded = server.codec.encodeRequest(pushPull);
  for (let round = 0; round < 2; round++) {
    const client = raw(server.local, recorded);
    await (round === 0 ? until(() => client.received.length > 0) : client.closed);
    client.socket.destroy();
  }
  assert.equal(server.inputs.length, 1);
  assert.equal(server.incidents.counts().drops.replayed, 1);
  await server.shell.close();
});

test("whoever is slow is closed in time, and a port check is no incident", async () => {
  const server = await open({ key: aKey, tcpTimeoutMs: 150 });
  const started = clock.now();
  const client = raw(server.local, Uint8Array.of(10, 0, 0, 1));
  const trickle = setInterval(() => client.socket.write(Uint8Array.of(0)), 20);
  const check = raw(server.local);
  check.socket.end();
  await Promise.all([client.closed, check.closed]);
  clearInterval(trickle);
  const tookMs = clock.now() - started;
  assert.ok(tookMs >= 149 && tookMs < 2_000, `closed after ${tookMs} ms`);
  assert.equal(server.shell.counts().timedOut, 1);
  assert.equal(server.incidents.counts().drops.truncated, 1);
  await server.shell.close();
});

test("an engine that never answers costs a stream until its deadline only", async () => {
  const server = await open({ tcpTimeoutMs: 100, answer: () => "nothing" });
  const client = await open();
  assert.equal(await dial(client, server.local), "unavailable");
  assert.equal(server.shell.counts().timedOut, 1);
  assert.equal(server.shell.counts().accepted, 0);
  await Promise.all([server.shell.close(), client.shell.close()]);
});

test("a silent listener, nobody, and one who closes early each fail the exchange", async () => {
  const a = await open();
  const silent = createServer(listening);
  const rude = createServer((socket) => socket.destroy());
  const gone = createServer();
  const ports = await Promise.all(
    [silent, rude, gone].map(
      (server) =>
        new Promise<number>((resolve) =>
          server.listen(0, "127.0.0.1", () => resolve((server.address() as Endpoint).port)),
        ),
    ),
  );
  await new Promise((resolve) => gone.close(resolve));
  const [silentPort = 0, rudePort = 0, gonePort = 0] = ports;
  const to = (port: number) => ({ address: "127.0.0.1", port });
  assert.equal(await dial(a, to(silentPort), pushPull, 100), "timeout");
  assert.equal(await dial(a, to(rudePort)), "unavailable");
  assert.equal(await dial(a, to(gonePort)), "unavailable");
  assert.equal(a.shell.counts().timedOut, 1);
  await a.shell.close();
  await Promise.all([silent, rude].map((server) => new Promise((resolve) => server.close(resolve))));
});

test("a response that is garbage, or not of the kind that was asked for, fails the exchange", async () => {
  const a = await open();
  const server = createServer((socket) => listening(socket).end(Uint8Array.of(99, 1, 2, 3)));
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as Endpoint).port));
  });
  assert.equal(await dial(a, { address: "127.0.0.1", port }), "unknownType");
  assert.equal(a.incidents.counts().drops.unknownType, 1);
  await a.shell.close();
  await new Promise((resolve) => server.close(resolve));
});

test("after hanging up nothing is heard of the exchange", async () => {
  const a = await open();
  const b = await open();
  a.shell.dial({ do: "dial", exchange: 77, to: b.local, message: pushPull, expects: "pushPull", timeoutMs: 5_000 });
  a.shell.hangUp(77);
  a.shell.hangUp(77);
  assert.equal(await dial(a, b.local), "pushPull");
  assert.ok(!a.inputs.some((input) => "exchange" in input && input.exchange === 77));
  await Promise.all([a.shell.close(), b.shell.close()]);
});

test("beyond the limit streams are closed at once and counted, in both directions", async () => {
  const server = await open({ key: aKey });
  const idle = Array.from({ length: STREAMS_MAX }, () => raw(server.local));
  await until(() => server.shell.counts().accepted === STREAMS_MAX);
  const late = raw(server.local);
  await late.closed;
  assert.deepEqual([server.shell.counts().refused, server.incidents.counts().drops.queueFull], [1, 1]);
  for (const { socket } of idle) socket.destroy();
  await until(() => server.shell.counts().accepted === 0);

  const client = await open({ key: aKey });
  const nowhere = createServer(listening);
  const port = await new Promise<number>((resolve) => {
    nowhere.listen(0, "127.0.0.1", () => resolve((nowhere.address() as Endpoint).port));
  });
  const to = { address: "127.0.0.1", port };
  for (let exchange = 1000; exchange <= 1000 + STREAMS_MAX; exchange++) {
    client.shell.dial({ do: "dial", exchange, to, message: pushPull, expects: "pushPull", timeoutMs: 5_000 });
  }
  assert.deepEqual(
    client.inputs.map((input) => "exchange" in input && input.exchange),
    [1000 + STREAMS_MAX],
  );
  await Promise.all([server.shell.close(), client.shell.close()]);
  await new Promise((resolve) => nowhere.close(resolve));
});

test("strangers' unfinished requests are bounded together: who holds the most goes first", async () => {
  const server = await open({ key: aKey });
  const frame = 18 * 1024 * 1024;
  const header = Uint8Array.of(10, ...new Uint8Array(new Uint32Array([frame]).buffer).reverse());
  const honest = raw(server.local, server.codec.encodeRequest(pushPull).slice(0, 50));
  await until(() => server.shell.counts().accepted === 1);
  const greedy = Array.from({ length: 4 }, () => raw(server.local, header, new Uint8Array(frame - 1000)));
  await Promise.race(greedy.map(({ closed }) => closed));
  assert.ok(4 * frame > UNFINISHED_BYTES_MAX);
  assert.equal(server.incidents.counts().drops.queueFull, 1);
  assert.equal(server.shell.counts().accepted, 4);
  for (const { socket } of [honest, ...greedy]) socket.destroy();
  await until(() => server.shell.counts().accepted === 0);
  await server.shell.close();
});

test("streams from outside the allowed networks are closed unread", async () => {
  const server = await open({ cidrsAllowed: ["10.0.0.0/8"] });
  const client = await open();
  assert.equal(await dial(client, server.local), "unavailable");
  assert.equal(server.incidents.counts().drops.notAllowed, 1);
  assert.deepEqual(server.inputs, []);
  await Promise.all([server.shell.close(), client.shell.close()]);
});

test("closing destroys what is open and keeps silent about it", async () => {
  const server = await open();
  const stuck = raw(server.local);
  await until(() => server.shell.counts().accepted === 1);
  const client = await open();
  const to = { address: "127.0.0.1", port: 9 };
  client.shell.dial({ do: "dial", exchange: 1, to, message: pushPull, expects: "pushPull", timeoutMs: 5_000 });
  await Promise.all([server.shell.close(), client.shell.close()]);
  await stuck.closed;
  client.shell.dial({ do: "dial", exchange: 2, to, message: pushPull, expects: "pushPull", timeoutMs: 5_000 });
  assert.deepEqual([client.inputs, client.shell.counts().dialled], [[], 0]);
});
