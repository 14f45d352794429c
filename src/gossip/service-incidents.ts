/**
 * Everything that goes wrong in the shell ends here: counted always, logged sparingly, never thrown.
 *
 * A `Fault` is somebody else's doing and is counted by its code. Anything else is a bug of ours: it is counted as a
 * bug as well, logged with its stack, and survived, because what one packet can trigger once it can trigger at will.
 */
import { type DecodeFaultCode, dropCodeOf, Fault } from "../base/fault.ts";
import { formatEndpoint } from "../base/ip.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { Log } from "../port/log.ts";
import { type DropCounts, Drops, LineLimit } from "./drops.ts";

const DETAIL_LENGTH_MAX = 200;

/** Places in the shell where our own code may fail; a closed set, because lines are limited by place. */
export type Place = "decode" | "encode" | "engine" | "listener" | "socket";

export class Incidents {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #drops = new Drops();
  readonly #bugLines = new LineLimit<Place>();
  readonly #socketLines = new LineLimit<string>();
  #bugs = 0;
  #socketErrors = 0;

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Something from `from` was thrown away. */
  drop(code: DecodeFaultCode, from: Endpoint | undefined, detail: string): void {
    const line = this.#drops.record(this.#now(), code);
    if (line === undefined) return;
    this.#log.warn("dropped", {
      reason: code,
      from: from && formatEndpoint(from),
      detail: detail.slice(0, DETAIL_LENGTH_MAX),
      unsaid: line.unsaid || undefined,
    });
  }

  /** What decoding threw. The fault it is, or that it counts as. */
  undecodable(error: unknown, from: Endpoint): Fault {
    if (!(error instanceof Fault)) this.bug("decode", error);
    const fault = error instanceof Fault ? error : new Fault("malformed", "could not be decoded", error);
    this.drop(dropCodeOf(fault), from, fault.message);
    return fault;
  }

  /** Our own code failed. */
  bug(place: Place, error: unknown): void {
    this.#bugs += 1;
    const line = this.#bugLines.ask(this.#now(), place);
    if (line === undefined) return;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.error("this is a bug", { place, stack, unsaid: line.unsaid || undefined });
  }

  /** The system refused to send, or complains about a socket. */
  socketError(error: Error, to: Endpoint | undefined): void {
    this.#socketErrors += 1;
    const line = this.#socketLines.ask(this.#now(), to === undefined ? "socket" : "send");
    if (line === undefined) return;
    const fields = { to: to && formatEndpoint(to), error: error.message, unsaid: line.unsaid || undefined };
    this.#log.warn("the system refused to send or to receive", fields);
  }

  counts(): { readonly drops: DropCounts; readonly bugs: number; readonly socketErrors: number } {
    return { drops: this.#drops.counts(), bugs: this.#bugs, socketErrors: this.#socketErrors };
  }
}
