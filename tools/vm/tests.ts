/** How run-tests.ts gets tests into a machine: all files in one process, in one machine, because booting costs most. */
import { fileURLToPath } from "node:url";
import { faultOf } from "../../src/base/fault.ts";
import { KERNEL_PACKAGE, missingPrograms, prepareKernel } from "./kernel.ts";

/** Boot, modules, and all tests of the kind. */
const SECONDS_MAX = 660;

/** Why no tests can run in a machine here, or `undefined`. Fetches the kernel if need be. */
export async function machineObstacle(): Promise<string | undefined> {
  const missing = missingPrograms();
  if (missing !== undefined) return missing;
  try {
    await prepareKernel(KERNEL_PACKAGE, (text) => console.log(`# ${text}`));
    return undefined;
  } catch (error) {
    return faultOf(error).message;
  }
}

/**
 * The arguments of Node.js that run Node.js with `args` in a machine. What it writes to file descriptor 3 goes to the
 * file `counts` in `folder`, the only folder it can write to.
 */
export function inMachine(args: readonly string[], folder: string): string[] {
  const vm = fileURLToPath(new URL("../vm.ts", import.meta.url));
  const script = `exec "$0" "$@" 3>'${folder}/counts'`;
  const options = ["--timeout", String(SECONDS_MAX), "--share", folder];
  return ["--import", "tsx", vm, ...options, "--", "sh", "-c", script, process.execPath, ...args];
}
