/**
 * Rumours that wait to be told: one per name (a member's, for example), the newest. Each is sent a limited number of times, then forgotten.
 *
 * A packet takes the least told rumours first; among those equally often told the largest that fits, and of equals
 * the newest. Rumours of one length that were told equally often stand on one stack, so taking one costs a look at
 * the lengths that occur. What was replaced stays on its stack until it is met, or until there is too much of it.
 * Source: memberlist `queue.go` (`TransmitLimitedQueue`), `util.go` (`retransmitLimit`).
 */
/** How often a rumour is sent among `nodeCount` known members. */
export function retransmitLimit(retransmitMult: number, nodeCount: number): number {
  return retransmitMult * Math.ceil(Math.log10(nodeCount + 1));
}

export interface Taken<Message> {
  readonly messages: Message[];
  /** What they cost, `overheadBytes` each included. */
  readonly bytes: number;
}

interface Rumour<Message> {
  readonly name: string;
  readonly message: Message;
  readonly bytes: number;
  transmits: number;
  replaced: boolean;
}

/** Replaced rumours that may lie around, beside as many as there are live ones. */
const REPLACED_MAX = 64;

export class BroadcastQueue<Message> {
  readonly #lengthOf: (message: Message) => number;
  readonly #byName = new Map<string, Rumour<Message>>();
  /** Index: how often told. */
  #tiers: Tier<Message>[] = [];
  #replaced = 0;

  constructor(lengthOf: (message: Message) => number) {
    this.#lengthOf = lengthOf;
  }

  get size(): number {
    return this.#byName.size;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Tell this about `name`, and nothing else about it any more. */
  push(name: string, message: Message): void {
    const old = this.#byName.get(name);
    if (old !== undefined) {
      old.replaced = true;
      this.#replaced += 1;
    }
    const rumour = { name, message, bytes: this.#lengthOf(message), transmits: 0, replaced: false };
    this.#byName.set(name, rumour);
    this.#tier(0).push(rumour);
    if (this.#replaced > this.#byName.size + REPLACED_MAX) this.#sweep();
  }

  /**
   * What fits into `limitBytes`, each costing `overheadBytes` more than its length. Counts as one transmission of
   * each; what reaches `transmitLimit` is forgotten.
   */
  take(limits: TakeLimits): Taken<Message> {
    const { overheadBytes, limitBytes, transmitLimit } = limits;
    const taken: Rumour<Message>[] = [];
    let bytes = 0;
    if (this.#byName.size === 0) return { messages: [], bytes };
    for (const tier of this.#tiers) {
      for (;;) {
        const rumour = tier.take(limitBytes - bytes - overheadBytes);
        if (rumour === undefined) break;
        if (rumour.replaced) this.#replaced -= 1;
        else {
          taken.push(rumour);
          bytes += rumour.bytes + overheadBytes;
        }
      }
    }
    for (const rumour of taken) this.#told(rumour, transmitLimit);
    return { messages: taken.map(({ message }) => message), bytes };
  }

  #told(rumour: Rumour<Message>, transmitLimit: number): void {
    rumour.transmits += 1;
    if (rumour.transmits >= transmitLimit) this.#byName.delete(rumour.name);
    else this.#tier(rumour.transmits).push(rumour);
  }

  #tier(transmits: number): Tier<Message> {
    while (this.#tiers.length <= transmits) this.#tiers.push(new Tier());
    return this.#tiers[transmits]!;
  }

  #sweep(): void {
    this.#tiers = [];
    this.#replaced = 0;
    for (const rumour of this.#byName.values()) this.#tier(rumour.transmits).push(rumour);
  }
}

export interface TakeLimits {
  readonly overheadBytes: number;
  readonly limitBytes: number;
  readonly transmitLimit: number;
}

/** Rumours told equally often: a stack for each length. */
class Tier<Message> {
  readonly #stacks = new Map<number, Rumour<Message>[]>();
  /** Lengths that occur, the largest first. */
  #lengths: number[] = [];

  push(rumour: Rumour<Message>): void {
    const stack = this.#stacks.get(rumour.bytes);
    if (stack !== undefined) {
      stack.push(rumour);
      return;
    }
    this.#stacks.set(rumour.bytes, [rumour]);
    this.#lengths.push(rumour.bytes);
    this.#lengths.sort((one, other) => other - one);
  }

  /** The newest of the largest that has at most `bytesMax`, or one that was replaced. */
  take(bytesMax: number): Rumour<Message> | undefined {
    const at = this.#lengths.findIndex((length) => length <= bytesMax);
    if (at < 0) return undefined;
    const length = this.#lengths[at]!;
    const stack = this.#stacks.get(length)!;
    const rumour = stack.pop();
    if (stack.length === 0) {
      this.#stacks.delete(length);
      this.#lengths.splice(at, 1);
    }
    return rumour;
  }
}
