/** The delegate of a node with nothing above gossip: no meta, no messages, no state, no vetoes. */
import type { Delegate } from "./effects.ts";

const NOTHING = new Uint8Array(0);

export const quietDelegate: Delegate = {
  nodeMeta: () => NOTHING,
  getBroadcasts: () => [],
  localState: () => NOTHING,
  ackPayload: () => null,
};
