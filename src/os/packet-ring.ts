/**
 * Rings of packets between a TUN device and a raw socket for ESP, one for each way.
 *
 * The socket moves a batch with one call in either direction, the device one packet with each. Message headers,
 * addresses and control data are written once; a batch changes lengths and places. Nothing is copied on the way: what
 * was received is changed and sent where it lies.
 */
import { assert } from "../base/assert.ts";
import type { PacketRing } from "../port/packet-ring.ts";
import { DeviceWriter } from "./device-writer.ts";
import {
  type Address,
  addressOf,
  lastError,
  OFFLOAD_HEADER_BYTES,
  poll,
  read,
  receiveMany,
  sendMany,
  takesDatagramsTogether,
} from "./packet-calls.ts";

/** Slots of a ring, which is the largest batch. */
const SLOTS = 64;
const ROOM_BYTES = 64;
const PACKET_BYTES_MAX = 65_535;
/** Not a multiple of the page, or the packets of a batch would meet in few lines of the cache. */
const SLOT_BYTES = 65_536 + 512 + 64;
/** struct mmsghdr, 64 bits. */
const MESSAGE_BYTES = 64;
const CONTROL_BYTES = 24;
const IP_TOS = 1;
const MSG_DONTWAIT = 0x40;
const EINTR = 4;
const LITTLE = true;

/** From the device to the network: what is received is a whole IP packet, what is sent the payload of one. */
export function outboundRing(device: number, espSocket: number, bell: number): PacketRing {
  return new Ring(deviceIn(device), socketOut(espSocket), device, bell);
}

/** From the network to the device: whole IP packets both. */
export function inboundRing(device: number, espSocket: number, bell: number): PacketRing {
  return new Ring(socketIn(espSocket), new DeviceWriter(device, takesDatagramsTogether(device)), espSocket, bell);
}

interface Source {
  /** Fill slots, and write their lengths. */
  receive(memory: Memory): number;
}

interface Sink {
  /** May be held back until `flush`; how many packets the system refused just now. */
  send(memory: Memory, at: number, length: number, destination: number, trafficClass: number): number;
  /** How many of what was held back the system refused. */
  flush(): number;
}

class Memory {
  readonly bytes = new Uint8Array(new SharedArrayBuffer(SLOTS * SLOT_BYTES));
  readonly base: Address = addressOf(this.bytes.buffer);
  readonly lengths = new Int32Array(SLOTS);

  start(slot: number): number {
    return slot * SLOT_BYTES + ROOM_BYTES;
  }
}

class Ring implements PacketRing {
  readonly #memory = new Memory();
  readonly #source: Source;
  readonly #sink: Sink;
  readonly #polled = new Int32Array(4);
  readonly #polledAt: Address = addressOf(this.#polled.buffer);
  readonly #rung = new BigUint64Array(1);
  readonly #rungAt: Address = addressOf(this.#rung.buffer);
  readonly #bell: number;
  #refused = 0;

  constructor(source: Source, sink: Sink, readable: number, bell: number) {
    this.#source = source;
    this.#sink = sink;
    this.#bell = bell;
    const POLLIN = 1;
    this.#polled.set([readable, POLLIN, bell, POLLIN]);
  }

  get bytes(): Uint8Array {
    return this.#memory.bytes;
  }

  receive(): number {
    return this.#source.receive(this.#memory);
  }

  start(slot: number): number {
    return this.#memory.start(slot);
  }

  length(slot: number): number {
    return this.#memory.lengths[slot]!;
  }

  send(at: number, length: number, destination: number, trafficClass: number): void {
    this.#refused += this.#sink.send(this.#memory, at, length, destination, trafficClass);
  }

  flush(): number {
    const refused = this.#refused + this.#sink.flush();
    this.#refused = 0;
    return refused;
  }

  wait(timeoutMs: number): void {
    poll(this.#polledAt, 2, Math.ceil(timeoutMs));
    read(this.#bell, this.#rungAt, 8);
  }
}

function deviceIn(device: number): Source {
  return {
    receive(memory) {
      for (let slot = 0; slot < SLOTS; slot++) {
        const at = memory.start(slot) - OFFLOAD_HEADER_BYTES;
        const length = read(device, memory.base + at, PACKET_BYTES_MAX + OFFLOAD_HEADER_BYTES);
        if (length < 0) return slot;
        // Nothing was offered to the kernel, so it leaves no work to us; what says otherwise is not a packet.
        const isWhole = (memory.bytes[at]! | memory.bytes[at + 1]!) === 0;
        memory.lengths[slot] = isWhole ? Math.max(0, length - OFFLOAD_HEADER_BYTES) : 0;
      }
      return SLOTS;
    },
  };
}

function socketIn(espSocket: number): Source {
  let messages: Messages | undefined;
  return {
    receive(memory) {
      if (messages === undefined) {
        messages = new Messages();
        for (let slot = 0; slot < SLOTS; slot++)
          messages.place(slot, memory.base + memory.start(slot), PACKET_BYTES_MAX);
      }
      const count = receiveMany(espSocket, messages.address, SLOTS, MSG_DONTWAIT, null);
      for (let slot = 0; slot < count; slot++) memory.lengths[slot] = messages.length(slot);
      return Math.max(0, count);
    },
  };
}

/** Holds back up to a batch. A message that the system refuses ends a call: it is left out, and the rest sent again. */
function socketOut(espSocket: number): Sink {
  const messages = new Messages();
  for (let slot = 0; slot < SLOTS; slot++) messages.prepareToSend(slot);
  let waiting = 0;
  const flush = (): number => {
    let refused = 0;
    for (let from = 0; from < waiting; ) {
      const sent = sendMany(espSocket, messages.address + from * MESSAGE_BYTES, waiting - from, 0);
      if (sent > 0) from += sent;
      else if (lastError() !== EINTR) {
        refused += 1;
        from += 1;
      }
    }
    waiting = 0;
    return refused;
  };
  return {
    send(memory, at, length, destination, trafficClass) {
      assert(waiting < SLOTS, "a batch is not larger than its ring");
      messages.place(waiting, memory.base + at, length);
      messages.direct(waiting, destination, trafficClass);
      waiting += 1;
      return 0;
    },
    flush,
  };
}

/** An array of `struct mmsghdr`, each with one piece of memory, one IPv4 address and one piece of control data. */
class Messages {
  readonly #headers = new DataView(new ArrayBuffer(SLOTS * MESSAGE_BYTES));
  readonly #pieces = new DataView(new ArrayBuffer(SLOTS * 16));
  readonly #names = new DataView(new ArrayBuffer(SLOTS * 16));
  readonly #controls = new DataView(new ArrayBuffer(SLOTS * CONTROL_BYTES));
  readonly #controlsAt: Address = addressOf(this.#controls.buffer);
  readonly #namesAt: Address = addressOf(this.#names.buffer);
  readonly address: Address = addressOf(this.#headers.buffer);

  constructor() {
    const piecesAt = addressOf(this.#pieces.buffer);
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = slot * MESSAGE_BYTES;
      this.#pointer(at + 16, piecesAt + slot * 16);
      this.#pointer(at + 24, 1);
    }
  }

  /** The piece of memory of a message. */
  place(slot: number, address: Address, length: number): void {
    const at = slot * 16;
    this.#pieces.setUint32(at, address % 2 ** 32, LITTLE);
    this.#pieces.setUint32(at + 4, Math.floor(address / 2 ** 32), LITTLE);
    this.#pieces.setUint32(at + 8, length, LITTLE);
  }

  prepareToSend(slot: number): void {
    const at = slot * MESSAGE_BYTES;
    this.#pointer(at, this.#namesAt + slot * 16);
    this.#headers.setUint32(at + 8, 16, LITTLE);
    this.#pointer(at + 32, this.#controlsAt + slot * CONTROL_BYTES);
    this.#pointer(at + 40, CONTROL_BYTES);
    const AF_INET = 2;
    this.#names.setUint16(slot * 16, AF_INET, LITTLE);
    const control = slot * CONTROL_BYTES;
    const CONTROL_HEADER_BYTES = 16;
    this.#controls.setUint32(control, CONTROL_HEADER_BYTES + 4, LITTLE);
    this.#controls.setInt32(control + 12, IP_TOS, LITTLE);
  }

  direct(slot: number, destination: number, trafficClass: number): void {
    this.#names.setUint32(slot * 16 + 4, destination);
    this.#controls.setInt32(slot * CONTROL_BYTES + 16, trafficClass, LITTLE);
  }

  /** How much was received. */
  length(slot: number): number {
    return this.#headers.getUint32(slot * MESSAGE_BYTES + 56, LITTLE);
  }

  #pointer(at: number, value: number): void {
    this.#headers.setBigUint64(at, BigInt(value), LITTLE);
  }
}
