/**
 * Streams of gossip, each fed whole and again in pieces: the outcome must be the same. `stream-sealed` encrypts its
 * input with the right key first, so that the parser behind the frame is reached by every input.
 */
import assert from "node:assert/strict";
import { Fault } from "../../src/base/fault.ts";
import { MiB } from "../../src/base/units.ts";
import type { CodecConfig } from "../../src/gossip/codec-options.ts";
import { compress } from "../../src/gossip/compression.ts";
import { lan } from "../../src/gossip/config.ts";
import type { Keyring } from "../../src/gossip/keyring.ts";
import { MEMBERS_MAX, STREAM_UNPACKED_BYTES_MAX, USER_STATE_BYTES_MAX } from "../../src/gossip/limits.ts";
import { encodeStreamMessage } from "../../src/gossip/message-codec.ts";
import { MessageType, type StreamMessage, type StreamRequest, type StreamResponse } from "../../src/gossip/messages.ts";
import { sealFrame } from "../../src/gossip/seal.ts";
import { StreamCodec, type StreamReader } from "../../src/gossip/stream.ts";
import { ROW_FAULTS_MAX } from "../../src/gossip/stream-parser.ts";
import { SeededRandom } from "../../src/sim/random.ts";
import { assertSame, bytesOf, countingRandom, hashOf } from "./support.ts";
import { type Target, target } from "./target.ts";
import { allKeys, gossipWords, noKeys, pickKey } from "./targets-packet.ts";
import { gossipVectors } from "./vectors.ts";

const LABEL = "lab1";
const random = countingRandom();
const noBytes = new Uint8Array(0);
const streams = gossipVectors().filter(({ transport }) => transport === "tcp");

/** Plain messages, from vectors and of every kind there is. */
const plainStreams: readonly Uint8Array[] = [
  ...streams.flatMap(({ wire, keyHex, plain, inner }) => {
    const outer = plain ?? (keyHex === undefined ? wire : undefined);
    return [...(outer === undefined ? [] : [outer]), ...inner];
  }),
  ...(
    [
      { kind: "user", payload: new Uint8Array(40).fill(7) },
      { kind: "error", error: "no such member" },
      { kind: "ack", seqNo: 300, payload: null },
      { kind: "ping", seqNo: 1, node: "agent1" },
    ] as const
  ).map((message) => encodeStreamMessage(message)),
];

interface Heard {
  /** `undefined`: the message is not complete. */
  readonly message: StreamMessage | undefined;
  readonly faults: readonly Fault[];
  readonly refusedRows: number;
}

type Side = "request" | "response";

function codec(config: Partial<CodecConfig>, keyring: Keyring): StreamCodec {
  return new StreamCodec({ config: { ...lan, ...config }, keyring }, { random });
}

function readerOf(codec: StreamCodec, side: Side): StreamReader<StreamRequest | StreamResponse> {
  return side === "request" ? codec.requestReader() : codec.responseReader();
}

/** What a reader hears, or the fault that it ends with. */
function listen(reader: StreamReader<StreamMessage>, chunks: Iterable<Uint8Array>): Heard | Fault {
  let message: StreamMessage | undefined;
  let fed = 0;
  try {
    for (const chunk of chunks) {
      fed += chunk.length;
      message ??= reader.push(0, chunk);
      assert.ok(reader.bufferedBytes <= fed, "more is buffered than came");
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    assert.equal(reader.bufferedBytes, 0, "a refused stream still holds bytes");
    return error;
  }
  return { message, faults: reader.faults, refusedRows: reader.refusedRows };
}

/** Pieces whose lengths the bytes themselves decide: single bytes, short ones, long ones. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  const random = new SeededRandom(hashOf(bytes));
  const lengthMax = [1, 5, 40, 700][random.u32() % 4]!;
  const all = bytes.length > 2_000 ? Math.max(lengthMax, 200) : lengthMax;
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + (random.u32() % all);
    yield bytes.slice(at, end);
    at = end;
  }
}

/** Fed whole; the same must come of it in pieces. Throws what it was refused for. */
function hear(makeReader: () => StreamReader<StreamMessage>, bytes: Uint8Array): Heard {
  const whole = listen(makeReader(), [bytes.slice()]);
  const parts = listen(makeReader(), pieces(bytes));
  if (whole instanceof Fault || parts instanceof Fault) {
    const codes = [whole, parts].map((heard) => (heard instanceof Fault ? heard.code : "accepted"));
    assert.equal(codes[1], codes[0], "whole and in pieces it ends differently");
    throw whole;
  }
  assertSame(parts.message, whole.message, "whole and in pieces it says different things");
  assert.equal(parts.refusedRows, whole.refusedRows);
  return whole;
}

/** Within its limits, and the same again when it is sent again. */
function checkHeard(heard: Heard, side: Side): void {
  const { message, faults, refusedRows } = heard;
  assert.ok(faults.length <= Math.min(ROW_FAULTS_MAX, refusedRows), "too many faults");
  if (message === undefined) return;
  if (message.kind === "pushPull") {
    assert.ok(message.nodes.length + refusedRows <= MEMBERS_MAX, "too many members");
    assert.ok(message.userState.length <= USER_STATE_BYTES_MAX, "too much user state");
  }
  if (message.kind === "user") assert.ok(message.payload.length <= USER_STATE_BYTES_MAX, "too much payload");
  for (const integers of ["unsigned", "signed"] as const) {
    const again = encodeStreamMessage(message, integers);
    assert.ok(again.length <= STREAM_UNPACKED_BYTES_MAX + MiB, "more came out than a stream may unpack to");
    assertSame(listen(readerOf(codec({}, noKeys), side), [again]), { message, faults: [], refusedRows: 0 });
  }
}

function streamTarget(side: Side, suffix: string, config: Partial<CodecConfig>, keyring: Keyring): Target {
  return target<Heard>({
    name: `stream-${side}${suffix}`,
    about: `a ${side} on a stream${keyring.isEmpty ? ", received without keys" : ", received with keys and a label"}`,
    seeds: () => [...streams.map(({ wire }) => wire), ...plainStreams],
    words: gossipWords,
    decode: (input) => hear(() => readerOf(codec(config, keyring), side), input),
    check: (heard) => checkHeard(heard, side),
  });
}

/** First byte of the input of `stream-sealed`. */
const wrap = { response: 1, compress: 2, versionZero: 4 } as const;

function sideOf(input: Uint8Array): Side {
  return ((input[0] ?? 0) & wrap.response) !== 0 ? "response" : "request";
}

function hearSealed(input: Uint8Array): Heard {
  const choice = input[0] ?? 0;
  let plain = input.subarray(1);
  if ((choice & wrap.compress) !== 0 && plain.length > 0) plain = compress(plain);
  const key = pickKey(choice >> 4);
  const version = (choice & wrap.versionZero) !== 0 ? 0 : 1;
  const frame = sealFrame(key, version, random.bytes(12), plain, noBytes);
  // A codec each: one remembers the nonce of the other.
  return hear(() => readerOf(codec({}, allKeys), sideOf(input)), frame);
}

const headings = [0, wrap.response, wrap.compress, wrap.response | wrap.compress, wrap.versionZero];

export const streamTargets: readonly Target[] = [
  streamTarget("request", "", {}, noKeys),
  streamTarget("response", "", {}, noKeys),
  streamTarget("request", "-keyed", { label: LABEL }, allKeys),
  streamTarget("response", "-keyed", { label: LABEL }, allKeys),
  target<Heard>({
    name: "stream-sealed",
    about: "what is inside a stream frame, encrypted with the right key",
    seeds: () => headings.flatMap((heading) => plainStreams.map((plain) => Uint8Array.of(heading, ...plain))),
    words: [...gossipWords, ...bytesOf("agent1"), Uint8Array.of(MessageType.pushPull)],
    decode: hearSealed,
    check: (heard, input) => checkHeard(heard, sideOf(input)),
  }),
];
