/**
 * The ESP engine: what a kernel's XFRM does for transport mode, as a machine that never waits.
 *
 * Associations come and go through `step`. Packets go through `seal` and `open`, in place, many between two steps; what
 * they cause is told by the next step. It fails closed: a datagram without a usable association is a drop, never a
 * datagram in clear. Chooses no keys and replaces no association by itself.
 * Source: RFC 4303, RFC 4106; make-before-break is the owner's order of `install`, `transmit`, `remove`.
 */
import type { Engine, Wake } from "../base/engine.ts";
import { Fault, faultOf } from "../base/fault.ts";
import type { Uniform } from "../base/random.ts";
import {
  type AssociationId,
  associationName,
  checkAssociation,
  type SecurityAssociation,
} from "../model/security-association.ts";
import type { EspCiphers } from "../port/esp-cipher.ts";
import type { AddressKey } from "./address-key.ts";
import { AssociationDatabase, type Held } from "./database.ts";
import { type EspDrop, type EspEffect, type EspInput, espDrops, type Usage } from "./effects.ts";
import { InboundAssociation } from "./inbound.ts";
import { TOLD_MAX } from "./limits.ts";
import { ICV_BYTES_MAX, type PacketSlot, SPI_AT } from "./messages.ts";
import { Meter } from "./meter.ts";
import { OutboundAssociation } from "./outbound.ts";
import { getU32, isDatagramTo } from "./packet.ts";

export interface EspOptions {
  /** The UDP port of what is protected: only datagrams to it go out or come in. VXLAN's is 4789. */
  readonly port: number;
  /** Overwrite key material when its association is gone or refused: for who installs copies and keeps none. */
  readonly ownsMaterial?: boolean;
}

export interface EspPorts {
  /** Unpredictable, for the masks of IVs. */
  readonly random: Uniform;
  readonly ciphers: EspCiphers;
}

export type DropCounts = Readonly<Record<EspDrop, number>>;

/** Shorter than that, there is not even an SPI that somebody could have meant. */
const PACKET_BYTES_MIN = 8 + ICV_BYTES_MAX / 2;

export class EspEngine implements Engine<EspInput, EspEffect> {
  readonly #port: number;
  readonly #ownsMaterial: boolean;
  readonly #ports: EspPorts;
  readonly #database = new AssociationDatabase();
  readonly #drops: Record<EspDrop, number>;
  #told: EspEffect[] = [];
  /** Of all associations; recomputed when one was added, removed or told. */
  #nextAge = Infinity;

  constructor({ port, ownsMaterial = false }: EspOptions, ports: EspPorts) {
    this.#port = port;
    this.#ownsMaterial = ownsMaterial;
    this.#ports = ports;
    this.#drops = Object.fromEntries(Object.keys(espDrops).map((code) => [code, 0])) as Record<EspDrop, number>;
  }

  step(now: number, input: EspInput | Wake): EspEffect[] {
    if (now >= this.#nextAge) this.#age(now);
    if (input.on !== "wake") {
      try {
        this.#take(now, input);
      } catch (error) {
        this.#tell({ do: "refused", fault: faultOf(error) });
        if (input.on === "install") this.#discard(input.association);
      }
    }
    const told = this.#told;
    this.#told = [];
    return told;
  }

  /** At once when packets left something to tell. */
  deadline(): number {
    return this.#told.length > 0 ? 0 : this.#nextAge;
  }

  /**
   * Seal the datagram in `slot` for `peer`, in place; `source` is where it comes from. messages.ts tells how much room
   * it needs around it. `slot` holds the packet afterwards, unless the answer is why there is none.
   */
  seal(slot: PacketSlot, source: AddressKey, peer: AddressKey): EspDrop | undefined {
    if (!isDatagramTo(this.#port, slot.bytes, slot.at, slot.length)) return this.#drop("notDatagram");
    const sender = this.#database.sender(source, peer);
    if (typeof sender === "string") return this.#drop(sender);
    const drop = sender.seal(slot);
    return drop === undefined ? undefined : this.#drop(drop);
  }

  /** Open the packet in `slot` in place. `slot` holds the datagram afterwards, unless the answer is why it does not. */
  open(slot: PacketSlot, source: AddressKey, destination: AddressKey): EspDrop | undefined {
    if (slot.length < PACKET_BYTES_MIN) return this.#drop("truncated");
    const receiver = this.#database.receiver(getU32(slot.bytes, slot.at + SPI_AT), source, destination);
    if (typeof receiver === "string") return this.#drop(receiver);
    const drop = receiver.open(slot);
    return drop === undefined ? undefined : this.#drop(drop);
  }

  /** Every reason, also those that never happened. */
  drops(): DropCounts {
    return { ...this.#drops };
  }

  get associations(): number {
    return this.#database.size;
  }

  /** What an association has carried; `undefined` if it is not here. */
  usage(id: AssociationId): Usage | undefined {
    return this.#database.find(id)?.usage;
  }

  usages(): { readonly id: AssociationId; readonly usage: Usage }[] {
    return [...this.#database.all()].map((held) => ({ id: idOf(held.association), usage: held.usage }));
  }

  /** Forget all keys. */
  destroy(): void {
    for (const { association } of [...this.#database.all()]) this.#forget(association);
    this.#nextAge = Infinity;
  }

  #take(now: number, input: EspInput): void {
    if (input.on === "install") this.#install(now, input.association);
    else if (input.on === "transmit") this.#database.use(input.peer, input.spi);
    else if (input.on === "restart") this.#restart(input.id);
    else this.#remove(input.id);
  }

  #install(now: number, association: SecurityAssociation): void {
    checkAssociation(association);
    const there = this.#database.find(association);
    if (there !== undefined) {
      if (isEqual(there.association, association)) {
        if (there.association.material !== association.material) this.#discard(association);
        return;
      }
      throw new Fault("conflict", `there is another ${associationName(association)}`);
    }
    this.#database.checkRoom(association);
    const { material, icvBytes, direction, limits } = association;
    const cipher = material.withBytes((bytes) => this.#ports.ciphers.create(bytes, icvBytes, direction));
    const id = idOf(association);
    const meter = new Meter(limits, now, (kind, because) => this.#tell({ do: "limit", id, kind, because }));
    if (direction === "outbound") {
      this.#database.addOutbound(new OutboundAssociation(association, cipher, this.#ports.random, meter));
    } else {
      const tellRestart = (): void => this.#tell({ do: "peerRestarted", id });
      this.#database.addInbound(new InboundAssociation(association, cipher, this.#port, meter, tellRestart));
    }
    this.#nextAge = Math.min(this.#nextAge, meter.deadline);
  }

  #restart(id: AssociationId): void {
    const held = this.#database.find(id);
    if (!(held instanceof OutboundAssociation)) throw new Fault("notFound", `there is no ${associationName(id)}`);
    if (!held.association.replay.senderMayRestart) {
      throw new Fault("conflict", `${associationName(id)}: its receiver would take the next packets for old ones`);
    }
    held.restart();
  }

  #remove(id: AssociationId): void {
    const held = this.#forget(id);
    this.#tell({ do: "removed", id: idOf(held.association), usage: held.usage });
  }

  #forget(id: AssociationId): Held {
    const held = this.#database.remove(id);
    held.destroy();
    this.#discard(held.association);
    return held;
  }

  #discard({ material }: SecurityAssociation): void {
    if (this.#ownsMaterial) material.destroy();
  }

  /** Tell the limits of age that have been reached, and find the next. */
  #age(now: number): void {
    this.#nextAge = Infinity;
    for (const { meter } of this.#database.all()) {
      meter.wake(now);
      this.#nextAge = Math.min(this.#nextAge, meter.deadline);
    }
  }

  #tell(effect: EspEffect): void {
    if (this.#told.length < TOLD_MAX) this.#told.push(effect);
  }

  #drop(code: EspDrop): EspDrop {
    this.#drops[code] += 1;
    return code;
  }
}

function idOf({ direction, spi, source, destination }: SecurityAssociation): AssociationId {
  return { direction, spi, source, destination };
}

function isEqual(one: SecurityAssociation, other: SecurityAssociation): boolean {
  return (
    one.material.equals(other.material) &&
    one.icvBytes === other.icvBytes &&
    one.extendedSequence === other.extendedSequence &&
    one.replay.window === other.replay.window &&
    one.replay.senderMayRestart === other.replay.senderMayRestart
  );
}
