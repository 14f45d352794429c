/** Every decoder that is fuzzed. */
import type { Target } from "./target.ts";
import { espTargets } from "./targets-esp.ts";
import { netlinkTargets } from "./targets-netlink.ts";
import { packetTargets } from "./targets-packet.ts";
import { streamTargets } from "./targets-stream.ts";
import { tablesTargets } from "./targets-tables.ts";
import { textTargets } from "./targets-text.ts";
import { wireTargets } from "./targets-wire.ts";

export const targets: readonly Target[] = [
  ...espTargets,
  ...netlinkTargets,
  ...packetTargets,
  ...streamTargets,
  ...tablesTargets,
  ...wireTargets,
  ...textTargets,
];

export function targetNamed(name: string): Target | undefined {
  return targets.find((target) => target.name === name);
}
