/**
 * Packets of ESP. `esp-packet` takes what comes from the network; `esp-sealed` seals its input with the right key first,
 * so that what is behind the integrity check is reached by every input; `esp-outer` is the IP packet around both.
 */
import assert from "node:assert/strict";
import { Fault } from "../../src/base/fault.ts";
import { nodeEspCiphers } from "../../src/crypt/esp-cipher.ts";
import { addressKeyOf } from "../../src/esp/address-key.ts";
import type { EspDrop } from "../../src/esp/effects.ts";
import { EspEngine } from "../../src/esp/engine.ts";
import { IPV4_HEADER_BYTES, ipv4HeaderLength } from "../../src/esp/ipv4-header.ts";
import { HEADROOM_BYTES, PROTOCOL_ESP, TAILROOM_BYTES } from "../../src/esp/messages.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { noLimits, type SecurityAssociation } from "../../src/model/security-association.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { countingRandom } from "./support.ts";
import { type Target, target } from "./target.ts";

const HERE = "192.0.2.1";
const THERE = "192.0.2.2";
const [source, destination] = [addressKeyOf(HERE), addressKeyOf(THERE)];
const PORT = 4789;
const SPI = 0x1234_5678;
const ICV_BYTES = 8;
const HEADER_BYTES = 16;

/** Without a window an outcome depends on nothing before. */
const association: SecurityAssociation = {
  direction: "outbound",
  spi: SPI,
  source: HERE,
  destination: THERE,
  material: new KeyMaterial(new Uint8Array(20).fill(7)),
  icvBytes: ICV_BYTES,
  extendedSequence: false,
  replay: { window: 0, senderMayRestart: true },
  limits: noLimits,
};
const engine = new EspEngine({ port: PORT }, { ciphers: nodeEspCiphers, random: countingRandom() });
engine.step(0, { on: "install", association });
engine.step(0, { on: "install", association: { ...association, direction: "inbound" } });
engine.step(0, { on: "transmit", peer: THERE, spi: SPI });
const cipher = association.material.withBytes((bytes) => nodeEspCiphers.create(bytes, ICV_BYTES, "outbound"));

const codes: Partial<Record<EspDrop, "truncated" | "undecryptable" | "unknownType" | "malformed">> = {
  truncated: "truncated",
  forged: "undecryptable",
  unknownAssociation: "unknownType",
  notUdp: "unknownType",
  dummy: "unknownType",
  malformed: "malformed",
  notDatagram: "malformed",
};

/** The datagram in a packet that lies in the middle of a buffer whose rest must not change. */
function open(packet: Uint8Array): Uint8Array {
  const EDGE = 32;
  const bytes = new Uint8Array(packet.length + 2 * EDGE).fill(0xee);
  bytes.set(packet, EDGE);
  const slot = { bytes, at: EDGE, length: packet.length };
  const drop = engine.open(slot, source, destination);
  for (let at = 0; at < EDGE; at++) {
    assert.equal(bytes[at], 0xee, "wrote in front of the packet");
    assert.equal(bytes[bytes.length - 1 - at], 0xee, "wrote behind the packet");
  }
  if (drop === undefined) return bytes.slice(slot.at, slot.at + slot.length);
  const code = codes[drop];
  if (code === undefined) throw new Error(`an input cannot be dropped as ${drop}`);
  throw new Fault(code, drop);
}

/** What was let in is a datagram to the port, and comes back through a packet of our own. */
function checkDatagram(datagram: Uint8Array): void {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  assert.equal(view.getUint16(2), PORT);
  assert.equal(view.getUint16(4), datagram.length);
  const bytes = concatBytes(new Uint8Array(HEADROOM_BYTES), datagram, new Uint8Array(TAILROOM_BYTES));
  const slot = { bytes, at: HEADROOM_BYTES, length: datagram.length };
  if (engine.seal(slot, source, destination) === "oversize") return;
  assert.deepEqual(open(bytes.slice(slot.at, slot.at + slot.length)), datagram);
}

/** Trailers included: what is encrypted. */
const plains: readonly Uint8Array[] = [0, 1, 2, 3, 50].map((length) => {
  const datagram = new Uint8Array(8 + length);
  datagram.set([0xc3, 0x50, PORT >> 8, PORT & 255, 0, datagram.length]);
  const padding = -(datagram.length + 2) & 3;
  return concatBytes(datagram, Uint8Array.of(...[1, 2, 3].slice(0, padding), padding, 17));
});

function sealed(plain: Uint8Array): Uint8Array {
  const head = new Uint8Array(HEADER_BYTES);
  new DataView(head.buffer).setUint32(0, SPI);
  head[7] = 1;
  const packet = concatBytes(head, plain, new Uint8Array(ICV_BYTES));
  cipher.seal(packet, 8, HEADER_BYTES, HEADER_BYTES + plain.length, packet.slice(0, 8));
  return packet;
}

function outer(payload: Uint8Array): Uint8Array {
  const length = IPV4_HEADER_BYTES + payload.length;
  const head = Uint8Array.of(
    0x45,
    0,
    length >> 8,
    length & 255,
    0,
    0,
    0x40,
    0,
    64,
    PROTOCOL_ESP,
    0,
    0,
    192,
    0,
    2,
    1,
    192,
    0,
    2,
    2,
  );
  return concatBytes(head, payload);
}

export const espTargets: readonly Target[] = [
  target({
    name: "esp-packet",
    about: "an ESP packet from the network",
    seeds: () => plains.map(sealed),
    decode: open,
    check: checkDatagram,
  }),
  target({
    name: "esp-sealed",
    about: "what is inside a genuine ESP packet",
    seeds: () => plains,
    decode: (input) => open(sealed(input)),
    check: checkDatagram,
  }),
  target({
    name: "esp-outer",
    about: "an IPv4 packet around ESP",
    seeds: () => plains.map((plain) => outer(sealed(plain))),
    decode: (input) => {
      const headerLength = ipv4HeaderLength(input, 0, input.length, PROTOCOL_ESP);
      if (headerLength === 0) throw new Fault("malformed", "no whole IPv4 packet of ESP");
      return headerLength;
    },
    check: (headerLength, input) => assert.ok(headerLength >= IPV4_HEADER_BYTES && headerLength <= input.length),
  }),
];
