/** What the simulation tests share: seeds, and a failure that says how to repeat it. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import type { GossipCluster } from "../../src/sim/gossip-cluster.ts";
import { defaultSettings, repeatLine, runStory, type SimSettings } from "../../src/sim/gossip-settings.ts";
import type { Findings, StoryName } from "../../src/sim/gossip-stories.ts";

/** Another one every time, so that each run of the tests looks somewhere new. Failures print it. */
export const freshSeed = randomInt(2 ** 31);

export function settingsOf(story: StoryName, seed: number, changes: Partial<SimSettings> = {}): SimSettings {
  return { ...defaultSettings, story, seed, ...changes };
}

/** Tell a story; fail with the line that repeats it if the cluster does not come to rest. */
export function told(settings: SimSettings): { readonly cluster: GossipCluster; readonly findings: Findings } {
  const { cluster, outcome } = runStory(settings);
  assert.deepEqual(outcome.problems, [], `repeat with: ${repeatLine(settings)}`);
  return { cluster, findings: outcome.findings };
}
