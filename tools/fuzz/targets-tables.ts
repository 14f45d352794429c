/**
 * NetworkDB: messages, records, and whole engines. `tables-engine` gives its input to an engine in the middle of a
 * cluster, as gossip does once a packet was opened; what it answers is bounded, and it never throws.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { SymmetricKey } from "../../src/crypt/aead.ts";
import { docker } from "../../src/gossip/config.ts";
import { Keyring } from "../../src/gossip/keyring.ts";
import { PacketCodec } from "../../src/gossip/packet.ts";
import { StreamCodec } from "../../src/gossip/stream.ts";
import type { TablesEffect } from "../../src/tables/effects.ts";
import { TablesEngine } from "../../src/tables/engine.ts";
import { decodeTablesMessage, encodeTablesMessage } from "../../src/tables/message-codec.ts";
import type { TablesMessage } from "../../src/tables/messages.ts";
import {
  decodeEndpointRecord,
  decodePeerRecord,
  ENDPOINT_TABLE,
  encodeEndpointRecord,
  encodePeerRecord,
  OVERLAY_PEER_TABLE,
} from "../../src/tables/records.ts";
import { splitSignature, withSignature } from "../../src/tables/signature.ts";
import { assertSame, countingRandom } from "./support.ts";
import { type Target, target } from "./target.ts";

interface Vectors {
  readonly gossip: {
    readonly packets: readonly { readonly packet?: string; readonly bytes?: string; readonly key: string }[];
  };
  readonly protobuf: readonly { readonly gossip: string }[];
}

const random = countingRandom();
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

/** Everything that real engines said to NetworkDB. */
function payloads(): Uint8Array[] {
  const file = new URL("../../test/vectors/networkdb-vectors.json", import.meta.url);
  const { gossip, protobuf } = JSON.parse(readFileSync(file, "utf8")) as Vectors;
  const said = gossip.packets.flatMap(({ packet, bytes: stream, key }) => {
    const options = { config: docker, keyring: new Keyring([new SymmetricKey(bytes(key))]) };
    const messages =
      packet === undefined
        ? [new StreamCodec(options, { random }).requestReader().push(0, bytes(stream ?? ""))]
        : new PacketCodec(options, { random }).decode(0, bytes(packet)).messages;
    return messages.flatMap((message) => {
      if (message?.kind === "user") return [message.payload];
      return message?.kind === "pushPull" ? [message.userState] : [];
    });
  });
  return [...said, ...protobuf.map(({ gossip: text }) => bytes(text))];
}

/** The messages, and those inside of them. */
function messages(): TablesMessage[] {
  const open = (payload: Uint8Array): TablesMessage[] => {
    const message = decodeTablesMessage(payload);
    if (message.kind === "compound") return [message, ...message.parts.flatMap(open)];
    return message.kind === "bulkSync" ? [message, ...open(message.payload)] : [message];
  };
  return payloads().flatMap(open);
}

function records(table: string): Uint8Array[] {
  return messages().flatMap((message) =>
    message.kind === "tableEvent" && message.table === table ? [message.value] : [],
  );
}

const NODES = ["38181cdecc50", "a65797b6b796"];
const NETWORKS = ["5nyzs0n03cxlnhb342z1kkiv7", "nnvlyft9efflmx0bznrl3yc3z"];

/** An engine that knows the nodes and networks of the vectors, and owns an entry. */
function engine(): TablesEngine {
  const options = { name: "ffffffffffff", packetBytes: 1_400, retransmitMult: 4 };
  const made = new TablesEngine({ ...options, endpoint: { address: "10.88.0.9", port: 7946 } }, { random });
  made.step(0, { on: "start" });
  made.step(0, { on: "watch", watch: 1 });
  for (const [index, name] of NODES.entries()) {
    const endpoint = { address: `10.88.0.${index + 1}`, port: 7946 };
    const none = new Uint8Array(0);
    const member = { name, addr: none, endpoint, meta: none, incarnation: 1, state: "alive", vsn: none } as const;
    made.step(0, { on: "notice", notice: { do: "tell", event: { kind: "join", member } } });
  }
  for (const network of NETWORKS) made.step(0, { on: "joinNetwork", network });
  const change = { on: "change", request: 1, type: "create", table: ENDPOINT_TABLE, value: new Uint8Array(3) } as const;
  made.step(0, { ...change, network: NETWORKS[1]!, key: "ours" });
  return made;
}

export const tablesTargets: readonly Target[] = [
  target({
    name: "tables-message",
    about: "a message of NetworkDB",
    seeds: () => messages().map(encodeTablesMessage),
    decode: decodeTablesMessage,
    check: (message) => assertSame(decodeTablesMessage(encodeTablesMessage(message)), message),
  }),
  target({
    name: "tables-peer-record",
    about: "a row of overlay_peer_table",
    seeds: () => records(OVERLAY_PEER_TABLE),
    decode: decodePeerRecord,
    check: (record) => assertSame(decodePeerRecord(encodePeerRecord(record)), record),
  }),
  target({
    name: "tables-endpoint-record",
    about: "a row of endpoint_table",
    seeds: () => records(ENDPOINT_TABLE),
    decode: decodeEndpointRecord,
    check: (record) => assertSame(decodeEndpointRecord(encodeEndpointRecord(record)), record),
  }),
  target({
    name: "tables-signature",
    about: "a value with a signature at its end",
    seeds: () => records(ENDPOINT_TABLE).map((record) => withSignature(record, new Uint8Array(64).fill(7))),
    decode: splitSignature,
    check({ record, signature }, input) {
      assertSame(signature === undefined ? record : withSignature(record, signature), input);
    },
  }),
  target({
    name: "tables-engine",
    about: "an engine that hears a message of NetworkDB, and lives on",
    seeds: () => messages().map(encodeTablesMessage),
    decode(payload) {
      const made = engine();
      const from = { address: "10.88.0.1", port: 7946 };
      const effects: TablesEffect[] = made.step(1, {
        on: "notice",
        notice: { do: "userMessage", payload, from },
      });
      effects.push(...made.step(1, { on: "notice", notice: { do: "remoteState", userState: payload, join: false } }));
      effects.push(...made.step(2_000, { on: "wake" }));
      return { effects, made };
    },
    check({ effects, made }, input) {
      assert.ok(effects.length <= 16 + input.length, `${effects.length} effects of ${input.length} bytes`);
      assert.ok(made.deadline() > 0, "a deadline");
      const ours = made.dump().entries.find(({ key }) => key === "ours");
      assert.ok(ours?.owner === "ffffffffffff" && ours.state === "live", "what is ours stays ours");
      const { clocks } = made.dump();
      assert.ok(clocks.network < 2 ** 52 && clocks.table < 2 ** 52, "clocks stay far from their end");
    },
  }),
];
