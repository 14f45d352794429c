/**
 * How long a suspicion lasts before it becomes a death: at first the longest time; each independent accuser shortens
 * it, on a logarithmic scale, down to the shortest.
 *
 *   total(c) = max - (ln(c + 1) / ln(k + 1)) * (max - min)      c confirmations of k wanted, whole milliseconds
 *
 * Source: memberlist `suspicion.go`, `util.go` (`suspicionTimeout`), `state.go` (`suspectNode`); Lifeguard.
 */
export interface SuspicionLimits {
  /** Confirmations that shorten it to `minMs`; more are not counted. */
  readonly confirmationsWanted: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** The limits among `nodeCount` known members, dead and left ones included. */
export function suspicionLimits(
  { suspicionMult, suspicionMaxTimeoutMult, probeIntervalMs }: SuspicionConfig,
  nodeCount: number,
): SuspicionLimits {
  const scale = Math.floor(Math.max(1, Math.log10(Math.max(1, nodeCount))) * 1_000) / 1_000;
  const minMs = suspicionMult * scale * probeIntervalMs;
  const wanted = suspicionMult - 2;
  // Fewer others than accusers wanted: nobody could ever confirm.
  const confirmationsWanted = nodeCount - 2 < wanted ? 0 : Math.max(0, wanted);
  return { confirmationsWanted, minMs, maxMs: minMs * suspicionMaxTimeoutMult };
}

interface SuspicionConfig {
  readonly suspicionMult: number;
  readonly suspicionMaxTimeoutMult: number;
  readonly probeIntervalMs: number;
}

export class Suspicion {
  readonly #limits: SuspicionLimits;
  readonly #startedAt: number;
  /** The first accuser is in here, but never counts. */
  readonly #accusers: Set<string>;
  /** Once, an owner may let a suspicion that ran out wait a little longer. */
  wasPutOff = false;

  constructor(limits: SuspicionLimits, startedAt: number, from: string) {
    this.#limits = limits;
    this.#startedAt = startedAt;
    this.#accusers = new Set([from]);
  }

  /** One more accusation. True: it is news, tell others. */
  confirm(from: string): boolean {
    if (this.#confirmations >= this.#limits.confirmationsWanted || this.#accusers.has(from)) return false;
    this.#accusers.add(from);
    return true;
  }

  /** When it becomes a death, unless it ends or is confirmed before. */
  deadline(): number {
    const { confirmationsWanted, minMs, maxMs } = this.#limits;
    if (confirmationsWanted < 1) return this.#startedAt + minMs;
    const share = Math.log(this.#confirmations + 1) / Math.log(confirmationsWanted + 1);
    return this.#startedAt + Math.max(minMs, Math.floor(maxMs - share * (maxMs - minMs)));
  }

  get #confirmations(): number {
    return this.#accusers.size - 1;
  }
}
