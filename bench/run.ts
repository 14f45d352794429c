/**
 * `npm run bench -- NAME [options]` runs bench/gossip-NAME.ts or bench/NAME.ts; without a name it lists them.
 * The long ones know `--quick`.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
/** Not benchmarks themselves. */
const parts = new Set(["run.ts", "table.ts"]);

const [name, ...options] = process.argv.slice(2);
const file = [`${name}.ts`, `gossip-${name}.ts`].find((candidate) => existsSync(join(folder, candidate)));
if (name === undefined || file === undefined) {
  const names = readdirSync(folder).filter((entry) => entry.endsWith(".ts") && !parts.has(entry));
  console.log(
    `usage: npm run bench -- NAME [--quick]\n\n${names.map((entry) => `  ${entry.slice(0, -3)}`).join("\n")}`,
  );
  process.exitCode = name === undefined ? 0 : 2;
} else {
  // The cluster of 5,000 holds 25 million member records.
  const node = [
    "--max-old-space-size=16000",
    "--max-semi-space-size=128",
    "--expose-gc",
    "--import",
    "tsx",
    join(folder, file),
  ];
  const child = spawn(process.execPath, [...node, ...options], { stdio: "inherit" });
  child.on("close", (code) => {
    process.exitCode = code ?? 1;
  });
}
