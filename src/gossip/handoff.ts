/**
 * The waiting room between the socket and the engine for messages that may wait.
 *
 * Pings, acks, nacks and indirect pings never enter: the shell gives them to the engine at once, because a late answer
 * makes us look dead. State and user messages wait in two bounded queues, `alive` before everything else, and are
 * taken in small portions between other work, so that a storm of them delays no answer.
 * A full queue refuses the newcomer. Upstream takes the newest first; here each queue is first in, first out: what
 * one member says twice arrives in the order it was said, so the older message is not work done in vain, and user
 * messages of one sender keep their order. Source: memberlist `net.go` (`handleCommand`, `getNextMessage`).
 */
import type { Endpoint } from "../port/endpoint.ts";
import type { PacketMessage } from "./messages.ts";

export interface Waiting {
  readonly from: Endpoint;
  readonly message: PacketMessage;
}

/** Must the engine see this message before it sees anything that waits? */
export function isUrgent({ kind }: PacketMessage): boolean {
  return kind === "ping" || kind === "ack" || kind === "nack" || kind === "indirectPing";
}

export class HandoffQueue {
  readonly #depth: number;
  readonly #high = new Fifo<Waiting>();
  readonly #normal = new Fifo<Waiting>();

  /** `depth`: messages that may wait in each of the two queues. */
  constructor(depth: number) {
    this.#depth = depth;
  }

  /** `false`: its queue is full, and the message is not taken. */
  push(waiting: Waiting): boolean {
    const queue = waiting.message.kind === "alive" ? this.#high : this.#normal;
    if (queue.length >= this.#depth) return false;
    queue.push(waiting);
    return true;
  }

  /** The next message in order of priority, then of arrival. */
  take(): Waiting | undefined {
    return this.#high.shift() ?? this.#normal.shift();
  }

  get length(): number {
    return this.#high.length + this.#normal.length;
  }

  lengths(): { readonly high: number; readonly normal: number } {
    return { high: this.#high.length, normal: this.#normal.length };
  }

  clear(): void {
    this.#high.clear();
    this.#normal.clear();
  }
}

/** Taking from the front of a long array moves the rest; this moves it once per half its length. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#head += 1;
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
