import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { Fault, type FaultCode } from "../../../src/base/fault.ts";
import { KeyStore, parseKey } from "../../../src/main/key-store.ts";
import type { Log, LogFields } from "../../../src/port/log.ts";

const fresh = (bytes = 32) => randomBytes(bytes).toString("base64");
const is = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code;

/** A folder, a path in it, and a log that remembers its warnings. */
async function withFile(run: (file: string, warnings: string[], log: Log) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "skep-test-"));
  const warnings: string[] = [];
  const warn = (message: string, _fields?: LogFields) => void warnings.push(message);
  const log: Log = { debug: () => undefined, info: () => undefined, warn, error: warn, child: () => log };
  try {
    await run(join(folder, "keyring.json"), warnings, log);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const saved = async (file: string) => JSON.parse(await readFile(file, "utf8")) as string[];
const ids = (store: KeyStore) => store.list().map(({ id }) => id);
const idOf = (text: string) => parseKey(text).id;

test("a first key makes the file, readable by its owner only", async () => {
  await withFile(async (file, _warnings, log) => {
    const key = fresh();
    const store = await KeyStore.open({ encrypt: key, file }, log);
    assert.deepEqual(await saved(file), [key]);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(store.list(), [{ id: idOf(key), primary: true }]);
  });
});

test("every change of the ring is in the file before it is answered, the primary key first", async () => {
  await withFile(async (file, _warnings, log) => {
    const [a, b, c] = [fresh(), fresh(16), fresh(24)];
    const store = await KeyStore.open({ encrypt: a, file }, log);
    await store.install(b);
    await store.install(c);
    await store.install(b);
    assert.deepEqual(await saved(file), [a, b, c]);
    await store.use(c);
    assert.deepEqual(await saved(file), [c, a, b]);
    await store.remove(idOf(a));
    assert.deepEqual(await saved(file), [c, b]);
    await store.use(idOf(b));
    assert.deepEqual(await saved(file), [b, c]);
    const again = await KeyStore.open({ encrypt: undefined, file }, log);
    assert.deepEqual(ids(again), [idOf(b), idOf(c)]);
    assert.deepEqual(ids(store), ids(again));
  });
});

test("changes asked for at the same time happen one after the other", async () => {
  await withFile(async (file, _warnings, log) => {
    const keys = Array.from({ length: 10 }, () => fresh());
    const store = await KeyStore.open({ encrypt: fresh(), file }, log);
    await Promise.all(keys.map((key) => store.install(key)));
    assert.deepEqual((await saved(file)).slice(1), keys);
  });
});

test("what may not be done changes neither the ring nor the file", async () => {
  await withFile(async (file, _warnings, log) => {
    const [a, b] = [fresh(), fresh()];
    const store = await KeyStore.open({ encrypt: a, file }, log);
    await assert.rejects(store.remove(a), is("conflict"));
    await assert.rejects(store.use(b), is("notFound"));
    await assert.rejects(store.use("0123456789abcdef"), is("notFound"));
    await assert.rejects(store.install("not base64!"), is("invalid"));
    await assert.rejects(store.install(randomBytes(20).toString("base64")), is("invalid"));
    assert.deepEqual(ids(store), [idOf(a)]);
    assert.deepEqual(await saved(file), [a]);
  });
});

test("when the file cannot be written, the ring stays as it is", async () => {
  await withFile(async (file, _warnings, log) => {
    const store = await KeyStore.open({ encrypt: fresh(), file }, log);
    const before = ids(store);
    await rm(join(file, ".."), { recursive: true });
    await assert.rejects(store.install(fresh()), is("unavailable"));
    assert.deepEqual(ids(store), before);
    await mkdir(join(file, ".."));
  });
});

test("without a first key there is no encryption, and it cannot begin while running", async () => {
  await withFile(async (_file, _warnings, log) => {
    const store = await KeyStore.open({ encrypt: undefined, file: undefined }, log);
    assert.ok(store.keyring.isEmpty);
    await assert.rejects(store.install(fresh()), is("conflict"));
  });
});

test("a file that is there wins over the key beside it, and open permissions are warned of", async () => {
  await withFile(async (file, warnings, log) => {
    const [a, b] = [fresh(), fresh()];
    await writeFile(file, JSON.stringify([a]));
    await chmod(file, 0o644);
    const store = await KeyStore.open({ encrypt: b, file }, log);
    assert.deepEqual(ids(store), [idOf(a)]);
    assert.equal(warnings.length, 2);
    assert.match(warnings.join(), /0600.*not used/);
  });
});

test("a broken file is refused without a word of what it holds", async () => {
  await withFile(async (file, _warnings, log) => {
    const secret = fresh();
    for (const text of [
      secret,
      "[]",
      "{}",
      `["${secret}`,
      `["${secret}", 5]`,
      `["${secret.slice(1)}"]`,
      "x".repeat(70_000),
    ]) {
      await writeFile(file, text, { mode: 0o600 });
      await assert.rejects(KeyStore.open({ encrypt: undefined, file }, log), (error) => {
        assert.ok(!inspect(error, { depth: 9 }).includes(secret.slice(1, 20)), "the key shows");
        return is("invalid")(error);
      });
    }
  });
});
