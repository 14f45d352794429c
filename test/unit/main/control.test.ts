import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault, type FaultCode } from "../../../src/base/fault.ts";
import type { ControlRequest } from "../../../src/cli/gossip-control.ts";
import { askNode } from "../../../src/main/control-client.ts";
import { type ControlHandler, serveControl } from "../../../src/main/control-server.ts";
import { systemClock as clock } from "../../../src/os/clock.ts";
import type { Log } from "../../../src/port/log.ts";

const is = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code;

async function withServer(
  handle: ControlHandler,
  run: (path: string, logged: string[]) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "skep-test-"));
  const path = join(folder, "control.sock");
  const logged: string[] = [];
  const note = (message: string) => void logged.push(message);
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  const server = await serveControl(path, handle, { clock, log });
  try {
    await run(path, logged);
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
}

/** Everything that a raw client gets back. */
function say(path: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path, () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk.toString()));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

test("a request reaches the node, its result or its fault comes back", async () => {
  const seen: ControlRequest[] = [];
  const handle: ControlHandler = async (request) => {
    seen.push(request);
    if (request.op === "keysUse") throw new Fault("notFound", "no such key");
    return request.op === "members" ? [{ name: "a" }] : undefined;
  };
  await withServer(handle, async (path) => {
    assert.deepEqual(await askNode(path, { op: "members" }, 1000, clock), [{ name: "a" }]);
    assert.equal(await askNode(path, { op: "keysInstall", key: "k" }, 1000, clock), null);
    await assert.rejects(askNode(path, { op: "keysUse", key: "k" }, 1000, clock), is("notFound"));
    assert.deepEqual(seen, [{ op: "members" }, { op: "keysInstall", key: "k" }, { op: "keysUse", key: "k" }]);
  });
});

test("only the owner may connect", async () => {
  await withServer(
    async () => null,
    async (path) => {
      assert.equal((await stat(path)).mode & 0o777, 0o600);
    },
  );
});

test("nonsense is answered with invalid, and endless lines are cut off", async () => {
  await withServer(
    async () => null,
    async (path) => {
      for (const line of [
        "",
        "x",
        "5",
        "null",
        "{}",
        '{"op":"keysUse"}',
        '{"op":"leave","timeoutMs":"1"}',
        '{"op":"leave","timeoutMs":-1}',
        '{"op":"leave","timeoutMs":2147483648}',
        '{"op":"leave","timeoutMs":1e999}',
        '{"op":"__proto__"}',
      ]) {
        assert.equal((JSON.parse(await say(path, `${line}\n`)) as { code: string }).code, "invalid", line);
      }
      assert.equal(await say(path, "x".repeat(100_000)), "");
    },
  );
});

test("a handler that fails is answered and logged, and the next request is served", async () => {
  const handle: ControlHandler = async ({ op }) => {
    if (op === "stats") throw new Error("with internal details");
    return "fine";
  };
  await withServer(handle, async (path, logged) => {
    await assert.rejects(askNode(path, { op: "stats" }, 1000, clock), (error) => {
      return is("unavailable")(error) && !/internal/.test((error as Error).message);
    });
    assert.equal(logged.length, 1);
    assert.equal(await askNode(path, { op: "members" }, 1000, clock), "fine");
  });
});

test("a socket that somebody answers on is not taken, a file is not replaced, and what a crash left is", async () => {
  await withServer(
    async () => "first",
    async (path) => {
      const log = {} as Log;
      await assert.rejects(
        serveControl(path, async () => null, { clock, log }),
        is("conflict"),
      );
      assert.equal(await askNode(path, { op: "members" }, 1000, clock), "first");
      const file = `${path}.txt`;
      await writeFile(file, "precious");
      await assert.rejects(
        serveControl(file, async () => null, { clock, log }),
        is("conflict"),
      );
      await assert.rejects(
        serveControl(join(path, "below"), async () => null, { clock, log }),
        is("unavailable"),
      );
    },
  );
});

test("a node that does not answer, or is not there, is a fault", async () => {
  await withServer(
    () => new Promise(() => undefined),
    async (path) => {
      await assert.rejects(askNode(path, { op: "members" }, 20, clock), is("timeout"));
      await assert.rejects(askNode(`${path}.none`, { op: "members" }, 1000, clock), is("unavailable"));
    },
  );
});
