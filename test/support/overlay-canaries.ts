/** Canaries: texts sent through an encrypted network, and looked for on every link of the switch. */
import { Capture } from "../../src/lab/capture.ts";
import type { OverlayRig } from "./overlay-rig.ts";
import { isEsp, tunnelledIn } from "./vxlan-frames.ts";

export interface Overheard {
  /** Texts that were found in clear. */
  readonly canaries: readonly string[];
  /** Frames of VXLAN in clear, by VNI. */
  readonly vnis: ReadonlyMap<number, number>;
  readonly esp: number;
  /** Those that are too small for what the test sends. */
  readonly espSmall: number;
  /** The largest, with its Ethernet header. */
  readonly espBytesMax: number;
  readonly frames: number;
}

/** What is on the links of all hosts while something happens, and which of the texts. */
export async function overhear(
  rig: OverlayRig,
  canaries: readonly string[],
  during: () => Promise<unknown>,
): Promise<Overheard> {
  const capture = await Capture.start(rig.lab, rig.lab.hosts, "");
  await during();
  await capture.stop();
  const found = new Set<string>();
  const vnis = new Map<number, number>();
  let esp = 0;
  let espSmall = 0;
  let espBytesMax = 0;
  let frames = 0;
  for await (const frame of capture.frames()) {
    frames += 1;
    for (const canary of canaries) if (frame.includes(canary)) found.add(canary);
    if (isEsp(frame)) {
      esp += 1;
      if (frame.length < 400) espSmall += 1;
      espBytesMax = Math.max(espBytesMax, frame.length);
    }
    const vni = tunnelledIn(frame, rig.port)?.vni;
    if (vni !== undefined) vnis.set(vni, (vnis.get(vni) ?? 0) + 1);
  }
  return { canaries: [...found], vnis, esp, espSmall, espBytesMax, frames };
}
