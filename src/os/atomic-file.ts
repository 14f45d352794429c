/**
 * Files that are either the old or the new, even when the power fails in between: written beside, synced, renamed
 * over, and the folder synced so that the name survives too.
 */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault } from "../base/fault.ts";

/** Replace or make `path` with exactly `text` and `mode`. Rejects with a `Fault` (`unavailable`); then `path` is as it
 * was. */
export async function writeFileAtomically(path: string, text: string, mode: number): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    await writeAndSync(beside, text, mode);
    await rename(beside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw new Fault("unavailable", `${path} could not be written: ${(error as Error).message}`, error);
  }
}

async function writeAndSync(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    // The mode of `open` is masked by the umask.
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
