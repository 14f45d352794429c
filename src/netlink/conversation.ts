/**
 * Questions and orders to the kernel, and which answer belongs to which, over one socket.
 *
 * The kernel carries out a datagram while it is sent and answers in order, so a conversation never waits: what is not
 * there after the sending will not come. Dumps are read on demand; each read makes the kernel write the next part.
 * A failed exchange leaves old answers in the socket; they carry old sequence numbers and are passed over.
 * Source: Documentation/userspace-api/netlink/intro.rst of Linux.
 */
import { KernelFault } from "../base/errno.ts";
import { Fault } from "../base/fault.ts";
import { KiB } from "../base/units.ts";
import type { NetlinkDoor, NetlinkSocket } from "../port/netlink.ts";
import { decodeAcknowledgement } from "./acknowledgement.ts";
import {
  decodeMessages,
  type Envelope,
  encodeRequests,
  HEADER_BYTES,
  type Message,
  NLM,
  NLMSG,
  type Request,
} from "./message.ts";

/** A dump that is torn again and again; the table changes faster than it can be read. */
const DUMP_TRIES_MAX = 8;
/** More rows in one dump than any table of a node has. */
const ROWS_MAX = 4_000_000;
/** Of one datagram of changes: so many refusals fit into the socket's buffer. */
const CHUNK_REQUESTS = 256;
const CHUNK_BYTES = 32 * KiB;
/** Far more than a socket's buffer holds. */
const STRAY_DATAGRAMS_MAX = 100_000;

/** What became of one request. */
interface Outcome {
  readonly answers: Message[];
  fault: KernelFault | undefined;
  /** Acknowledged, refused, or at the end of its dump. */
  done: boolean;
  torn: boolean;
}

export class Conversation implements NetlinkDoor {
  readonly #socket: NetlinkSocket;
  #nextSequence = 1;

  /** The socket belongs to the conversation from now on. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  ask(request: Request): Message[] {
    if ((request.flags & NLM.dump) === NLM.dump) return this.#dump(request);
    const [outcome] = this.#exchange([withAck(request)], 0);
    if (outcome!.fault !== undefined) throw outcome!.fault;
    return outcome!.answers;
  }

  /** `ask` for orders, which have no answer. */
  change(request: Request): void {
    this.ask(request);
  }

  changeAll(requests: readonly Request[]): (KernelFault | undefined)[] {
    const faults: (KernelFault | undefined)[] = [];
    for (const chunk of chunks(requests)) {
      // The kernel works in order: once it acknowledges the last, it has refused all that it refuses.
      const asked = chunk.map((request, index) =>
        index === chunk.length - 1 ? withAck(request) : withoutAck(request),
      );
      for (const { fault } of this.#exchange(asked, chunk.length - 1)) faults.push(fault);
    }
    return faults;
  }

  transact(requests: readonly Request[]): Message[] {
    const outcomes = this.#exchange(requests, "all that is there");
    for (const { fault } of outcomes) if (fault !== undefined) throw fault;
    for (const [index, { done }] of outcomes.entries()) {
      if (!done && (requests[index]!.flags & NLM.ack) !== 0) throw silence(requests[index]!);
    }
    return outcomes.flatMap(({ answers }) => answers);
  }

  close(): void {
    this.#socket.close();
  }

  #dump(request: Request): Message[] {
    for (let tries = 0; tries < DUMP_TRIES_MAX; tries++) {
      const [outcome] = this.#exchange([request], 0);
      if (outcome!.fault?.errno === "EINTR") continue;
      if (outcome!.fault !== undefined) throw outcome!.fault;
      if (!outcome!.torn) return outcome!.answers;
    }
    throw new Fault("unavailable", `the kernel's table changed during each of ${DUMP_TRIES_MAX} dumps`);
  }

  /** Send all at once; read until the request at `last` is done, or until there is nothing more. */
  #exchange(requests: readonly Request[], last: number | "all that is there"): Outcome[] {
    const first = this.#takeSequences(requests.length);
    const outcomes = requests.map((): Outcome => ({ answers: [], fault: undefined, done: false, torn: false }));
    try {
      this.#send(requests, first);
      while (last === "all that is there" || !outcomes[last]!.done) {
        const bytes = this.#socket.receive();
        if (bytes === undefined) {
          if (last !== "all that is there") throw silence(requests[last]!);
          break;
        }
        for (const envelope of decodeMessages(bytes)) {
          const index = envelope.sequence - first;
          const ours = envelope.portId === this.#socket.portId && index >= 0 && index < outcomes.length;
          if (ours) settle(outcomes[index]!, envelope, requests[index]!);
        }
      }
    } catch (error) {
      this.#discard();
      throw error;
    }
    return outcomes;
  }

  #send(requests: readonly Request[], first: number): void {
    const bytes = encodeRequests(requests, first, this.#socket.portId);
    try {
      this.#socket.send(bytes);
    } finally {
      // Associations carry their keys in them.
      bytes.fill(0);
    }
  }

  #takeSequences(count: number): number {
    if (this.#nextSequence + count > 0xffff_ffff) this.#nextSequence = 1;
    const first = this.#nextSequence;
    this.#nextSequence += count;
    return first;
  }

  /** Read off what a broken exchange left, above all a dump at work: the kernel runs one at a time per socket. */
  #discard(): void {
    for (let datagrams = 0; datagrams < STRAY_DATAGRAMS_MAX; datagrams++) {
      try {
        if (this.#socket.receive() === undefined) return;
      } catch (error) {
        if (!(error instanceof KernelFault)) throw error;
      }
    }
  }
}

function settle(outcome: Outcome, envelope: Envelope, request: Request): void {
  if ((envelope.flags & NLM.dumpInterrupted) !== 0) outcome.torn = true;
  if (envelope.type === NLMSG.error || envelope.type === NLMSG.done) {
    const { errno, text } = decodeAcknowledgement(envelope);
    if (errno !== 0)
      outcome.fault ??= new KernelFault(errno, `the kernel refuses netlink request ${request.type}`, text);
    outcome.done = true;
  } else if (envelope.type !== NLMSG.noop) {
    if (outcome.answers.length >= ROWS_MAX) throw new Fault("oversize", `more than ${ROWS_MAX} rows`);
    outcome.answers.push({ type: envelope.type, flags: envelope.flags, body: envelope.body });
  }
}

function* chunks(requests: readonly Request[]): Generator<Request[]> {
  let chunk: Request[] = [];
  let bytes = 0;
  for (const request of requests) {
    const more = HEADER_BYTES + request.body.length;
    if (chunk.length === CHUNK_REQUESTS || (chunk.length > 0 && bytes + more > CHUNK_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(request);
    bytes += more;
  }
  if (chunk.length > 0) yield chunk;
}

function withAck({ type, flags, body }: Request): Request {
  return { type, flags: flags | NLM.ack, body };
}

function withoutAck({ type, flags, body }: Request): Request {
  return { type, flags: flags & ~NLM.ack, body };
}

function silence({ type }: Request): Fault {
  return new Fault("unavailable", `the kernel did not answer netlink request ${type}`);
}
