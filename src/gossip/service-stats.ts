/** The numbers one gossip node shows of itself. All counts are since its start. */
import type { DropCounts } from "./drops.ts";
import type { PacketCounts } from "./service-packets.ts";
import type { StreamCounts } from "./service-streams.ts";

/** Later than this, a wake shows that the process was blocked; peers suspect a member after 500 ms of silence. */
export const LATE_WAKE_MS = 100;

export interface WakeCounts {
  /** Times the engine was woken. */
  readonly total: number;
  /** Of these, more than `LATE_WAKE_MS` late. */
  readonly late: number;
  readonly latestMs: number;
}

export interface GossipStats {
  /** All states together. */
  readonly members: number;
  /** 0: healthy; the higher, the more this node doubts itself. */
  readonly healthScore: number;
  readonly keys: number;
  readonly packets: PacketCounts;
  readonly streams: StreamCounts;
  readonly wakes: WakeCounts;
  /** What was thrown away, by reason. */
  readonly drops: DropCounts;
  /** Failures of our own code that were survived. Anything but 0 deserves a report. */
  readonly bugs: number;
  readonly socketErrors: number;
}

/** How punctual the clock wakes us. */
export class Wakes {
  #total = 0;
  #late = 0;
  #latestMs = 0;

  record(lateMs: number): void {
    this.#total += 1;
    if (lateMs > LATE_WAKE_MS) this.#late += 1;
    this.#latestMs = Math.max(this.#latestMs, lateMs);
  }

  counts(): WakeCounts {
    return { total: this.#total, late: this.#late, latestMs: this.#latestMs };
  }
}
