/**
 * A network between simulated hosts: datagrams that are lost, late, doubled and overtaken; stream exchanges that
 * survive loss by retransmitting, and fail by time-out.
 *
 * Every link has a direction of its own, so loss and cuts can be one-sided. Carries whatever it is given without
 * looking inside: message objects or bytes; the sender says how many bytes they would be. Bandwidth is unlimited.
 * Source of the retransmission times: RFC 6298 (1 s for the first packet), Linux `TCP_RTO_MIN` (200 ms after that).
 */
import { assert } from "../base/assert.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { Host } from "./host.ts";
import { chance, exponential, type SeededRandom } from "./random.ts";
import type { World } from "./world.ts";

/** How one direction of one link behaves. Probabilities are 0..1. */
export interface Link {
  readonly loss: number;
  /** Shortest time on the way. */
  readonly delayMs: number;
  /** Mean of the exponentially distributed time on top. */
  readonly jitterMs: number;
  /** Probability that a datagram arrives twice. */
  readonly duplicate: number;
  /** Probability that a datagram is held back by up to `reorderMs`, so that later ones overtake it. */
  readonly reorder: number;
  readonly reorderMs: number;
}

/** A quiet local network. */
export const quietLink: Link = { loss: 0, delayMs: 0.5, jitterMs: 0.5, duplicate: 0, reorder: 0, reorderMs: 20 };

/** What one host put on and took off the network. Bytes are of datagrams without IP and UDP headers. */
export interface Traffic {
  datagramsSent: number;
  datagramBytesSent: number;
  datagramsReceived: number;
  datagramsLost: number;
  exchanges: number;
  streamBytesSent: number;
}

/** What arrives at a host from the network. */
export interface Receiver<Datagram, Stream> {
  datagram(payload: Datagram, from: Endpoint): void;
  /** A stranger asks on a stream; answer at most once, now or later. */
  request(payload: Stream, from: Endpoint, stream: ServerStream<Stream>): void;
}

export interface ServerStream<Stream> {
  reply(payload: Stream, bytes: number): void;
  close(): void;
}

/** What the dialler hears: exactly one of them, once, unless it hangs up first. */
export interface ClientStream<Stream> {
  response(payload: Stream): void;
  /** The request is written, and no answer is expected. */
  sent(): void;
  failed(why: "timeout" | "closed"): void;
}

/** One direction or both of a set of links cut off. */
export interface Cut {
  heal(): void;
}

export class Attachment<Datagram, Stream> {
  readonly index: number;
  readonly host: Host;
  readonly endpoint: Endpoint;
  readonly receiver: Receiver<Datagram, Stream>;
  readonly traffic: Traffic = {
    datagramsSent: 0,
    datagramBytesSent: 0,
    datagramsReceived: 0,
    datagramsLost: 0,
    exchanges: 0,
    streamBytesSent: 0,
  };

  constructor(index: number, host: Host, endpoint: Endpoint, receiver: Receiver<Datagram, Stream>) {
    this.index = index;
    this.host = host;
    this.endpoint = endpoint;
    this.receiver = receiver;
  }
}

const PAIR_FACTOR = 0x1_0000;

export class Network<Datagram, Stream> {
  readonly world: World;
  readonly #random: SeededRandom;
  readonly #byPort = new Map<string, Map<number, Attachment<Datagram, Stream>>>();
  #count = 0;
  #link: Link;
  readonly #pairLinks = new Map<number, Link>();
  readonly #nodeLinks = new Map<number, Link>();
  readonly #cuts = new Set<(from: number, to: number) => boolean>();

  constructor(world: World, link: Link = quietLink) {
    this.world = world;
    this.#random = world.random("network");
    this.#link = link;
  }

  /** Plug a host in. At most 65,536 hosts. */
  attach(host: Host, endpoint: Endpoint, receiver: Receiver<Datagram, Stream>): Attachment<Datagram, Stream> {
    assert(this.#count < PAIR_FACTOR, "too many hosts");
    const ports = this.#byPort.get(endpoint.address) ?? new Map<number, Attachment<Datagram, Stream>>();
    this.#byPort.set(endpoint.address, ports);
    assert(!ports.has(endpoint.port), "an endpoint belongs to one host");
    const attachment = new Attachment(this.#count++, host, endpoint, receiver);
    ports.set(endpoint.port, attachment);
    return attachment;
  }

  /** How all links behave that are not told otherwise. */
  setLink(link: Partial<Link>): void {
    this.#link = { ...this.#link, ...link };
  }

  /** How the links from one host to another behave; `undefined`: like all others. */
  setPairLink(from: number, to: number, link: Partial<Link> | undefined): void {
    if (link === undefined) this.#pairLinks.delete(from * PAIR_FACTOR + to);
    else this.#pairLinks.set(from * PAIR_FACTOR + to, { ...this.#link, ...link });
  }

  /** How all links out of one host behave; `undefined`: like all others. */
  setNodeLink(from: number, link: Partial<Link> | undefined): void {
    if (link === undefined) this.#nodeLinks.delete(from);
    else this.#nodeLinks.set(from, { ...this.#link, ...link });
  }

  /** Nothing goes from `from` to `to` any more, nor back unless `oneWay`. */
  cut(from: Iterable<number>, to: Iterable<number>, { oneWay = false } = {}): Cut {
    const [sources, targets] = [new Set(from), new Set(to)];
    const blocks = (source: number, target: number): boolean =>
      (sources.has(source) && targets.has(target)) || (!oneWay && sources.has(target) && targets.has(source));
    this.#cuts.add(blocks);
    return { heal: () => this.#cuts.delete(blocks) };
  }

  /** Send one datagram of this many bytes, best effort. */
  send(from: Attachment<Datagram, Stream>, to: Endpoint, payload: Datagram, bytes: number): void {
    from.traffic.datagramsSent += 1;
    from.traffic.datagramBytesSent += bytes;
    const target = this.#find(to);
    const link = target === undefined ? undefined : this.#linkTo(from.index, target.index);
    if (target === undefined || link === undefined || chance(this.#random, link.loss)) {
      from.traffic.datagramsLost += 1;
      return;
    }
    const copies = chance(this.#random, link.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const held = chance(this.#random, link.reorder) ? this.#random.u32() % Math.ceil(link.reorderMs) : 0;
      this.world.after(this.#delay(link) + held, () => this.#arrive(target, payload, from.endpoint, bytes));
    }
  }

  /** Will anything that `from` sends to `to` now arrive? Lost by chance counts as no. */
  delayNow(from: number, to: Attachment<Datagram, Stream>): number | undefined {
    const link = this.#linkTo(from, to.index);
    if (link === undefined || !to.host.isUp || chance(this.#random, link.loss)) return undefined;
    return this.#delay(link);
  }

  find(to: Endpoint): Attachment<Datagram, Stream> | undefined {
    return this.#find(to);
  }

  #arrive(target: Attachment<Datagram, Stream>, payload: Datagram, from: Endpoint, bytes: number): void {
    const taken = target.host.datagram(bytes, () => {
      target.traffic.datagramsReceived += 1;
      target.receiver.datagram(payload, from);
    });
    if (!taken) target.traffic.datagramsLost += 1;
  }

  #find({ address, port }: Endpoint): Attachment<Datagram, Stream> | undefined {
    return this.#byPort.get(address)?.get(port);
  }

  #delay(link: Link): number {
    return link.delayMs + exponential(this.#random, link.jitterMs);
  }

  /** How the link behaves, or `undefined` while it is cut. */
  #linkTo(from: number, to: number): Link | undefined {
    for (const blocks of this.#cuts) if (blocks(from, to)) return undefined;
    if (this.#pairLinks.size === 0 && this.#nodeLinks.size === 0) return this.#link;
    return this.#pairLinks.get(from * PAIR_FACTOR + to) ?? this.#nodeLinks.get(from) ?? this.#link;
  }
}
