/**
 * One datagram: messages in, bytes out, and back.
 *
 *   label header | encryption | CRC | compression | compound | message       outermost first
 *
 * Receiving: label, decryption, replay check (after authentication, so strangers cannot fill the cache), CRC if it
 * comes first, then messages, compounds and compression in each other, all within limits per datagram. A bad message
 * inside a compound does not spoil its neighbours. Source: memberlist `net.go` (`ingestPacket`, `rawSendMsgPacket`).
 */
import { assert } from "../base/assert.ts";
import { Fault, faultOf } from "../base/fault.ts";
import { KiB } from "../base/units.ts";
import { NONCE_BYTES } from "../crypt/aead.ts";
import { crc32 } from "../crypt/crc32.ts";
import type { Random } from "../port/random.ts";
import { concatBytes, plainView } from "../wire/bytes.ts";
import { MsgpackReader } from "../wire/msgpack.ts";
import { utf8Length } from "../wire/utf8.ts";
import type { CodecConfig, CodecOptions, CodecPorts } from "./codec-options.ts";
import { eachPart, encodeCompound } from "./compound.ts";
import { compress, decompress } from "./compression.ts";
import type { Keyring } from "./keyring.ts";
import { Label } from "./label.ts";
import {
  COMPOUND_PARTS_SENT_MAX,
  CRC_HEADER_BYTES,
  LABEL_HEADER_BYTES,
  NESTING_MAX,
  PACKET_MESSAGES_MAX,
  PACKET_UNPACKED_BYTES_MAX,
} from "./limits.ts";
import { decodePacketMessage, encodeMessage } from "./message-codec.ts";
import { MessageType, type PacketMessage } from "./messages.ts";
import { looksLikePlaintext } from "./plaintext.ts";
import { ReplayCache } from "./replay.ts";
import { type EncryptionVersion, open, SEAL_BYTES, seal } from "./seal.ts";

/** What UDP over IPv4 can carry. */
const DATAGRAM_BYTES_SENT_MAX = 65_507;
/** What peers read at most. */
const DATAGRAM_BYTES_MAX = 64 * KiB;

export interface DecodedPacket {
  /** At least one, in order, compounds flattened. */
  readonly messages: readonly PacketMessage[];
  /** Why other parts of the same datagram were refused. */
  readonly faults: readonly Fault[];
}

/** Bytes that label and encryption add to a packet; compound header and CRC are not in it. */
export function packetOverheadBytes({ label }: Pick<CodecConfig, "label">, encrypted: boolean): number {
  const labelBytes = label === "" ? 0 : LABEL_HEADER_BYTES + utf8Length(label);
  return labelBytes + (encrypted ? SEAL_BYTES : 0);
}

export class PacketCodec {
  readonly #config: CodecConfig;
  readonly #keyring: Keyring;
  readonly #version: EncryptionVersion;
  readonly #random: Random;
  readonly #label: Label;
  readonly #replay = new ReplayCache();

  constructor({ config, keyring, encryptionVersion = 1 }: CodecOptions, { random }: CodecPorts) {
    this.#config = config;
    this.#keyring = keyring;
    this.#version = encryptionVersion;
    this.#random = random;
    this.#label = new Label(config.label, config.skipInboundLabelCheck);
  }

  /** Nonces that the replay cache had to forget early. */
  get replayEvictions(): number {
    return this.#replay.evicted;
  }

  /**
   * One datagram with 1..127 messages: bare if one, a compound if several. `crc`: the receiver knows checksums.
   * Throws `Fault` (`oversize`) for what no datagram can carry.
   */
  encode(messages: readonly PacketMessage[], crc: boolean): Uint8Array {
    assert(messages.length > 0 && messages.length <= COMPOUND_PARTS_SENT_MAX, "a packet holds 1..127 messages");
    let bytes = messages.length === 1 ? encodeMessage(messages[0]!) : encodeCompound(messages.map(encodeMessage));
    if (this.#config.enableCompression) {
      const compressed = compress(bytes);
      if (compressed.length < bytes.length) bytes = compressed;
    }
    if (crc) bytes = addCrc(bytes);
    const key = this.#config.gossipVerifyOutgoing ? this.#keyring.primary : undefined;
    if (key !== undefined) bytes = seal(key, this.#version, this.#random.bytes(NONCE_BYTES), bytes, this.#label.bytes);
    if (this.#label.header.length > 0) bytes = concatBytes(this.#label.header, bytes);
    if (bytes.length > DATAGRAM_BYTES_SENT_MAX) throw new Fault("oversize", "a message is too long for a datagram");
    return bytes;
  }

  /**
   * The messages of one datagram. Throws `Fault`, and nothing else, if none of them can be used: then `code` is the
   * reason for the whole, or for the first bad part. User payloads and ack payloads may share memory with `datagram`.
   */
  decode(now: number, datagram: Uint8Array): DecodedPacket {
    const bytes = plainView(datagram);
    if (bytes.length > DATAGRAM_BYTES_MAX) throw new Fault("oversize", "a datagram of more than 64 KiB");
    if (bytes.length === 0) throw new Fault("emptyMessage", "a datagram of no bytes");
    const start = this.#label.strip(bytes);
    if (start === undefined) throw new Fault("truncated", "a datagram ends inside its label");
    const packet = bytes.subarray(start);
    const plain = this.#keyring.isEmpty ? packet : this.#open(now, packet);
    return new Unpacker(plain === packet ? 0 : 1).unpack(checkCrc(plain));
  }

  /** The plain bytes; `packet` itself if it is not encrypted and need not be. */
  #open(now: number, packet: Uint8Array): Uint8Array {
    let opened: ReturnType<typeof open>;
    try {
      opened = open(this.#keyring, packet, this.#label.bytes);
    } catch (error) {
      const fault = faultOf(error);
      if (!this.#config.gossipVerifyIncoming) return packet;
      throw looksLikePlaintext(packet) ? new Fault("plaintext", "a packet is not encrypted") : fault;
    }
    if (!this.#replay.accept(now, opened.nonce)) throw new Fault("replayed", "a packet came before");
    return opened.plain;
  }
}

function addCrc(bytes: Uint8Array): Uint8Array {
  const header = new Uint8Array(CRC_HEADER_BYTES);
  header[0] = MessageType.hasCrc;
  new DataView(header.buffer).setUint32(1, crc32(bytes));
  return concatBytes(header, bytes);
}

/** What is behind the checksum, if there is one. Throws `Fault`: `checksum`, `truncated`. */
function checkCrc(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== MessageType.hasCrc) return bytes;
  if (bytes.length < CRC_HEADER_BYTES) throw new Fault("truncated", "a packet ends inside its checksum");
  const wanted = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  const rest = bytes.subarray(CRC_HEADER_BYTES);
  if (crc32(rest) !== wanted) throw new Fault("checksum", "a packet's checksum is wrong");
  return rest;
}

/** Unpacks one datagram; holds what is left of its limits. */
class Unpacker {
  readonly #messages: PacketMessage[] = [];
  readonly #faults: Fault[] = [];
  readonly #outerDepth: number;
  #parts = 0;
  #bytesLeft = PACKET_UNPACKED_BYTES_MAX;

  /** `outerDepth`: layers already removed. */
  constructor(outerDepth: number) {
    this.#outerDepth = outerDepth;
  }

  unpack(bytes: Uint8Array): DecodedPacket {
    this.#dispatch(bytes, 0, bytes.length, this.#outerDepth);
    const [first] = this.#faults;
    if (this.#messages.length === 0 && first !== undefined) throw first;
    return { messages: this.#messages, faults: this.#faults };
  }

  #dispatch(bytes: Uint8Array, start: number, end: number, depth: number): void {
    const type = start < end ? bytes[start] : undefined;
    if (type !== MessageType.compound && type !== MessageType.compress) {
      this.#messages.push(decodePacketMessage(bytes, start, end));
      return;
    }
    if (depth >= NESTING_MAX) throw new Fault("tooDeep", "layers nest too deep");
    if (type === MessageType.compound) this.#compound(bytes, start, end, depth);
    else {
      const inner = this.#decompress(bytes, start, end);
      this.#dispatch(inner, 0, inner.length, depth + 1);
    }
  }

  #compound(bytes: Uint8Array, start: number, end: number, depth: number): void {
    if (bytes[start + 1] === 0 && start + 1 < end) throw new Fault("emptyMessage", "a compound of no parts");
    try {
      eachPart(bytes, start, end, (from, to) => this.#part(bytes, from, to, depth));
    } catch (error) {
      this.#faults.push(faultOf(error));
    }
  }

  #part(bytes: Uint8Array, from: number, to: number, depth: number): void {
    if (this.#parts === PACKET_MESSAGES_MAX) throw new Fault("oversize", "a datagram holds too many messages");
    this.#parts += 1;
    try {
      this.#dispatch(bytes, from, to, depth + 1);
    } catch (error) {
      this.#faults.push(faultOf(error));
    }
  }

  /** One budget for all compressed parts together; whoever overdraws it ends it. */
  #decompress(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const budget = this.#bytesLeft;
    this.#bytesLeft = 0;
    const inner = decompress(new MsgpackReader(bytes, start + 1, end), budget);
    this.#bytesLeft = budget - inner.length;
    return inner;
  }
}
