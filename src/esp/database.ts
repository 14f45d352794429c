/**
 * The associations of one node: inbound ones by SPI and addresses, outbound ones by peer, and which of a peer's
 * outbound ones is sent with.
 *
 * Inbound associations from different sources may share an SPI (hashed SPIs collide): the source is part of the name.
 * Bounded in all directions; knows nothing of time and ciphers. Source: RFC 4301 section 4.4.2.
 */
import { Fault } from "../base/fault.ts";
import { type AssociationId, associationName, type SecurityAssociation } from "../model/security-association.ts";
import { type AddressKey, addressKeyOf } from "./address-key.ts";
import type { InboundAssociation } from "./inbound.ts";
import { ASSOCIATIONS_MAX, ASSOCIATIONS_PER_PEER_MAX, SAME_SPI_MAX } from "./limits.ts";
import type { OutboundAssociation } from "./outbound.ts";

interface Inbound {
  readonly source: AddressKey;
  readonly destination: AddressKey;
  readonly held: InboundAssociation;
}

interface Peer {
  readonly outbound: OutboundAssociation[];
  current: OutboundAssociation | undefined;
  /** Source that packets sent with `current` must have. */
  currentSource: AddressKey | undefined;
  inbound: number;
}

export type Held = InboundAssociation | OutboundAssociation;

export class AssociationDatabase {
  readonly #bySpi = new Map<number, Inbound[]>();
  readonly #peers = new Map<AddressKey, Peer>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Every association, in no order that matters. */
  *all(): Generator<Held> {
    for (const bucket of this.#bySpi.values()) for (const { held } of bucket) yield held;
    for (const { outbound } of this.#peers.values()) yield* outbound;
  }

  /** The one with this name. */
  find(id: AssociationId): Held | undefined {
    if (id.direction === "inbound") return this.#bySpi.get(id.spi)?.find(({ held }) => isSame(held, id))?.held;
    return this.#peers.get(addressKeyOf(id.destination))?.outbound.find((held) => isSame(held, id));
  }

  /** Throws `Fault` (`unavailable`) when there is no room for one more. */
  checkRoom({ direction, spi, source, destination }: SecurityAssociation): void {
    const peer = this.#peers.get(addressKeyOf(direction === "inbound" ? source : destination));
    const ofPeer = (direction === "inbound" ? peer?.inbound : peer?.outbound.length) ?? 0;
    const full =
      this.#size >= ASSOCIATIONS_MAX ||
      ofPeer >= ASSOCIATIONS_PER_PEER_MAX ||
      (direction === "inbound" && (this.#bySpi.get(spi)?.length ?? 0) >= SAME_SPI_MAX);
    if (full) throw new Fault("unavailable", "there are as many associations as may be");
  }

  addInbound(held: InboundAssociation): void {
    const { spi, source, destination } = held.association;
    const bucket = this.#bySpi.get(spi) ?? [];
    bucket.push({ source: addressKeyOf(source), destination: addressKeyOf(destination), held });
    this.#bySpi.set(spi, bucket);
    this.#peerAt(addressKeyOf(source)).inbound += 1;
    this.#size += 1;
  }

  addOutbound(held: OutboundAssociation): void {
    this.#peerAt(addressKeyOf(held.association.destination)).outbound.push(held);
    this.#size += 1;
  }

  /** Send to `peer` with its outbound association `spi`. Throws `Fault` (`notFound`). */
  use(peer: string, spi: number): void {
    const entry = this.#peers.get(addressKeyOf(peer));
    const held = entry?.outbound.find(({ association }) => association.spi === spi);
    if (entry === undefined || held === undefined) {
      throw new Fault("notFound", `no outbound association of ${peer} has the SPI ${spi}`);
    }
    entry.current = held;
    entry.currentSource = addressKeyOf(held.association.source);
  }

  /** Throws `Fault` (`notFound`). */
  remove(id: AssociationId): Held {
    const held = this.find(id);
    if (held === undefined) throw new Fault("notFound", `there is no ${associationName(id)}`);
    if (id.direction === "inbound") this.#removeInbound(held as InboundAssociation);
    else this.#removeOutbound(held as OutboundAssociation);
    this.#size -= 1;
    return held;
  }

  /**
   * The association that a received packet belongs to, or why there is none. Called for each packet.
   */
  receiver(
    spi: number,
    source: AddressKey,
    destination: AddressKey,
  ): InboundAssociation | "unknownAssociation" | "wrongSource" {
    const bucket = this.#bySpi.get(spi);
    if (bucket === undefined) return "unknownAssociation";
    let known = false;
    for (let at = 0; at < bucket.length; at++) {
      const entry = bucket[at]!;
      if (entry.destination !== destination) continue;
      if (entry.source === source) return entry.held;
      known = true;
    }
    return known ? "wrongSource" : "unknownAssociation";
  }

  /** The association to send from `source` to `peer` with, or why there is none. Called for each packet. */
  sender(source: AddressKey, peer: AddressKey): OutboundAssociation | "noAssociation" | "wrongSource" {
    const entry = this.#peers.get(peer);
    if (entry?.current === undefined) return "noAssociation";
    return entry.currentSource === source ? entry.current : "wrongSource";
  }

  #removeInbound(held: InboundAssociation): void {
    const { spi, source } = held.association;
    const left = (this.#bySpi.get(spi) ?? []).filter((entry) => entry.held !== held);
    if (left.length > 0) this.#bySpi.set(spi, left);
    else this.#bySpi.delete(spi);
    this.#peerAt(addressKeyOf(source)).inbound -= 1;
    this.#forgetIdlePeer(addressKeyOf(source));
  }

  #removeOutbound(held: OutboundAssociation): void {
    const key = addressKeyOf(held.association.destination);
    const peer = this.#peerAt(key);
    peer.outbound.splice(peer.outbound.indexOf(held), 1);
    if (peer.current === held) peer.current = undefined;
    this.#forgetIdlePeer(key);
  }

  #peerAt(key: AddressKey): Peer {
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    const peer: Peer = { outbound: [], current: undefined, currentSource: undefined, inbound: 0 };
    this.#peers.set(key, peer);
    return peer;
  }

  #forgetIdlePeer(key: AddressKey): void {
    const peer = this.#peers.get(key);
    if (peer?.inbound === 0 && peer.outbound.length === 0) this.#peers.delete(key);
  }
}

function isSame({ association }: Held, { direction, spi, source, destination }: AssociationId): boolean {
  return (
    association.direction === direction &&
    association.spi === spi &&
    association.source === source &&
    association.destination === destination
  );
}
