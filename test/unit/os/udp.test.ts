import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../src/base/fault.ts";
import { systemDatagrams } from "../../../src/os/udp.ts";
import type { Endpoint } from "../../../src/port/endpoint.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

/** A bound socket with a mailbox. */
async function open(address: string, port = 0) {
  const inbox: { text: string; from: Endpoint }[] = [];
  const errors: { error: Error; to: Endpoint | undefined }[] = [];
  let ring: () => void = () => undefined;
  const socket = await systemDatagrams.bind(
    { address, port },
    (datagram, from) => {
      assert.equal(Object.getPrototypeOf(datagram), Uint8Array.prototype);
      inbox.push({ text: text(datagram), from });
      ring();
    },
    (error, to) => {
      errors.push({ error, to });
      ring();
    },
  );
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise<void>((resolve) => (ring = resolve));
  };
  return { socket, inbox, errors, until };
}

test("datagrams arrive with the sender's bound endpoint", async () => {
  const a = await open("127.0.0.1");
  const b = await open("127.0.0.2");
  a.socket.send(bytes("ping"), b.socket.local);
  await b.until(() => b.inbox.length === 1);
  assert.deepEqual(b.inbox, [{ text: "ping", from: a.socket.local }]);
  b.socket.send(bytes("pong"), b.inbox[0]?.from ?? assert.fail());
  await a.until(() => a.inbox.length === 1);
  assert.equal(a.inbox[0]?.text, "pong");
  await Promise.all([a.socket.close(), b.socket.close()]);
});

test("an IPv6 wildcard socket speaks IPv4 in plain addresses", async () => {
  const wild = await open("::");
  const v4 = await open("127.0.0.1");
  v4.socket.send(bytes("hello"), { address: "127.0.0.1", port: wild.socket.local.port });
  await wild.until(() => wild.inbox.length === 1);
  assert.deepEqual(wild.inbox[0]?.from, v4.socket.local);
  wild.socket.send(bytes("back"), v4.socket.local);
  await v4.until(() => v4.inbox.length === 1);
  const v6 = await open("::1");
  v6.socket.send(bytes("six"), { address: "::1", port: wild.socket.local.port });
  await wild.until(() => wild.inbox.length === 2);
  assert.deepEqual(wild.inbox[1]?.from, v6.socket.local);
  await Promise.all([wild.socket.close(), v4.socket.close(), v6.socket.close()]);
});

test("sending never throws; what the system refuses is told with its destination", async () => {
  const a = await open("127.0.0.1");
  const impossible: Endpoint[] = [
    { address: "127.0.0.1", port: 0 },
    { address: "::1", port: 9 },
    { address: "not-an-address", port: 9 },
  ];
  for (const to of impossible) a.socket.send(bytes("x"), to);
  a.socket.send(new Uint8Array(70_000), { address: "127.0.0.1", port: 9 });
  await a.until(() => a.errors.length === 4);
  for (const to of impossible)
    assert.ok(a.errors.some((seen) => seen.to?.address === to.address && seen.to.port === to.port));
  await a.socket.close();
  a.socket.send(bytes("late"), { address: "127.0.0.1", port: 9 });
  await a.socket.close();
  assert.equal(a.errors.length, 4);
});

test("a port in use and a foreign address are refused as unavailable", async () => {
  const a = await open("127.0.0.1");
  for (const local of [a.socket.local, { address: "192.0.2.1", port: 0 }]) {
    await assert.rejects(
      open(local.address, local.port),
      (error) => error instanceof Fault && error.code === "unavailable" && error.message.includes(local.address),
    );
  }
  await a.socket.close();
});
