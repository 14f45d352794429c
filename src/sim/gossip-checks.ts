/**
 * What must be true of a cluster once it was left in peace.
 *
 * Everybody who is up sees everybody who is up as alive, with the incarnation and meta that they give themselves;
 * nobody who is gone counts as alive; nobody is under suspicion.
 */
import type { GossipCluster } from "./gossip-cluster.ts";
import type { GossipNode } from "./gossip-node.ts";

const VIOLATIONS_SHOWN = 20;

/** What is wrong, in words; empty if nothing is. At most 20 of them. */
export function violations(cluster: GossipCluster): string[] {
  const found: string[] = [];
  for (const observer of cluster.up()) {
    for (const subject of cluster.nodes) {
      const problem = judge(observer, subject);
      if (problem !== undefined) found.push(problem);
      if (found.length >= VIOLATIONS_SHOWN) return [...found, "... and more"];
    }
  }
  return found;
}

/** Names that `cluster` never had, or has forgotten, are not judged. */
function judge(observer: GossipNode, subject: GossipNode): string | undefined {
  const seen = observer.view(subject.name);
  const say = (what: string): string => `${observer.name} sees ${subject.name} ${what}`;
  if (subject.status !== "up") {
    if (seen === undefined || seen.state === "dead" || seen.state === "left") return undefined;
    return say(`${seen.state}, but it is ${subject.status}`);
  }
  if (seen === undefined) return say("nowhere");
  if (seen.state !== "alive") return say(seen.state);
  const self = subject.engine.self();
  if (seen.incarnation !== self.incarnation) return say(`at incarnation ${seen.incarnation}, not ${self.incarnation}`);
  if (!sameBytes(seen.meta, self.meta)) return say("with another meta than its own");
  return undefined;
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one === other || (one.length === other.length && one.every((byte, at) => byte === other[at]));
}
