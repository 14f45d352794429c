/**
 * A process that is the overlay driver of one node: `node --import tsx overlay-node.ts JSON`, where JSON is
 * `OverlayNodeOptions`. Reads one wanted state per line, and says its status whenever that changes; ends with its input.
 */
import { createInterface } from "node:readline";
import { RingKey } from "../../src/model/ring-key.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemNamespaces } from "../../src/os/namespace.ts";
import { systemNetlink } from "../../src/os/netlink-monitor.ts";
import { sandboxFolder } from "../../src/os/sandbox-folder.ts";
import { overlayConfig } from "../../src/overlay/config.ts";
import { OverlayService } from "../../src/overlay/service.ts";
import type { OverlayNodeOptions, SpokenWanted } from "./overlay-language.ts";
import { recordingLog } from "./recording-log.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as OverlayNodeOptions;
const config = overlayConfig(options.address);
const service = new OverlayService(
  { ...config, dataPath: { ...config.dataPath, port: options.port } },
  {
    clock: systemClock,
    log: recordingLog().log,
    namespaces: systemNamespaces,
    sockets: systemNetlink,
    folder: sandboxFolder(options.folder, options.prefix),
  },
);

const say = (what: unknown): void => {
  console.log(JSON.stringify(what, (_, part: unknown) => (part instanceof Map ? Object.fromEntries(part) : part)));
};

service.listen((status) => say({ status }));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const spoken = JSON.parse(line) as SpokenWanted;
  const keys = spoken.keys.map(([tag, hex]) => new RingKey(BigInt(tag), Buffer.from(hex, "hex")));
  const started = performance.now();
  service.want({ ...spoken, keys });
  say({ done: Math.round(performance.now() - started) });
});
lines.on("close", () => service.stop());
say({ ready: true });
