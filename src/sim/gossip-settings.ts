/**
 * The few numbers that a told story is repeatable from, the cluster they make, and the line that repeats it.
 */
import { minutes } from "../base/units.ts";
import { SymmetricKey } from "../crypt/aead.ts";
import { lan } from "../gossip/config.ts";
import { Keyring } from "../gossip/keyring.ts";
import { GossipCluster } from "./gossip-cluster.ts";
import { type Outcome, type StoryName, tell } from "./gossip-stories.ts";
import { WireCarrier } from "./gossip-wire.ts";
import { SeededRandom } from "./random.ts";

export interface SimSettings {
  readonly seed: number;
  readonly story: StoryName;
  readonly nodes: number;
  /** How long trouble lasts, in the stories that have any. */
  readonly minutes: number;
  /** Percent of datagrams, and of trips of streams. */
  readonly loss: number;
  /** Clocks run up to this many parts per million too fast or too slow. */
  readonly drift: number;
  /** Encode, encrypt and decode everything. */
  readonly wire: boolean;
}

export const defaultSettings = { nodes: 40, minutes: 2, loss: 0, drift: 50, wire: false } as const;

export function repeatLine({ seed, story, nodes, minutes, loss, drift, wire }: SimSettings): string {
  const numbers = `--seed ${seed} --nodes ${nodes} --minutes ${minutes} --loss ${loss} --drift ${drift}`;
  return `npm run sim -- ${numbers} --story ${story}${wire ? " --wire" : ""}`;
}

/** A cluster without nodes yet. In wire mode all nodes share one key drawn from the seed, each on a ring of its own. */
export function buildCluster(settings: Pick<SimSettings, "seed" | "loss" | "drift" | "wire">): GossipCluster {
  const { seed, loss, drift, wire } = settings;
  const options = { seed, trace: true, driftPpmMax: drift, link: { loss: loss / 100 } };
  return new GossipCluster(wire ? { ...options, carrier: wireCarriers(seed, simKey(seed, 0)) } : options);
}

/** The n-th key of a simulated cluster. */
export function simKey(seed: number, count: number): SymmetricKey {
  return new SymmetricKey(new SeededRandom(seed, `key ${count}`).bytes(32));
}

export function runStory(settings: SimSettings): { readonly cluster: GossipCluster; readonly outcome: Outcome } {
  const cluster = buildCluster(settings);
  const { story, nodes } = settings;
  return { cluster, outcome: tell(story, cluster, { nodes, durationMs: minutes(settings.minutes) }) };
}

function wireCarriers(seed: number, key: SymmetricKey): (index: number) => WireCarrier {
  return (index) =>
    new WireCarrier(
      { config: lan, keyring: new Keyring([key]) },
      { random: new SeededRandom(seed, `nonces ${index}`) },
    );
}
