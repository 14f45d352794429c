import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../../../src/base/fault.ts";
import { writeFileAtomically } from "../../../src/os/atomic-file.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "skep-test-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("a file is replaced as a whole, with its mode, and nothing is left beside it", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "keys.json");
    await writeFile(path, "a much longer text than the new one", { mode: 0o644 });
    await writeFileAtomically(path, "new", 0o600);
    assert.equal(await readFile(path, "utf8"), "new");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ["keys.json"]);
  });
});

test("a failure leaves the old file and nothing else", async () => {
  await inFolder(async (folder) => {
    const unavailable = (error: unknown) => error instanceof Fault && error.code === "unavailable";
    await assert.rejects(writeFileAtomically(join(folder, "no", "such", "place"), "x", 0o600), unavailable);
    // A folder cannot be replaced by a file: the last step fails.
    await assert.rejects(writeFileAtomically(folder, "x", 0o600), unavailable);
    assert.deepEqual(await readdir(folder), []);
  });
});
