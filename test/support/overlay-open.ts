/** A driver with the real kernel, and the words of `overlay-language.ts` in and out. */
import { RingKey } from "../../src/model/ring-key.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemNetlink } from "../../src/os/netlink-monitor.ts";
import { sandboxFolder } from "../../src/os/sandbox-folder.ts";
import { overlayConfig } from "../../src/overlay/config.ts";
import type { OverlayStatus } from "../../src/overlay/effects.ts";
import type { Wanted } from "../../src/overlay/messages.ts";
import { OverlayService } from "../../src/overlay/service.ts";
import type { NetworkNamespaces } from "../../src/port/namespaces.ts";
import type { OverlayNodeOptions, SpokenWanted } from "./overlay-language.ts";
import { recordingLog } from "./recording-log.ts";

export function openOverlay(options: OverlayNodeOptions, namespaces: NetworkNamespaces): OverlayService {
  const config = overlayConfig(options.address);
  return new OverlayService(
    { ...config, dataPath: { ...config.dataPath, port: options.port } },
    {
      clock: systemClock,
      log: recordingLog().log,
      namespaces,
      sockets: systemNetlink,
      folder: sandboxFolder(options.folder, options.prefix),
    },
  );
}

export function heardWanted({ keys, ...rest }: SpokenWanted): Wanted {
  return { ...rest, keys: keys.map(([tag, hex]) => new RingKey(BigInt(tag), Buffer.from(hex, "hex"))) };
}

export function spokenStatus(status: OverlayStatus): string {
  return JSON.stringify(status, (_, part: unknown) => (part instanceof Map ? Object.fromEntries(part) : part));
}
