import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../src/base/fault.ts";
import { systemResolver as resolver } from "../../../src/os/resolver.ts";

test("an address resolves to itself, in canonical text", async () => {
  assert.deepEqual(await resolver.resolve("10.0.0.1"), ["10.0.0.1"]);
  assert.deepEqual(await resolver.resolve("::FFFF:10.0.0.1"), ["10.0.0.1"]);
  assert.deepEqual(await resolver.resolve("0:0::1"), ["::1"]);
});

test("localhost comes from the system, each address once", async () => {
  const found = await resolver.resolve("localhost");
  assert.ok(found.length >= 1);
  assert.equal(new Set(found).size, found.length);
  for (const address of found) assert.ok(address === "127.0.0.1" || address === "::1", address);
});

test("what cannot be a host name is not found, without asking anybody", async () => {
  for (const host of ["", "a b", "a\nb", "x".repeat(300), "-$(reboot)"]) {
    await assert.rejects(resolver.resolve(host), (error) => error instanceof Fault && error.code === "notFound", host);
  }
});

test("an unknown name rejects with a fault that names it", async () => {
  await assert.rejects(resolver.resolve("no-such-host.invalid"), (error) => {
    return (
      error instanceof Fault && ["notFound", "unavailable"].includes(error.code) && /no-such-host/.test(error.message)
    );
  });
});
