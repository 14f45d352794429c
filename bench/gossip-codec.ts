/**
 * What one gossip packet costs: spelling and reading messages against a general msgpack library, encryption by
 * node:crypto against OpenSSL called through koffi, compression. Nanoseconds, medians of 7 runs.
 */
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { SymmetricKey } from "../src/crypt/aead.ts";
import { encodeCompound } from "../src/gossip/compound.ts";
import { lan } from "../src/gossip/config.ts";
import { Keyring } from "../src/gossip/keyring.ts";
import { decodePacketMessage, encodeMessage } from "../src/gossip/message-codec.ts";
import type { Alive, PacketMessage } from "../src/gossip/messages.ts";
import { PacketCodec } from "../src/gossip/packet.ts";
import { SeededRandom } from "../src/sim/random.ts";
import { lzwCompress, lzwDecompress } from "../src/wire/lzw.ts";
import { loadEvp } from "./evp.ts";
import { machine, nsPerCall, printTable, round } from "./table.ts";

const quick = process.argv.includes("--quick");
const time = (work: () => unknown): number => nsPerCall(work, quick ? { runs: 3, runMs: 30 } : {});
const random = new SeededRandom(1, "bench");

const alive = (index: number): Alive => ({
  kind: "alive",
  node: `node-${index}`,
  incarnation: 1_700_000_000 + index,
  addr: Uint8Array.of(10, 0, index >> 8, index & 255),
  port: 7946,
  meta: new Uint8Array(0),
  vsn: Uint8Array.of(1, 5, 2, 0, 0, 0),
});
const single = {
  ping: {
    kind: "ping",
    seqNo: 70_000,
    node: "node-17",
    sourceAddr: Uint8Array.of(10, 0, 0, 1),
    sourcePort: 7946,
    sourceNode: "node-1",
  },
  ack: { kind: "ack", seqNo: 70_000, payload: null },
  alive: alive(17),
} satisfies Record<string, PacketMessage>;
const twenty = Array.from({ length: 20 }, (_, index) => alive(index));

/** The map that a general library would write: same field names, no type byte. */
function asMap(message: PacketMessage): Record<string, unknown> {
  const entries = Object.entries(message).filter(([name]) => name !== "kind");
  return Object.fromEntries(entries.map(([name, value]) => [name[0]!.toUpperCase() + name.slice(1), value]));
}

function messageRows(): string[][] {
  const rows = Object.entries(single).map(([name, message]) => {
    const map = asMap(message);
    const [bytes, theirs] = [encodeMessage(message), encode(map)];
    return [
      name,
      `${bytes.length}`,
      round(time(() => encodeMessage(message))),
      round(time(() => decodePacketMessage(bytes))),
      round(time(() => encode(map))),
      round(time(() => decode(theirs))),
    ];
  });
  const parts = twenty.map(encodeMessage);
  const maps = twenty.map(asMap);
  const theirs = maps.map((map) => encode(map));
  const packet = encodeCompound(parts);
  rows.push([
    "compound of 20 alive",
    `${packet.length}`,
    round(time(() => encodeCompound(twenty.map(encodeMessage)))),
    round(time(() => plainCodec.decode(0, packet))),
    round(time(() => maps.map((map) => encode(map)))),
    round(time(() => theirs.map((bytes) => decode(bytes)))),
  ]);
  return rows;
}

const codecOf = (keyring: Keyring, enableCompression: boolean): PacketCodec =>
  new PacketCodec({ config: { ...lan, enableCompression }, keyring }, { random });
const plainCodec = codecOf(new Keyring(), false);

function aeadRows(): string[][] {
  const bytes = random.bytes(32);
  const key = new SymmetricKey(bytes);
  const evp = loadEvp(bytes);
  const aad = new Uint8Array(0);
  return [100, 1_400].flatMap((size) => {
    const plain = random.bytes(size);
    const nonce = random.bytes(12);
    const sealed = key.seal(nonce, plain, aad);
    const [out, back] = [new Uint8Array(size + 16), new Uint8Array(size + 16)];
    evp.seal(out, nonce, plain);
    assert.deepEqual(out, sealed, "both make the same bytes");
    assert.ok(evp.open(back, nonce, sealed));
    assert.deepEqual(back.subarray(0, size), plain, "and read them");
    return [
      [`crypt/aead.ts, ${size} B`, time(() => key.seal(nonce, plain, aad)), time(() => key.open(nonce, sealed, aad))],
      [
        `node:crypto, bare, ${size} B`,
        time(() => rawSeal(bytes, nonce, plain)),
        time(() => rawOpen(bytes, nonce, sealed)),
      ],
      [
        `EVP through koffi, ${size} B`,
        time(() => evp.seal(out, nonce, plain)),
        time(() => evp.open(back, nonce, sealed)),
      ],
    ].map(([name, seal, open]) => [`${name}`, round(seal as number), round(open as number)]);
  });
}

function rawSeal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const body = cipher.update(plain);
  cipher.final();
  return Buffer.concat([body, cipher.getAuthTag()]);
}

function rawOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce);
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  const plain = decipher.update(sealed.subarray(0, sealed.length - 16));
  decipher.final();
  return plain;
}

function lzwRows(): string[][] {
  const text = encodeCompound(twenty.map(encodeMessage));
  const state = new Uint8Array(500 * text.length);
  for (let copy = 0; copy < 500; copy++) {
    state.set(
      encodeCompound(Array.from({ length: 20 }, (_, at) => encodeMessage(alive(copy * 20 + at)))).slice(0, text.length),
      copy * text.length,
    );
  }
  const samples: [string, Uint8Array][] = [
    ["ping", encodeMessage(single.ping)],
    ["compound of 20 alive", text],
    ["state of 10,000 members", state],
    ["random, 1,400 B", random.bytes(1_400)],
  ];
  return samples.map(([name, plain]) => {
    const small = lzwCompress(plain);
    const pack = time(() => lzwCompress(plain));
    const unpack = time(() => lzwDecompress(small, plain.length));
    const speed = (ns: number): string => round((plain.length * 1_000) / ns);
    return [name, `${plain.length}`, `${small.length}`, round(pack), speed(pack), round(unpack), speed(unpack)];
  });
}

function packetRows(): string[][] {
  const keyring = new Keyring([new SymmetricKey(random.bytes(32))]);
  const cases: [string, readonly PacketMessage[]][] = [
    ["ping", [single.ping]],
    ["ack", [single.ack]],
    ["compound of 20 alive", twenty],
  ];
  return cases.flatMap(([name, messages]) =>
    [true, false].map((compressed) => {
      const codec = codecOf(keyring, compressed);
      const bytes = codec.encode(messages, true);
      // The replay cache takes a packet once, so a new reader reads each; making it costs little, and is counted.
      const read = time(() => codecOf(keyring, compressed).decode(0, bytes));
      const make = time(() => codecOf(keyring, compressed));
      const write = time(() => codec.encode(messages, true));
      return [name, compressed ? "yes" : "no", `${bytes.length}`, round(write), round(read - make)];
    }),
  );
}

console.log(`Codec, encryption and compression; ${machine()}; ns per call, medians`);
printTable("Messages", ["message", "bytes", "encode", "decode", "@msgpack encode", "@msgpack decode"], messageRows());
printTable("AES-256-GCM", ["path", "seal ns", "open ns"], aeadRows());
printTable("LZW", ["input", "bytes", "packed", "pack ns", "pack MB/s", "unpack ns", "unpack MB/s"], lzwRows());
printTable("Whole packets, encrypted", ["packet", "compression", "bytes", "encode ns", "decode ns"], packetRows());
