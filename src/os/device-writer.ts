/**
 * Brings opened datagrams into a TUN device: those of one flow that follow each other, all of one length but the last,
 * as one packet with one call ("UDP segmentation offload" in the other direction).
 *
 * The kernel takes the packet through its stack once, cuts it in front of VXLAN's socket, and there finds so many
 * segments of one TCP connection at once that it puts them together again: most of the cost of a packet is in that.
 * The payloads are gathered from where they lie; only the headers of the first are rewritten. The UDP checksum becomes
 * the kernel's to fill in, which it never does for packets that stay: ESP has authenticated them.
 * Source: VIRTIO 1.2 section 5.1.6 (struct virtio_net_hdr), Linux net/ipv4/udp_offload.c.
 */
import { type Address, addressOf, OFFLOAD_HEADER_BYTES, writeMany } from "./packet-calls.ts";

/** The part of a ring's memory that is needed here. */
interface PacketMemory {
  readonly bytes: Uint8Array;
  readonly base: Address;
}

const IP_BYTES = 20;
const HEADERS_BYTES = IP_BYTES + 8;
const PACKET_BYTES_MAX = 65_535;
/** Of one packet; the kernel allows 64 on all versions. */
const DATAGRAMS_MAX = 64;
const NEEDS_CHECKSUM = 1;
const GSO_UDP = 5;
const PROTOCOL_UDP = 17;
const PIECE_BYTES = 16;
const LITTLE = true;

export class DeviceWriter {
  readonly #device: number;
  readonly #together: boolean;
  /** Array of struct iovec. */
  readonly #pieces = new DataView(new ArrayBuffer(DATAGRAMS_MAX * PIECE_BYTES));
  readonly #piecesAt: Address = addressOf(this.#pieces.buffer);
  #memory: PacketMemory | undefined;
  /** Where the first of the held back packets begins, and its length. */
  #first = 0;
  #firstLength = 0;
  #count = 0;
  #length = 0;
  /** The last one was shorter: nothing may follow. */
  #complete = false;

  /** `together`: whether the kernel takes several datagrams as one. */
  constructor(device: number, together: boolean) {
    this.#device = device;
    this.#together = together;
  }

  /** A packet of an IP header without options, a UDP header and payload; free room in front. */
  send(memory: PacketMemory, at: number, length: number): number {
    const refused = this.#count > 0 && !this.#follows(memory.bytes, at, length) ? this.flush() : 0;
    if (this.#count === 0) this.#begin(memory, at, length);
    else this.#append(memory, at, length);
    return refused;
  }

  flush(): number {
    const [count, memory] = [this.#count, this.#memory];
    if (count === 0 || memory === undefined) return 0;
    const header = this.#first - OFFLOAD_HEADER_BYTES;
    memory.bytes.fill(0, header, this.#first);
    if (count > 1) this.#join(memory.bytes, header);
    this.#count = 0;
    const whole = OFFLOAD_HEADER_BYTES + this.#length;
    return writeMany(this.#device, this.#piecesAt, count) === whole ? 0 : count;
  }

  #begin(memory: PacketMemory, at: number, length: number): void {
    this.#memory = memory;
    this.#first = at;
    this.#firstLength = length;
    this.#length = length;
    this.#count = 1;
    this.#complete = !this.#together || length <= HEADERS_BYTES;
    this.#place(0, memory.base + at - OFFLOAD_HEADER_BYTES, length + OFFLOAD_HEADER_BYTES);
  }

  #append(memory: PacketMemory, at: number, length: number): void {
    this.#place(this.#count, memory.base + at + HEADERS_BYTES, length - HEADERS_BYTES);
    this.#count += 1;
    this.#length += length - HEADERS_BYTES;
    this.#complete = length < this.#firstLength;
  }

  /** Same addresses, ports and traffic class; not longer than the first. */
  #follows(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#complete || this.#count >= DATAGRAMS_MAX) return false;
    if (length > this.#firstLength || length <= HEADERS_BYTES) return false;
    if (this.#length + length - HEADERS_BYTES > PACKET_BYTES_MAX) return false;
    const first = this.#first;
    if (bytes[at + 1] !== bytes[first + 1]) return false;
    for (let offset = 12; offset < IP_BYTES + 4; offset++) {
      if (bytes[at + offset] !== bytes[first + offset]) return false;
    }
    return true;
  }

  /** Make the first packet's headers those of all, and say in front where to cut. */
  #join(bytes: Uint8Array, header: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + header, OFFLOAD_HEADER_BYTES + HEADERS_BYTES);
    view.setUint8(0, NEEDS_CHECKSUM);
    view.setUint8(1, GSO_UDP);
    view.setUint16(2, HEADERS_BYTES, LITTLE);
    view.setUint16(4, this.#firstLength - HEADERS_BYTES, LITTLE);
    view.setUint16(6, IP_BYTES, LITTLE);
    view.setUint16(8, 6, LITTLE);
    const ip = OFFLOAD_HEADER_BYTES;
    const udpLength = this.#length - IP_BYTES;
    view.setUint16(ip + 2, this.#length);
    view.setUint16(ip + 10, 0);
    view.setUint16(ip + 10, ~fold(sum(view, ip, IP_BYTES)) & 0xffff);
    view.setUint16(ip + IP_BYTES + 4, udpLength);
    // Of the pseudo header only, and not complemented: how one asks for the rest.
    view.setUint16(ip + IP_BYTES + 6, fold(sum(view, ip + 12, 8) + PROTOCOL_UDP + udpLength));
  }

  #place(piece: number, address: Address, length: number): void {
    const at = piece * PIECE_BYTES;
    this.#pieces.setUint32(at, address % 2 ** 32, LITTLE);
    this.#pieces.setUint32(at + 4, Math.floor(address / 2 ** 32), LITTLE);
    this.#pieces.setUint32(at + 8, length, LITTLE);
  }
}

function sum(view: DataView, at: number, length: number): number {
  let total = 0;
  for (let offset = 0; offset < length; offset += 2) total += view.getUint16(at + offset);
  return total;
}

/** RFC 1071. */
function fold(total: number): number {
  const once = (total & 0xffff) + (total >>> 16);
  return (once & 0xffff) + (once >>> 16);
}
