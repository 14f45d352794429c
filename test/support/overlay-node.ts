/**
 * A process that is the overlay driver of one node: `node --import tsx overlay-node.ts JSON`, where JSON is
 * `OverlayNodeOptions`. Reads one wanted state per line, and says its status whenever that changes; ends with its input.
 */
import { createInterface } from "node:readline";
import { systemNamespaces } from "../../src/os/namespace.ts";
import type { OverlayNodeOptions, SpokenWanted } from "./overlay-language.ts";
import { heardWanted, openOverlay, spokenStatus } from "./overlay-open.ts";

const service = openOverlay(JSON.parse(process.argv[2] ?? "{}") as OverlayNodeOptions, systemNamespaces);
service.listen((status) => console.log(`{"status":${spokenStatus(status)}}`));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const started = performance.now();
  service.want(heardWanted(JSON.parse(line) as SpokenWanted));
  console.log(JSON.stringify({ done: Math.round(performance.now() - started) }));
});
lines.on("close", () => service.stop());
console.log(JSON.stringify({ ready: true }));
