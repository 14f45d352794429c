/** Bytes of real Docker Engines: opened, decoded down to the records, and spelled again identically. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { SymmetricKey } from "../../../src/crypt/aead.ts";
import { docker } from "../../../src/gossip/config.ts";
import { Keyring } from "../../../src/gossip/keyring.ts";
import { PacketCodec } from "../../../src/gossip/packet.ts";
import { StreamCodec } from "../../../src/gossip/stream.ts";
import { keyOrder } from "../../../src/tables/key-ring.ts";
import { decodeTablesMessage, encodeTablesMessage } from "../../../src/tables/message-codec.ts";
import type { TablesMessage } from "../../../src/tables/messages.ts";
import {
  decodeEndpointRecord,
  decodePeerRecord,
  encodeEndpointRecord,
  encodePeerRecord,
} from "../../../src/tables/records.ts";

interface Packet {
  readonly kind: string;
  /** On UDP. */
  readonly packet?: string;
  /** On TCP. */
  readonly bytes?: string;
  readonly key: string;
}

interface Spelled {
  readonly msg: string;
  readonly gossip: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly peerRecord?: string;
}

interface Rings {
  readonly manager: readonly string[];
  readonly gossipRing: readonly number[];
  readonly ipsecKeys: readonly number[];
}

const vectors = JSON.parse(readFileSync(new URL("../../vectors/networkdb-vectors.json", import.meta.url), "utf8")) as {
  readonly gossip: { readonly packets: readonly Packet[] };
  readonly protobuf: readonly Spelled[];
  readonly keyOrdering: { readonly example: Rings; readonly afterRotation: Rings };
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const ports = { random: { u32: () => 0, bytes: (length: number) => new Uint8Array(length) } };

/** The payloads for the layer above gossip that a packet or stream holds. */
function payloadsOf({ packet = "", bytes: stream, key }: Packet): Uint8Array[] {
  const options = { config: docker, keyring: new Keyring([new SymmetricKey(bytes(key))]) };
  if (stream === undefined) {
    const { messages } = new PacketCodec(options, ports).decode(0, bytes(packet));
    return messages.flatMap((message) => (message.kind === "user" ? [message.payload] : []));
  }
  const message = new StreamCodec(options, ports).requestReader().push(0, bytes(stream));
  assert.ok(message !== undefined, "the stream is complete");
  if (message.kind === "pushPull") return [message.userState];
  return message.kind === "user" ? [message.payload] : [];
}

/** Decode, spell again, and the same for whatever is inside; the kinds met, outermost first. */
function check(payload: Uint8Array): string[] {
  const message = decodeTablesMessage(payload);
  assert.equal(hex(encodeTablesMessage(message)), hex(payload));
  return [message.kind, ...inside(message)];
}

function inside(message: TablesMessage): string[] {
  if (message.kind === "compound") return message.parts.flatMap(check);
  if (message.kind === "bulkSync") return check(message.payload);
  if (message.kind !== "tableEvent") return [];
  const { table, value } = message;
  if (table === "overlay_peer_table") assert.equal(hex(encodePeerRecord(decodePeerRecord(value))), hex(value));
  if (table === "endpoint_table") assert.equal(hex(encodeEndpointRecord(decodeEndpointRecord(value))), hex(value));
  return [table];
}

describe("vectors of real engines", () => {
  for (const [index, packet] of vectors.gossip.packets.entries()) {
    test(`packet ${index}, ${packet.kind}, is understood and spelled again`, () => {
      const met = payloadsOf(packet).flatMap(check);
      const expected = /^(NETWORK|NODE|TABLE)_EVENT|PUSH_PULL|BULK_SYNC/.exec(packet.kind)?.[0];
      const kind = { NETWORK_EVENT: "networkEvent", NODE_EVENT: "nodeEvent", TABLE_EVENT: "tableEvent" }[
        expected ?? ""
      ];
      if (kind !== undefined) assert.ok(met.includes(kind), `met ${met}`);
      if (expected === "PUSH_PULL") assert.ok(met.includes("pushPullState"));
      if (expected === "BULK_SYNC") assert.ok(met.includes("bulkSync"));
    });
  }
  for (const { msg, gossip, fields = {}, peerRecord } of vectors.protobuf) {
    test(`${msg} means what is documented and is spelled again`, () => {
      const message = decodeTablesMessage(bytes(gossip));
      assert.equal(hex(encodeTablesMessage(message)), gossip);
      const seen: Readonly<Record<string, unknown>> = { ...message };
      const names = { l_time: "lTime", node_name: "node", key: "key", residual_reap_time: "residualReapTime" };
      for (const [theirs, ours] of Object.entries(names)) {
        if (theirs in fields) assert.equal(seen[ours], fields[theirs], theirs);
      }
      if (message.kind === "tableEvent" && peerRecord !== undefined) assert.equal(hex(message.value), peerRecord);
    });
  }
  test("keys stand in the ring as engines order them, before and after a rotation", () => {
    for (const { manager, gossipRing, ipsecKeys } of [vectors.keyOrdering.example, vectors.keyOrdering.afterRotation]) {
      const order = (subsystem: string): number[] =>
        keyOrder(
          manager.filter((name) => name.startsWith(subsystem)).map((name) => ({ lamportTime: Number(name.slice(1)) })),
        ).map(({ lamportTime }) => lamportTime);
      assert.equal(order("g")[0], [...gossipRing].sort((one, other) => one - other)[1]);
      assert.deepEqual(order("i"), ipsecKeys);
    }
  });
});
