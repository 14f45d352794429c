/**
 * A folder for the files that hold network namespaces, made when it is not there. Its files begin with a prefix, so that
 * several nodes, or others, may share it.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { SandboxFolder } from "../port/sandbox-folder.ts";

const NAME = /^[0-9a-z]{1,64}$/;

/** Throws `Fault` (`unavailable`) when there can be no such folder. */
export function sandboxFolder(path: string, prefix = ""): SandboxFolder {
  const spoken = <Result>(what: string, work: () => Result): Result => {
    try {
      return work();
    } catch (error) {
      throw new Fault("unavailable", `cannot ${what}: ${(error as Error).message}`, error);
    }
  };
  spoken(`make ${path}`, () => mkdirSync(path, { recursive: true, mode: 0o711 }));
  return {
    names: () =>
      spoken(`read ${path}`, () => readdirSync(path))
        .filter((file) => file.startsWith(prefix) && NAME.test(file.slice(prefix.length)))
        .map((file) => file.slice(prefix.length)),
    pathOf: (name) => join(path, `${prefix}${name}`),
    forget: (name) => spoken(`remove ${name}`, () => rmSync(join(path, `${prefix}${name}`), { force: true })),
  };
}
