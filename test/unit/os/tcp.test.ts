import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { Fault } from "../../../src/base/fault.ts";
import { systemClock } from "../../../src/os/clock.ts";
import { systemStreams } from "../../../src/os/tcp.ts";
import type { ByteStream, StreamHandler } from "../../../src/port/streams.ts";

const streams = systemStreams(systemClock);
const loopback = { address: "127.0.0.1", port: 0 };
const bytes = (value: string) => new TextEncoder().encode(value);

/** Collects what a stream tells, in order. */
class Recorder implements StreamHandler {
  readonly told: string[] = [];
  received = 0;
  #ring: () => void = () => undefined;
  connected() {
    this.#tell("connected");
  }
  data(chunk: Uint8Array) {
    assert.equal(Object.getPrototypeOf(chunk), Uint8Array.prototype);
    this.received += chunk.length;
    this.#tell("data");
  }
  end() {
    this.#tell("end");
  }
  closed() {
    this.#tell("closed");
  }
  failed(error: Error) {
    this.#tell(`failed: ${error.message}`);
  }
  #tell(what: string) {
    this.told.push(what);
    this.#ring();
  }
  async until(done: (recorder: this) => boolean) {
    while (!done(this)) await new Promise<void>((resolve) => (this.#ring = resolve));
  }
  last = () => this.told.at(-1) ?? "";
}

async function serve(accept: (stream: ByteStream) => StreamHandler) {
  return streams.listen(loopback, accept);
}

test("a request and its answer, each closed by its writer", async () => {
  const server = new Recorder();
  const listener = await serve((stream) => {
    server.end = () => {
      server.told.push("end");
      stream.write(bytes("answer"));
      stream.end();
    };
    return server;
  });
  const client = new Recorder();
  const stream = streams.dial(listener.local, 1000, client);
  stream.write(bytes("question"));
  stream.end();
  await client.until(() => client.last() === "closed");
  assert.deepEqual(client.told, ["connected", "data", "end", "closed"]);
  assert.equal(client.received, 6);
  assert.equal(server.received, 8);
  assert.ok(!server.told.includes("connected"));
  await server.until(() => server.last() === "closed");
  await listener.close();
});

test("nobody listening, and an endpoint that cannot be, both fail later and once", async () => {
  const listener = await serve(() => new Recorder());
  const { local } = listener;
  await listener.close();
  for (const to of [
    local,
    { address: "127.0.0.1", port: 0 },
    { address: "127.0.0.1", port: 70_000 },
    { address: "localhost", port: 1 },
  ]) {
    const client = new Recorder();
    const stream = streams.dial(to, 1000, client);
    assert.deepEqual(client.told, []);
    stream.write(bytes("x"));
    await client.until(() => client.told.length > 0);
    stream.end();
    stream.destroy();
    assert.match(client.told.join(), /^failed/);
  }
});

test("a connection that does not stand in time fails with a timeout", async () => {
  const client = new Recorder();
  // On this clock every delay is over before the system is even asked for events.
  const after = (_delayMs: number, run: () => void) => {
    queueMicrotask(run);
    return () => undefined;
  };
  const hasty = systemStreams({ ...systemClock, after });
  const listener = await serve(() => new Recorder());
  let failure: Error | undefined;
  client.failed = (error) => {
    failure = error;
    client.told.push("failed");
  };
  hasty.dial(listener.local, 1000, client);
  await new Promise<void>((resolve) => void systemClock.after(30, resolve));
  assert.ok(failure instanceof Fault && failure.code === "timeout", String(failure));
  assert.deepEqual(client.told, ["failed"]);
  await listener.close();
});

test("destroy silences the stream, and the peer sees it break or end", async () => {
  const server = new Recorder();
  const listener = await serve(() => server);
  const client = new Recorder();
  const stream = streams.dial(listener.local, 1000, client);
  await client.until(() => client.told.length === 1);
  stream.destroy();
  stream.write(bytes("late"));
  stream.end();
  stream.destroy();
  await server.until(() => server.told.length === 1);
  assert.deepEqual(client.told, ["connected"]);
  assert.match(server.last(), /^(end|failed)/);
  await listener.close();
});

test("while the peer does not read, we do not read either, and a hoarder is torn down", async () => {
  let accepted: ByteStream | undefined;
  const server = new Recorder();
  const listener = await serve((stream) => {
    accepted = stream;
    return server;
  });
  // A raw client that sends without reading.
  const raw = connect(listener.local.port, "127.0.0.1");
  raw.on("error", () => undefined);
  raw.pause();
  raw.write("hello");
  await server.until(() => server.received === 5);
  const chunk = new Uint8Array(8 * 1024 * 1024);
  accepted?.write(chunk);
  raw.write("more");
  await new Promise<void>((resolve) => void systemClock.after(50, resolve));
  assert.equal(server.received, 5);
  raw.resume();
  await server.until(() => server.received === 9);
  raw.pause();
  for (let round = 0; round < 12; round++) accepted?.write(chunk);
  await server.until(() => server.last().startsWith("failed"));
  assert.match(server.last(), /does not read/);
  raw.destroy();
  await listener.close();
});

test("closing the listener destroys what it accepted, and frees the port", async () => {
  const server = new Recorder();
  const listener = await serve(() => server);
  const client = new Recorder();
  const stream = streams.dial(listener.local, 1000, client);
  await client.until(() => client.told.length === 1);
  await listener.close();
  await client.until(() => client.told.length === 2);
  stream.destroy();
  const again = await streams.listen(listener.local, () => new Recorder());
  await assert.rejects(
    streams.listen(listener.local, () => new Recorder()),
    (error) => error instanceof Fault && error.code === "unavailable",
  );
  await again.close();
  await again.close();
});

test("IPv6 works, and remote endpoints are canonical", async () => {
  let remote = "";
  const listener = await streams.listen({ address: "::", port: 0 }, (stream) => {
    remote = stream.remote.address;
    return new Recorder();
  });
  for (const address of ["127.0.0.1", "::1"]) {
    remote = "";
    const client = new Recorder();
    const stream = streams.dial({ address, port: listener.local.port }, 1000, client);
    await client.until(() => client.told.length === 1);
    while (remote === "") await new Promise<void>((resolve) => void systemClock.after(1, resolve));
    assert.equal(remote, address);
    stream.destroy();
  }
  await listener.close();
});
