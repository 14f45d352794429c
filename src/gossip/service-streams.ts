/**
 * The shell around streams: one exchange per connection, each with a deadline, `STREAMS_MAX` in each direction.
 *
 * Accepted: read one request -> engine -> at most one reply -> end -> the peer closes, or the deadline does.
 * Dialled:  write one request -> read one response (or wait until the peer, having read it, closes) -> engine.
 * A request in clear text, or that no key opens, is answered with an encrypted error, as upstream does; so that the
 * answer is not lost to a reset, the rest of what such a peer sends is read and thrown away until the deadline.
 * Nothing that a stream holds is thrown any further. Source: memberlist `net.go` (`handleConn`).
 */
import { type DecodeFaultCode, Fault } from "../base/fault.ts";
import { formatEndpoint, type NetworkMatch } from "../base/ip.ts";
import { MiB } from "../base/units.ts";
import type { Cancel, Clock } from "../port/clock.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { ByteStream, StreamHandler, StreamListener, Streams } from "../port/streams.ts";
import type { ExchangeId, GossipEffect, GossipInput } from "./effects.ts";
import { STREAMS_MAX } from "./limits.ts";
import type { StreamMessage, StreamRequest, StreamResponse } from "./messages.ts";
import type { Incidents } from "./service-incidents.ts";
import type { StreamCodec, StreamReader } from "./stream.ts";

type Dial = Extract<GossipEffect, { do: "dial" }>;

export interface StreamCounts {
  /** Open now. */
  readonly accepted: number;
  readonly dialled: number;
  /** Since the start. */
  readonly acceptedTotal: number;
  readonly dialledTotal: number;
  /** Closed at once because too many were open. */
  readonly refused: number;
  /** Closed because their time was over. */
  readonly timedOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface StreamShellOptions {
  /** For accepted streams, from the first byte to the last. */
  readonly tcpTimeoutMs: number;
  readonly allowed: NetworkMatch;
  readonly codec: StreamCodec;
  readonly incidents: Incidents;
  /** Takes inputs for the engine; must not throw. */
  readonly give: (input: GossipInput) => void;
}

interface Accepted {
  readonly stream: ByteStream;
  readonly cancel: Cancel;
  /** Gone once the request is complete or refused. */
  reader: StreamReader<StreamRequest> | undefined;
}

interface Dialled {
  readonly dial: Dial;
  readonly stream: ByteStream;
  readonly cancel: Cancel;
  readonly reader: StreamReader<StreamResponse>;
}

/** Ours: bytes of unfinished requests that strangers may make us hold, all streams together. */
export const UNFINISHED_BYTES_MAX = 64 * MiB;

/** What a peer must hear about, because it may be a misconfigured friend. */
const answeredFaults: ReadonlyMap<string, string> = new Map([
  ["plaintext", "encryption is configured here, but the request is not encrypted"],
  ["undecryptable", "the request opens with none of the keys installed here"],
  ["encryptionVersion", "the request has an encryption version that is not known here"],
]);

export class StreamShell {
  readonly #options: StreamShellOptions;
  readonly #clock: Clock;
  readonly #streams: Streams;
  readonly #accepted = new Map<ExchangeId, Accepted>();
  readonly #dialled = new Map<ExchangeId, Dialled>();
  #listener: StreamListener | undefined;
  #lastAccepted: ExchangeId = 0;
  #closed = false;
  readonly #counts = { acceptedTotal: 0, dialledTotal: 0, refused: 0, timedOut: 0, bytesIn: 0, bytesOut: 0 };

  constructor(options: StreamShellOptions, { clock, streams }: { readonly clock: Clock; readonly streams: Streams }) {
    this.#options = options;
    this.#clock = clock;
    this.#streams = streams;
  }

  /** Rejects with a `Fault` (`unavailable`). Returns the endpoint really bound. */
  async listen(local: Endpoint): Promise<Endpoint> {
    this.#listener = await this.#streams.listen(local, (stream) => this.#accept(stream));
    return this.#listener.local;
  }

  /** Perform the effect: answers with `response`, `sent` or `exchangeFailed`, always later than this call's return. */
  dial(dial: Dial): void {
    if (this.#closed) return;
    if (this.#dialled.size >= STREAMS_MAX) {
      this.#counts.refused += 1;
      this.#giveFailure(dial, new Fault("unavailable", "too many streams are open"));
      return;
    }
    try {
      this.#open(dial, this.#options.codec.encodeRequest(dial.message));
    } catch (error) {
      if (!(error instanceof Fault)) this.#options.incidents.bug("encode", error);
      const fault = error instanceof Fault ? error : new Fault("invalid", "the request could not be encoded", error);
      this.#giveFailure(dial, fault);
    }
  }

  /** Give up a dialled exchange without a word. */
  hangUp(exchange: ExchangeId): void {
    this.#finishDialled(exchange);
  }

  /** Answer a request and let the peer close. */
  reply(exchange: ExchangeId, message: StreamResponse): void {
    const accepted = this.#accepted.get(exchange);
    if (accepted === undefined) return;
    try {
      this.#write(accepted.stream, this.#options.codec.encodeResponse(message));
      accepted.stream.end();
    } catch (error) {
      this.#options.incidents.bug("encode", error);
      this.closeAccepted(exchange);
    }
  }

  /** Close an accepted exchange without an answer. */
  closeAccepted(exchange: ExchangeId): void {
    const accepted = this.#accepted.get(exchange);
    if (accepted === undefined) return;
    this.#accepted.delete(exchange);
    accepted.cancel();
    accepted.stream.destroy();
  }

  counts(): StreamCounts {
    return { accepted: this.#accepted.size, dialled: this.#dialled.size, ...this.#counts };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const exchange of [...this.#accepted.keys()]) this.closeAccepted(exchange);
    for (const exchange of [...this.#dialled.keys()]) this.#finishDialled(exchange);
    await this.#listener?.close();
  }

  #accept(stream: ByteStream): StreamHandler {
    const refusal = this.#refusal(stream.remote);
    if (refusal !== undefined) {
      this.#options.incidents.drop(refusal, stream.remote, "stream");
      stream.destroy();
      return deaf;
    }
    const exchange = ++this.#lastAccepted;
    this.#counts.acceptedTotal += 1;
    const cancel = this.#clock.after(this.#options.tcpTimeoutMs, () => this.#expireAccepted(exchange));
    this.#accepted.set(exchange, { stream, cancel, reader: this.#options.codec.requestReader() });
    return {
      data: (bytes) => this.#readRequest(exchange, bytes),
      end: () => this.#requesterEnded(exchange),
      closed: () => this.closeAccepted(exchange),
      failed: () => this.#requesterFailed(exchange),
    };
  }

  #refusal({ address }: Endpoint): DecodeFaultCode | undefined {
    if (!this.#options.allowed(address)) return "notAllowed";
    if (this.#accepted.size < STREAMS_MAX) return undefined;
    this.#counts.refused += 1;
    return "queueFull";
  }

  #readRequest(exchange: ExchangeId, bytes: Uint8Array): void {
    this.#counts.bytesIn += bytes.length;
    const accepted = this.#accepted.get(exchange);
    if (accepted?.reader === undefined) return;
    const { reader, stream } = accepted;
    try {
      const message = reader.push(this.#clock.now(), bytes);
      if (message === undefined) {
        this.#boundUnfinished();
        return;
      }
      accepted.reader = undefined;
      this.#countRefusedRows(reader, stream.remote);
      this.#options.give({ on: "request", exchange, from: stream.remote, message });
    } catch (error) {
      accepted.reader = undefined;
      const { code } = this.#options.incidents.undecodable(error, stream.remote);
      const answer = answeredFaults.get(code);
      if (answer === undefined) this.closeAccepted(exchange);
      else this.reply(exchange, { kind: "error", error: answer });
    }
  }

  /** Too much unfinished: the stream that holds the most goes. */
  #boundUnfinished(): void {
    let total = 0;
    let most: { readonly exchange: ExchangeId; readonly bytes: number; readonly from: Endpoint } | undefined;
    for (const [exchange, { reader, stream }] of this.#accepted) {
      const bytes = reader?.bufferedBytes ?? 0;
      total += bytes;
      if (bytes > (most?.bytes ?? 0)) most = { exchange, bytes, from: stream.remote };
    }
    if (total <= UNFINISHED_BYTES_MAX || most === undefined) return;
    this.#options.incidents.drop("queueFull", most.from, "unfinished requests hold too much memory");
    this.closeAccepted(most.exchange);
  }

  #countRefusedRows({ faults, refusedRows }: StreamReader<StreamMessage>, from: Endpoint): void {
    for (let row = 0; row < refusedRows; row++) {
      const fault = faults[row];
      if (fault === undefined) this.#options.incidents.drop("invalidMember", from, "a row of a state exchange");
      else this.#options.incidents.undecodable(fault, from);
    }
  }

  /** Nothing more comes. Fine once we have the request: then the answer is on its way, and `closed` follows. */
  #requesterEnded(exchange: ExchangeId): void {
    if (this.#accepted.get(exchange)?.reader !== undefined) this.#requesterFailed(exchange);
  }

  #requesterFailed(exchange: ExchangeId): void {
    const accepted = this.#accepted.get(exchange);
    if (accepted === undefined) return;
    // Connecting and closing without a word is what port checks do.
    if ((accepted.reader?.bufferedBytes ?? 0) > 0) {
      this.#options.incidents.drop("truncated", accepted.stream.remote, "a request that was cut off");
    }
    this.closeAccepted(exchange);
  }

  #expireAccepted(exchange: ExchangeId): void {
    const accepted = this.#accepted.get(exchange);
    if (accepted === undefined) return;
    this.#counts.timedOut += 1;
    if (accepted.reader !== undefined) {
      this.#options.incidents.drop("truncated", accepted.stream.remote, "a request that was not finished in time");
    }
    this.closeAccepted(exchange);
  }

  #open(dial: Dial, bytes: Uint8Array): void {
    const { exchange, to, timeoutMs, expects } = dial;
    this.#counts.dialledTotal += 1;
    const fail = (fault: Fault): void => this.#failDialled(exchange, fault);
    const where = formatEndpoint(to);
    const stream = this.#streams.dial(to, timeoutMs, {
      data: (chunk) => this.#readResponse(exchange, chunk),
      end: () => this.#responderEnded(exchange),
      failed: (error) =>
        fail(error instanceof Fault ? error : new Fault("unavailable", `${where}: ${error.message}`, error)),
    });
    const cancel = this.#clock.after(timeoutMs, () => {
      this.#counts.timedOut += 1;
      fail(new Fault("timeout", `${where} did not finish within ${timeoutMs} ms`));
    });
    this.#dialled.set(exchange, { dial, stream, cancel, reader: this.#options.codec.responseReader() });
    this.#write(stream, bytes);
    if (expects === "nothing") stream.end();
  }

  #readResponse(exchange: ExchangeId, bytes: Uint8Array): void {
    this.#counts.bytesIn += bytes.length;
    const dialled = this.#dialled.get(exchange);
    if (dialled === undefined || dialled.dial.expects === "nothing") return;
    try {
      const message = dialled.reader.push(this.#clock.now(), bytes);
      if (message === undefined) return;
      this.#countRefusedRows(dialled.reader, dialled.dial.to);
      this.#finishDialled(exchange);
      this.#options.give({ on: "response", exchange, message });
    } catch (error) {
      this.#failDialled(exchange, this.#options.incidents.undecodable(error, dialled.dial.to));
    }
  }

  /** The peer closed: proof that it read everything when we expect nothing, else a broken promise. */
  #responderEnded(exchange: ExchangeId): void {
    const dialled = this.#dialled.get(exchange);
    if (dialled === undefined) return;
    if (dialled.dial.expects === "nothing") {
      this.#finishDialled(exchange);
      this.#options.give({ on: "sent", exchange });
    } else {
      const where = formatEndpoint(dialled.dial.to);
      this.#failDialled(exchange, new Fault("unavailable", `${where} closed the stream without an answer`));
    }
  }

  #failDialled(exchange: ExchangeId, fault: Fault): void {
    const dialled = this.#dialled.get(exchange);
    if (dialled === undefined) return;
    this.#finishDialled(exchange);
    this.#giveFailure(dialled.dial, fault);
  }

  #finishDialled(exchange: ExchangeId): void {
    const dialled = this.#dialled.get(exchange);
    if (dialled === undefined) return;
    this.#dialled.delete(exchange);
    dialled.cancel();
    dialled.stream.destroy();
  }

  #giveFailure({ exchange }: Dial, fault: Fault): void {
    this.#options.give({ on: "exchangeFailed", exchange, fault });
  }

  #write(stream: ByteStream, bytes: Uint8Array): void {
    this.#counts.bytesOut += bytes.length;
    stream.write(bytes);
  }
}

const deaf: StreamHandler = { data: () => undefined, end: () => undefined, failed: () => undefined };
