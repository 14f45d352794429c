/**
 * Heap bytes per member: one engine that learns of 5,000 others from a state exchange, decoded from real bytes so that
 * nothing is shared. Measured after garbage collection, with the news still queued and after it has been gossiped.
 * Needs `--expose-gc` (`npm run bench` gives it).
 */
import { lan } from "../src/gossip/config.ts";
import { GossipEngine } from "../src/gossip/engine.ts";
import { Keyring } from "../src/gossip/keyring.ts";
import type { PushNodeState, StreamRequest } from "../src/gossip/messages.ts";
import { quietDelegate } from "../src/gossip/quiet-delegate.ts";
import { StreamCodec } from "../src/gossip/stream.ts";
import { SeededRandom } from "../src/sim/random.ts";
import { machine, printTable, round } from "./table.ts";

const random = new SeededRandom(1, "memory");
function rows(count: number, metaBytes: number): PushNodeState[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index}`,
    addr: Uint8Array.of(10, 1 + (index >> 16), (index >> 8) & 255, index & 255),
    port: 7946,
    meta: random.bytes(metaBytes),
    incarnation: 1_700_000_000 + index,
    state: "alive",
    vsn: Uint8Array.of(1, 5, 2, 0, 0, 0),
  }));
}

/** What a stranger's state exchange looks like once it was read. */
function received(count: number, metaBytes: number): StreamRequest {
  const codec = new StreamCodec({ config: lan, keyring: new Keyring() }, { random });
  const nodes = rows(count, metaBytes);
  const bytes = codec.encodeRequest({ kind: "pushPull", join: true, nodes, userState: new Uint8Array(0) });
  return codec.requestReader().push(0, bytes)!;
}

function used(): number {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function measure(count: number, metaBytes: number): string[] {
  const engine = new GossipEngine(
    { config: lan, name: "self", addr: Uint8Array.of(10, 0, 0, 1), port: 7946, incarnation: 1, encrypted: () => true },
    { random, delegate: quietDelegate },
  );
  engine.step(0, { on: "start" });
  let message: StreamRequest | undefined = received(count, metaBytes);
  const empty = used();
  const from = { address: "10.1.0.1", port: 7946 };
  const before = used();
  // The exchange itself is held during the step, then thrown away; the engine may keep parts of it.
  engine.step(0, { on: "request", exchange: 1, from, message });
  message = undefined;
  const queued = used() - Math.min(before, empty) + messageBytes(count, metaBytes);
  let now = 0;
  while (now < 900_000 && Number.isFinite(engine.deadline()) && now < drainedAt(count)) {
    now = Math.max(now, engine.deadline());
    engine.step(now, { on: "wake" });
  }
  const drained = used() - Math.min(before, empty) + messageBytes(count, metaBytes);
  const known = engine.members().length - 1;
  return [`${count}`, `${metaBytes}`, `${known}`, round(queued / count, 4), round(drained / count, 4)];
}

/** What the decoded exchange itself takes: counted in `before`, so it is given back. */
function messageBytes(count: number, metaBytes: number): number {
  const before = used();
  const held = received(count, metaBytes);
  const bytes = used() - before;
  return held.kind === "pushPull" ? bytes : 0;
}

/** When the news of everybody has been gossiped: four times as long as it takes at 15 messages a packet. */
function drainedAt(count: number): number {
  const transmits = lan.retransmitMult * Math.ceil(Math.log10(count + 1));
  return ((count * transmits) / (15 * lan.gossipNodes)) * lan.gossipIntervalMs * 4;
}

console.log(`Heap and array bytes per member in one engine; ${machine()}`);
printTable(
  "After one state exchange",
  ["members", "meta bytes", "known", "bytes each, news queued", "bytes each, at rest"],
  [measure(5_000, 0), measure(5_000, 0), measure(5_000, 32)],
);
