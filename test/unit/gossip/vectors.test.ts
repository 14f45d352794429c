/**
 * Captured and computed bytes of real peers: every vector is decoded to what is documented of it, layer by layer, and
 * spelled again to the same bytes by the codecs that the node uses, with the captured nonce drawn from the random port.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { MiB } from "../../../src/base/units.ts";
import { SymmetricKey } from "../../../src/crypt/aead.ts";
import type { CodecOptions, CodecPorts } from "../../../src/gossip/codec-options.ts";
import { decompress } from "../../../src/gossip/compression.ts";
import { lan } from "../../../src/gossip/config.ts";
import { Keyring } from "../../../src/gossip/keyring.ts";
import { encodeMessage, encodePushPullHeader, pushPullHeader } from "../../../src/gossip/message-codec.ts";
import type { PacketMessage, PushPull, StreamMessage } from "../../../src/gossip/messages.ts";
import { memberStates } from "../../../src/gossip/messages.ts";
import { PacketCodec } from "../../../src/gossip/packet.ts";
import { type EncryptionVersion, open, openFrame } from "../../../src/gossip/seal.ts";
import { StreamCodec } from "../../../src/gossip/stream.ts";
import { lzwCompress, lzwDecompress } from "../../../src/wire/lzw.ts";
import { MsgpackReader } from "../../../src/wire/msgpack.ts";
import { utf8Bytes } from "../../../src/wire/utf8.ts";

interface Vector {
  readonly id: string;
  readonly transport: "udp" | "tcp" | "-";
  readonly wire_hex?: string;
  readonly wire_deflate_base64?: string;
  readonly wire_len?: number;
  readonly plain_len?: number;
  readonly key_hex?: string | null;
  readonly nonce_hex?: string;
  readonly aad_hex?: string;
  readonly label?: string | null;
  readonly layers_outermost_first?: readonly string[];
  readonly plain_hex?: string;
  readonly after_crc_hex?: string;
  readonly decompressed_hex?: string;
  readonly messages?: readonly { readonly raw_hex: string; readonly name: string; readonly fields: Fields }[];
  readonly note?: string;
  readonly decoded?: Fields & {
    readonly header?: Fields;
    readonly nodes?: readonly Fields[];
    readonly user_state_prefix_hex?: string;
  };
}

type Fields = Readonly<Record<string, unknown>>;

const file = new URL("../../vectors/memberlist-vectors.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: readonly Vector[] };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

function wireOf(vector: Vector): Uint8Array {
  if (vector.wire_hex !== undefined) return unhex(vector.wire_hex);
  const inflated = new Uint8Array(inflateRawSync(Buffer.from(vector.wire_deflate_base64 ?? "", "base64")));
  assert.equal(inflated.length, vector.wire_len);
  return inflated;
}

/** The options of a node that would have sent `wire`, read off the bytes. */
function sender(vector: Vector, wire: Uint8Array, headed: boolean): [CodecOptions, CodecPorts, { sealedAt: number }] {
  const label = vector.label ?? "";
  const key = vector.key_hex ? new SymmetricKey(unhex(vector.key_hex)) : undefined;
  const labelBytes = headed && label !== "" ? 2 + utf8Bytes(label).length : 0;
  const sealedAt = labelBytes + (vector.transport === "tcp" ? 5 : 0);
  const nonce = wire.slice(sealedAt + 1, sealedAt + 13);
  const options: CodecOptions = {
    config: { ...lan, label },
    keyring: new Keyring(key ? [key] : []),
    ...(key ? { encryptionVersion: wire[sealedAt] as EncryptionVersion } : {}),
  };
  const ports: CodecPorts = {
    random: {
      u32: () => assert.fail("no number is drawn"),
      bytes: (length) => {
        assert.equal(length, 12);
        return nonce;
      },
    },
  };
  return [options, ports, { sealedAt }];
}

/** Our property names as they are on the wire, values as the vectors spell them. */
function fieldsOf(struct: object): Fields {
  const renamed: Record<string, unknown> = {};
  for (const [property, value] of Object.entries(struct)) {
    if (property === "kind") continue;
    const key = property[0]!.toUpperCase() + property.slice(1);
    if (property === "state") renamed[key] = memberStates.indexOf(value);
    else if (typeof value === "string") renamed[key] = { str: value };
    else renamed[key] = value instanceof Uint8Array ? { hex: hex(value) } : value;
  }
  return renamed;
}

/** The vectors spell byte strings that happen to be readable as text. */
function normal(fields: Fields): Fields {
  const entries = Object.entries(fields).map(([key, value]) => {
    const isText = typeof value === "object" && value !== null && "str" in value;
    return [key, isText ? { hex: hex(utf8Bytes(String(value.str))) } : value];
  });
  return Object.fromEntries(entries);
}

function checkUdp(vector: Vector): void {
  const wire = wireOf(vector);
  const [options, ports] = sender(vector, wire, true);
  const { messages, faults } = new PacketCodec(options, ports).decode(0, wire);
  assert.deepEqual(faults, []);
  vector.messages?.forEach((expected, index) => {
    const message = messages[index] as PacketMessage;
    assert.equal(message.kind, expected.name);
    assert.equal(hex(encodeMessage(message)), expected.raw_hex);
    if (message.kind !== "user") assert.deepEqual(normal(fieldsOf(message)), normal(expected.fields));
  });
  if (vector.messages) assert.equal(messages.length, vector.messages.length);
  assert.equal(hex(respell(vector, wire, options, ports, messages)), hex(wire));
  checkPlain(vector, wire, options);
}

/** The same packet made by us: whether it has a CRC, and whether its sender compresses, is read off the plain bytes. */
function respell(
  vector: Vector,
  wire: Uint8Array,
  options: CodecOptions,
  ports: CodecPorts,
  messages: readonly PacketMessage[],
): Uint8Array {
  const plain = plainOf(vector, wire, options);
  const crc = plain[0] === 12;
  const compressed = plain[crc ? 5 : 0] === 9;
  const withCompression = new PacketCodec(options, ports).encode(messages, crc);
  if (compressed || hex(withCompression) === hex(wire)) return withCompression;
  return new PacketCodec({ ...options, config: { ...options.config, enableCompression: false } }, ports).encode(
    messages,
    crc,
  );
}

function plainOf(vector: Vector, wire: Uint8Array, { keyring, config }: CodecOptions): Uint8Array {
  const label = utf8Bytes(config.label);
  const packet = label.length > 0 && wire[0] === 0xf4 ? wire.subarray(2 + label.length) : wire;
  if (keyring.isEmpty) return packet;
  return vector.transport === "tcp" ? openFrame(keyring, packet, label).plain : open(keyring, packet, label).plain;
}

function checkPlain(vector: Vector, wire: Uint8Array, options: CodecOptions): void {
  let plain = plainOf(vector, wire, options);
  if (vector.plain_hex !== undefined) assert.equal(hex(plain), vector.plain_hex);
  if (plain[0] === 12) plain = plain.subarray(5);
  if (vector.after_crc_hex !== undefined) assert.equal(hex(plain), vector.after_crc_hex);
  if (vector.decompressed_hex === undefined) return;
  assert.equal(plain[0], 9);
  assert.equal(hex(decompress(new MsgpackReader(plain, 1), 40 * MiB)), vector.decompressed_hex);
}

function checkTcp(vector: Vector): void {
  const wire = wireOf(vector);
  const layers = vector.layers_outermost_first;
  const headed = wire[0] === 0xf4;
  const [options, ports] = sender(vector, wire, headed);
  const plain = plainOf(vector, wire, options);
  const config = { ...options.config, enableCompression: plain[0] === 9 };
  const message = readStream({ ...options, config }, ports, wire, headed || !layers?.length);
  const spelled = (["unsigned", "signed"] as const).map((integers) => {
    const codec = new StreamCodec({ ...options, config, integers }, ports);
    return hex(headed ? codec.encodeRequest(message as never) : codec.encodeResponse(message as never));
  });
  assert.ok(spelled.includes(hex(wire)), `spelled as\n${spelled.join("\n")}\ninstead of\n${hex(wire)}`);
  checkPlain(vector, wire, options);
  checkDecoded(vector, message);
}

/** A vector does not say which side sent it: whoever understands it, does. */
function readStream(options: CodecOptions, ports: CodecPorts, wire: Uint8Array, preferRequest: boolean): StreamMessage {
  const readers = [
    () => new StreamCodec(options, ports).requestReader().push(0, wire),
    () => new StreamCodec(options, ports).responseReader().push(0, wire),
  ];
  if (!preferRequest) readers.reverse();
  let last: unknown;
  for (const read of readers) {
    try {
      const message = read();
      if (message !== undefined) return message;
    } catch (error) {
      last = error;
    }
  }
  throw last ?? new Error("not complete");
}

/** Some vectors are the header of a state exchange and nothing else. */
function isHeader(vector: Vector): boolean {
  const wire = wireOf(vector);
  if (vector.transport !== "tcp" || wire[0] !== 6) return false;
  const reader = new MsgpackReader(wire, 1);
  pushPullHeader.read(reader);
  return reader.position === wire.length;
}

/** What the header says stands in the vector's note: `int 200 -> ccc8, 40000 -> cd9c40`. */
function checkHeader(vector: Vector): void {
  const wire = wireOf(vector);
  const header = pushPullHeader.read(new MsgpackReader(wire, 1)) as Parameters<typeof encodePushPullHeader>[0];
  const said = vector.note?.matchAll(/(\d+) -> ([0-9a-f]+)/g) ?? [];
  for (const [, value, spelling] of said) {
    assert.ok([header.nodes, header.userStateBytes].includes(Number(value)), `${value}`);
    assert.ok(hex(wire).includes(String(spelling)));
  }
  const spelled = [encodePushPullHeader(header, "unsigned"), encodePushPullHeader(header, "signed")].map(hex);
  assert.ok(spelled.includes(hex(wire)));
}

function checkDecoded({ decoded }: Vector, message: StreamMessage): void {
  if (decoded === undefined) return;
  if (message.kind !== "pushPull") {
    assert.deepEqual(normal(fieldsOf(message)), normal(decoded));
    return;
  }
  const { join, nodes, userState } = message as PushPull;
  assert.deepEqual({ Join: join, Nodes: nodes.length, UserStateLen: userState.length }, decoded.header);
  assert.deepEqual(nodes.map(fieldsOf).map(normal), decoded.nodes?.map(normal));
  const prefix = decoded.user_state_prefix_hex ?? "";
  assert.equal(hex(userState).slice(0, prefix.length), prefix);
}

function checkLzw({ wire_hex, plain_hex }: Vector): void {
  assert.equal(hex(lzwDecompress(unhex(wire_hex!), 1_000)), plain_hex);
  assert.equal(hex(lzwCompress(unhex(plain_hex!))), wire_hex);
}

describe("vectors of real peers", () => {
  const checks = { udp: checkUdp, tcp: checkTcp, header: checkHeader, "-": checkLzw };
  for (const vector of vectors) {
    const check = checks[isHeader(vector) ? "header" : vector.transport];
    test(`${vector.id} means what is documented and is spelled again identically`, () => check(vector));
  }
});
