/** Messages, keys and chance for tests and for the fuzzer: everything that an honest peer can say. */
import fc from "fast-check";
import { SymmetricKey } from "../../../src/crypt/aead.ts";
import type { CodecPorts } from "../../../src/gossip/codec-options.ts";
import { META_BYTES_MAX, NAME_BYTES_MAX } from "../../../src/gossip/limits.ts";
import {
  type Ack,
  type ErrorReply,
  memberStates,
  type PacketMessage,
  type Ping,
  type PushNodeState,
  type PushPull,
  type StreamRequest,
  type StreamResponse,
  type User,
} from "../../../src/gossip/messages.ts";
import { utf8Length } from "../../../src/wire/utf8.ts";

const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(127, 128, 65_535, 65_536));
const port = fc.integer({ min: 1, max: 0xffff });
const bytes = (min: number, max = min): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: min, maxLength: max });
const name = fc
  .oneof(fc.string({ minLength: 1, maxLength: 40 }), fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }))
  .filter((text) => text !== "" && utf8Length(text) <= NAME_BYTES_MAX);
const address = fc.oneof(bytes(4), bytes(16));
const meta = fc.oneof(fc.constant(null), bytes(0, 40), bytes(META_BYTES_MAX - 2, META_BYTES_MAX));
const vsn = fc.oneof(fc.constant(null), bytes(0), bytes(6));
const payload = fc.oneof(bytes(0, 60), bytes(240, 300));

type Source = Partial<Pick<Ping, "sourceAddr" | "sourceNode" | "sourcePort">>;
const plain = { noNullPrototype: true } as const;
const source: fc.Arbitrary<Source> = fc.record(
  { sourceAddr: address, sourceNode: name, sourcePort: port },
  { requiredKeys: [], ...plain },
);

export const ping: fc.Arbitrary<Ping> = fc
  .tuple(u32, fc.oneof(fc.constant(""), name), source)
  .map(([seqNo, node, rest]) => ({ kind: "ping", seqNo, node, ...rest }));
export const ack: fc.Arbitrary<Ack> = fc
  .tuple(u32, fc.oneof(fc.constant(null), payload))
  .map(([seqNo, answer]) => ({ kind: "ack", seqNo, payload: answer }));
export const user: fc.Arbitrary<User> = payload.map((opaque) => ({ kind: "user", payload: opaque }));

export const packetMessage: fc.Arbitrary<PacketMessage> = fc.oneof(
  ping,
  fc
    .tuple(u32, address, port, name, fc.boolean(), source)
    .map(([seqNo, target, at, node, nack, rest]): PacketMessage => {
      return { kind: "indirectPing", seqNo, target, port: at, node, nack, ...rest };
    }),
  ack,
  u32.map((seqNo): PacketMessage => ({ kind: "nack", seqNo })),
  fc
    .tuple(fc.constantFrom("suspect" as const, "dead" as const), u32, name, name)
    .map(([kind, incarnation, node, from]): PacketMessage => ({ kind, incarnation, node, from })),
  fc.record(
    { kind: fc.constant("alive" as const), incarnation: u32, node: name, addr: address, port, meta, vsn },
    plain,
  ),
  user,
);

export const row: fc.Arbitrary<PushNodeState> = fc.record(
  {
    name,
    addr: address,
    port,
    meta,
    incarnation: u32,
    state: fc.constantFrom(...memberStates),
    vsn,
  },
  plain,
);
export const pushPull: fc.Arbitrary<PushPull> = fc.record(
  {
    kind: fc.constant("pushPull" as const),
    join: fc.boolean(),
    nodes: fc.array(row, { maxLength: 6 }),
    userState: fc.oneof(bytes(0), bytes(0, 40), bytes(250, 300)),
  },
  plain,
);
export const errorReply: fc.Arbitrary<ErrorReply> = fc
  .string({ maxLength: 60 })
  .map((error) => ({ kind: "error", error }));
export const streamRequest: fc.Arbitrary<StreamRequest> = fc.oneof(ping, user, pushPull);
export const streamResponse: fc.Arbitrary<StreamResponse> = fc.oneof(ack, errorReply, pushPull);

export const packetMessages = fc.array(packetMessage, { minLength: 1, maxLength: 8 });
export const symmetricKey = fc.constantFrom(
  new SymmetricKey(new Uint8Array(16).fill(1)),
  new SymmetricKey(new Uint8Array(24).fill(2)),
  new SymmetricKey(new Uint8Array(32).fill(3)),
);

/** Nonces that count: every one is new, and a test repeats exactly. */
export function countingPorts(): CodecPorts {
  let count = 0;
  return {
    random: {
      u32: () => count++,
      bytes: (length) => {
        const nonce = new Uint8Array(length);
        new DataView(nonce.buffer).setUint32(0, ++count);
        return nonce;
      },
    },
  };
}
