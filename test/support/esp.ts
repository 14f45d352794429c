/** Associations, datagrams and engines for tests of ESP. */
import { randomBytes } from "node:crypto";
import { nodeEspCiphers } from "../../src/crypt/esp-cipher.ts";
import { addressKeyOf } from "../../src/esp/address-key.ts";
import type { EspDrop, EspEffect } from "../../src/esp/effects.ts";
import { EspEngine } from "../../src/esp/engine.ts";
import { HEADROOM_BYTES, type PacketSlot, TAILROOM_BYTES } from "../../src/esp/messages.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { noLimits, type SecurityAssociation } from "../../src/model/security-association.ts";
import { loadEvpCiphers } from "../../src/os/esp-cipher.ts";
import { systemRandom } from "../../src/os/random.ts";
import type { EspCiphers } from "../../src/port/esp-cipher.ts";

export const VXLAN_PORT = 4789;
export const HERE = "192.0.2.1";
export const THERE = "192.0.2.2";
/** Everything that is promised of one is promised of the other. */
export const allCiphers: readonly EspCiphers[] = [nodeEspCiphers, loadEvpCiphers()];

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** From `HERE` to `THERE`, with a fresh key of 256 bits, unless told otherwise. */
export function association(changes: Partial<SecurityAssociation> = {}): SecurityAssociation {
  return {
    direction: "outbound",
    spi: 0xbfc7f40d,
    source: HERE,
    destination: THERE,
    material: new KeyMaterial(randomBytes(36)),
    icvBytes: 16,
    extendedSequence: false,
    replay: { window: 64, senderMayRestart: false },
    limits: noLimits,
    ...changes,
  };
}

/** A UDP datagram to VXLAN's port around `payload`. */
export function datagram(payload: Uint8Array, port = VXLAN_PORT): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 50_000);
  view.setUint16(2, port);
  view.setUint16(4, bytes.length);
  bytes.set(payload, 8);
  return bytes;
}

export function numbered(number: number, length = 64): Uint8Array {
  const payload = new Uint8Array(Math.max(4, length));
  new DataView(payload.buffer).setUint32(0, number);
  return datagram(payload);
}

/** `content` in a buffer with exactly the room around it that sealing needs. */
export function slotFor(content: Uint8Array): PacketSlot {
  const bytes = new Uint8Array(HEADROOM_BYTES + content.length + TAILROOM_BYTES);
  bytes.set(content, HEADROOM_BYTES);
  return { bytes, at: HEADROOM_BYTES, length: content.length };
}

export function contentOf({ bytes, at, length }: PacketSlot): Uint8Array {
  return bytes.slice(at, at + length);
}

/** An engine with the calls of a test: whole packets in fresh memory. */
export class Node {
  readonly engine: EspEngine;
  readonly address: string;
  now = 0;

  constructor(address: string, ciphers: EspCiphers = nodeEspCiphers, random = systemRandom()) {
    this.address = address;
    this.engine = new EspEngine({ port: VXLAN_PORT }, { ciphers, random });
  }

  /** Install it, and send with it at once if it is outbound. */
  install(one: SecurityAssociation): EspEffect[] {
    const told = this.engine.step(this.now, { on: "install", association: one });
    if (one.direction === "inbound") return told;
    return [...told, ...this.engine.step(this.now, { on: "transmit", peer: one.destination, spi: one.spi })];
  }

  seal(content: Uint8Array, to: string): Uint8Array | EspDrop {
    const slot = slotFor(content);
    return this.engine.seal(slot, addressKeyOf(this.address), addressKeyOf(to)) ?? contentOf(slot);
  }

  open(packet: Uint8Array, from: string): Uint8Array | EspDrop {
    const slot = { bytes: packet.slice(), at: 0, length: packet.length };
    return this.engine.open(slot, addressKeyOf(from), addressKeyOf(this.address)) ?? contentOf(slot);
  }

  wake(): EspEffect[] {
    return this.engine.step(this.now, { on: "wake" });
  }
}

/** The same association at the other end. */
export function receiving(one: SecurityAssociation): SecurityAssociation {
  return { ...one, direction: "inbound" };
}

export function mustSeal(node: Node, content: Uint8Array, to: string): Uint8Array {
  const packet = node.seal(content, to);
  if (typeof packet === "string") throw new Error(`dropped as ${packet}`);
  return packet;
}
