/**
 * One question and at most one answer on a stream, the way TCP would carry them.
 *
 * The request arrives after three trips (SYN, SYN and ACK, data), the answer after a fourth. A lost trip is repeated
 * with doubling pauses, so loss shows as delay and a cut as a time-out, unless it heals in time. A dead host is
 * silent. Windows and bandwidth are not modelled: large states arrive as fast as small ones.
 * Source: RFC 9293, RFC 6298.
 */
import type { Endpoint } from "../port/endpoint.ts";
import type { Attachment, ClientStream, Network } from "./network.ts";

const HANDSHAKE_RETRY_MS = 1_000;
const DATA_RETRY_MS = 200;
/** Nobody waits for a retry that is this late. */
const RETRY_MS_MAX = 60_000;

export interface Dial<Stream> {
  readonly to: Endpoint;
  readonly request: Stream;
  readonly bytes: number;
  readonly timeoutMs: number;
  readonly expectsReply: boolean;
}

/** Open an exchange. The answer hangs up: nothing about it is said any more. */
export function dial<Datagram, Stream>(
  network: Network<Datagram, Stream>,
  from: Attachment<Datagram, Stream>,
  asked: Dial<Stream>,
  client: ClientStream<Stream>,
): () => void {
  const exchange = new Exchange(network, from, asked, client);
  exchange.start();
  return () => exchange.hangUp();
}

class Exchange<Datagram, Stream> {
  readonly #network: Network<Datagram, Stream>;
  readonly #from: Attachment<Datagram, Stream>;
  readonly #asked: Dial<Stream>;
  readonly #client: ClientStream<Stream>;
  readonly #target: Attachment<Datagram, Stream> | undefined;
  readonly #life: number;
  #open = true;
  #told = false;
  #cancelTimeout: () => void = () => undefined;

  constructor(
    network: Network<Datagram, Stream>,
    from: Attachment<Datagram, Stream>,
    asked: Dial<Stream>,
    client: ClientStream<Stream>,
  ) {
    this.#network = network;
    this.#from = from;
    this.#asked = asked;
    this.#client = client;
    this.#target = network.find(asked.to);
    this.#life = from.host.life;
  }

  start(): void {
    const { host, traffic } = this.#from;
    const target = this.#target;
    traffic.exchanges += 1;
    this.#cancelTimeout = host.alarm(host.now() + this.#asked.timeoutMs, () =>
      this.#finish(() => this.#client.failed("timeout")),
    );
    if (target === undefined) return;
    this.#trip(this.#from, target, HANDSHAKE_RETRY_MS, () =>
      this.#trip(target, this.#from, HANDSHAKE_RETRY_MS, () => this.#connected(target)),
    );
  }

  hangUp(): void {
    this.#finish(() => undefined);
  }

  #connected(target: Attachment<Datagram, Stream>): void {
    this.#from.traffic.streamBytesSent += this.#asked.bytes;
    this.#trip(this.#from, target, DATA_RETRY_MS, () => target.host.streamData(() => this.#serve(target)));
    if (!this.#asked.expectsReply) this.#from.host.streamData(() => this.#tell(() => this.#client.sent()));
  }

  #serve(target: Attachment<Datagram, Stream>): void {
    let answered = false;
    const answer = (arrives: () => void): void => {
      if (answered) return;
      answered = true;
      this.#trip(target, this.#from, DATA_RETRY_MS, () => this.#from.host.streamData(arrives));
    };
    target.receiver.request(this.#asked.request, this.#from.endpoint, {
      reply: (payload, bytes) => {
        target.traffic.streamBytesSent += bytes;
        answer(() => this.#finish(() => this.#client.response(payload)));
      },
      close: () => answer(() => this.#finish(() => this.#client.failed("closed"))),
    });
  }

  /** Tell the client, once. */
  #tell(how: () => void): void {
    if (this.#told) return;
    this.#told = true;
    this.#cancelTimeout();
    how();
  }

  /** Tell the client and end everything. */
  #finish(how: () => void): void {
    this.#open = false;
    this.#tell(how);
  }

  /** From one side to the other, again and again until it arrives or nobody waits any more. */
  #trip(
    from: Attachment<Datagram, Stream>,
    to: Attachment<Datagram, Stream>,
    retryMs: number,
    arrived: () => void,
  ): void {
    if (!this.#open || !from.host.isUp || this.#from.host.life !== this.#life || retryMs > RETRY_MS_MAX) return;
    const delayMs = this.#network.delayNow(from.index, to);
    if (delayMs === undefined) this.#network.world.after(retryMs, () => this.#trip(from, to, retryMs * 2, arrived));
    else
      this.#network.world.after(delayMs, () => {
        if (this.#open && to.host.isUp && this.#from.host.life === this.#life) arrived();
      });
  }
}
