/**
 * Datagrams of gossip. `packet-*` feed what comes from the network; `packet-sealed` seals its input with the right key
 * first, so that what is behind encryption, checksum and compression is reached by every input.
 */
import assert from "node:assert/strict";
import { Fault } from "../../src/base/fault.ts";
import { SymmetricKey } from "../../src/crypt/aead.ts";
import { crc32 } from "../../src/crypt/crc32.ts";
import type { CodecConfig } from "../../src/gossip/codec-options.ts";
import { eachPart, encodeCompound } from "../../src/gossip/compound.ts";
import { compress } from "../../src/gossip/compression.ts";
import { lan } from "../../src/gossip/config.ts";
import { Keyring } from "../../src/gossip/keyring.ts";
import { Label } from "../../src/gossip/label.ts";
import {
  COMPOUND_PARTS_SENT_MAX,
  CRC_HEADER_BYTES,
  PACKET_MESSAGES_MAX,
  PACKET_UNPACKED_BYTES_MAX,
} from "../../src/gossip/limits.ts";
import { decodePacketMessage, encodedLength, encodeMessage } from "../../src/gossip/message-codec.ts";
import { MessageType, type PacketMessage } from "../../src/gossip/messages.ts";
import { type DecodedPacket, PacketCodec } from "../../src/gossip/packet.ts";
import { looksLikePlaintext } from "../../src/gossip/plaintext.ts";
import { type EncryptionVersion, seal } from "../../src/gossip/seal.ts";
import { concatBytes, equalBytes } from "../../src/wire/bytes.ts";
import { utf8Bytes } from "../../src/wire/utf8.ts";
import { assertSame, bytesOf, countingRandom } from "./support.ts";
import { type Target, target } from "./target.ts";
import { gossipVectors } from "./vectors.ts";

const LABEL = "lab1";
const random = countingRandom();
const vectors = gossipVectors();
const packets = vectors.filter(({ transport }) => transport === "udp");
const gossipKeys: readonly SymmetricKey[] = [
  ...new Set(vectors.flatMap(({ keyHex }) => (keyHex === undefined ? [] : [keyHex]))),
].map((keyHex) => new SymmetricKey(new Uint8Array(Buffer.from(keyHex, "hex"))));

/** Rings are only read here, and costly to fill. */
export const allKeys = new Keyring(gossipKeys);
export const noKeys = new Keyring();

/** Keys of the protocol's maps, and the first bytes of its layers. */
export const gossipWords: readonly Uint8Array[] = [
  ...bytesOf("Node", "Name", "SeqNo", "SourceAddr", "SourceNode", "SourcePort", "From", "Incarnation", "Nack", "Port"),
  ...bytesOf("Target", "Payload", "Error", "Addr", "Meta", "Vsn", "State", "Join", "Nodes", "UserStateLen"),
  ...bytesOf("UserMsgLen", "Algo", "Buf", LABEL),
  ...Object.values(MessageType).map((type) => Uint8Array.of(type)),
];

/** Plain packets: what is below encryption, checksum and compression too. */
const plainPackets = packets.flatMap(({ wire, keyHex, plain, inner, messages }) => {
  const outer = plain ?? (keyHex === undefined ? wire : undefined);
  return [...(outer === undefined ? [] : [outer]), ...inner, ...messages];
});

function codec(config: Partial<CodecConfig>, keyring: Keyring): PacketCodec {
  return new PacketCodec({ config: { ...lan, ...config }, keyring }, { random });
}

/** A new codec for each datagram: what it remembers of one must not decide about the next. */
function datagrams(name: string, about: string, config: Partial<CodecConfig>, keyring: Keyring): Target {
  return target<DecodedPacket>({
    name,
    about,
    seeds: () => packets.map(({ wire }) => wire),
    words: gossipWords,
    decode: (datagram) => codec(config, keyring).decode(0, datagram),
    check: checkPacket,
  });
}

/** Within its limits, and the same again when it is sent again. */
function checkPacket({ messages, faults }: DecodedPacket): void {
  assert.ok(messages.length > 0 && messages.length <= PACKET_MESSAGES_MAX, "too many messages");
  assert.ok(faults.length <= PACKET_MESSAGES_MAX + 1, "too many faults");
  let bytes = 0;
  for (const message of messages) bytes += checkMessage(message);
  assert.ok(bytes <= 8 * PACKET_UNPACKED_BYTES_MAX, "more came out than a datagram may unpack to");
  const sent = messages.slice(0, COMPOUND_PARTS_SENT_MAX);
  const sender = codec({}, noKeys);
  try {
    assertSame(codec({}, noKeys).decode(0, sender.encode(sent, bytes % 2 === 0)).messages, sent);
  } catch (error) {
    if (!(error instanceof Fault && error.code === "oversize" && bytes > 40_000)) throw error;
  }
}

/** The same after encoding, with its length known before. Returns that length. */
function checkMessage(message: PacketMessage): number {
  const encoded = encodeMessage(message);
  assert.equal(encodedLength(message), encoded.length);
  assertSame(decodePacketMessage(encoded), message);
  return encoded.length;
}

/** First byte of the input of `packet-sealed`: which layers are put around the rest. */
const wrap = { crc: 1, compress: 2, versionZero: 4, label: 8 } as const;
const sealedCodecs = new Map(["", LABEL].map((label) => [label, codec({ label }, allKeys)]));

function decodeSealed(input: Uint8Array): DecodedPacket {
  const choice = input[0] ?? 0;
  let plain = input.subarray(1);
  if ((choice & wrap.compress) !== 0 && plain.length > 0) plain = compress(plain);
  if ((choice & wrap.crc) !== 0) plain = withCrc(plain);
  const key = pickKey(choice >> 4);
  const version: EncryptionVersion = (choice & wrap.versionZero) !== 0 ? 0 : 1;
  const label = (choice & wrap.label) !== 0 ? LABEL : "";
  const header = new Label(label, false);
  const sealed = seal(key, version, random.bytes(12), plain, header.bytes);
  return sealedCodecs.get(label)!.decode(0, concatBytes(header.header, sealed));
}

/** One of the keys. */
export function pickKey(choice: number): SymmetricKey {
  return gossipKeys[choice % gossipKeys.length]!;
}

function withCrc(plain: Uint8Array): Uint8Array {
  const header = new Uint8Array(CRC_HEADER_BYTES);
  header[0] = MessageType.hasCrc;
  new DataView(header.buffer).setUint32(1, crc32(plain));
  return concatBytes(header, plain);
}

const headings = [0, wrap.crc, wrap.compress, wrap.versionZero, wrap.label, wrap.crc | wrap.compress];

interface Part {
  readonly from: number;
  readonly to: number;
}

export const packetTargets: readonly Target[] = [
  datagrams("packet-plain", "a datagram, received without keys", {}, noKeys),
  datagrams("packet-keyed", "a datagram, received with keys", {}, allKeys),
  datagrams("packet-labelled", "a datagram, received with keys and a label", { label: LABEL }, allKeys),
  datagrams("packet-lenient", "a datagram, encrypted or not", { gossipVerifyIncoming: false }, allKeys),
  target<DecodedPacket>({
    name: "packet-sealed",
    about: "what is inside a datagram, encrypted with the right key",
    seeds: () => headings.flatMap((heading) => plainPackets.map((plain) => Uint8Array.of(heading, ...plain))),
    words: gossipWords,
    decode: decodeSealed,
    check: checkPacket,
  }),
  target<PacketMessage>({
    name: "packet-message",
    about: "one message of a datagram",
    seeds: () => plainPackets,
    words: gossipWords,
    decode: (input) => decodePacketMessage(input),
    check: (message, input) => {
      checkMessage(message);
      const framed = concatBytes(Uint8Array.of(0xee), input, Uint8Array.of(0xee));
      assertSame(decodePacketMessage(framed, 1, framed.length - 1), message, "it depends on what stands around it");
    },
  }),
  target<readonly Part[]>({
    name: "compound",
    about: "the table of a compound",
    seeds: () => plainPackets.filter((plain) => plain[0] === MessageType.compound),
    decode: (input) => {
      const parts: Part[] = [];
      eachPart(input, 0, input.length, (from, to) => void parts.push({ from, to }));
      return parts;
    },
    check: checkParts,
  }),
  target<number | undefined>({
    name: "label",
    about: "the label in front of a datagram or stream",
    seeds: () => [new Label(LABEL, false).header, ...packets.map(({ wire }) => wire)],
    words: bytesOf(LABEL),
    decode: (input) => new Label(LABEL, false).strip(input),
    check: (start, input) => {
      if (start === undefined) assert.ok(input.length < 2 + LABEL.length, "the label is all there");
      else assert.ok(equalBytes(input.subarray(2, start), utf8Bytes(LABEL)), "another label got through");
    },
  }),
  target<boolean>({
    name: "plaintext",
    about: "does a datagram look like plain text?",
    seeds: () => [...packets.map(({ wire }) => wire), ...plainPackets],
    decode: looksLikePlaintext,
  }),
];

function checkParts(parts: readonly Part[], input: Uint8Array): void {
  for (const { from, to } of parts) assert.ok(from >= 2 && from <= to && to <= input.length, "a part lies outside");
  const bodies = parts.map(({ from, to }) => input.subarray(from, to));
  if (parts.length === 0 || parts.length > COMPOUND_PARTS_SENT_MAX || bodies.some(({ length }) => length === 0)) return;
  const encoded = encodeCompound(bodies);
  assertSame(encoded, input.slice(0, parts.at(-1)!.to).with(0, MessageType.compound));
}
