import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HandoffQueue, isUrgent } from "../../../src/gossip/handoff.ts";
import type { PacketMessage } from "../../../src/gossip/messages.ts";

const from = { address: "10.0.0.1", port: 7946 };
const suspect = (incarnation: number): PacketMessage => ({ kind: "suspect", incarnation, node: "a", from: "b" });
const alive = (incarnation: number): PacketMessage => ({
  kind: "alive",
  incarnation,
  node: "a",
  addr: Uint8Array.of(10, 0, 0, 1),
  port: 7946,
  meta: null,
  vsn: null,
});

test("only probe traffic is urgent", () => {
  const ping: PacketMessage = { kind: "ping", seqNo: 1, node: "a" };
  const nack: PacketMessage = { kind: "nack", seqNo: 1 };
  assert.ok(isUrgent(ping) && isUrgent(nack) && isUrgent({ kind: "ack", seqNo: 1, payload: null }));
  assert.ok(!isUrgent(alive(1)) && !isUrgent(suspect(1)));
});

test("alive goes first, and each priority keeps its order", () => {
  const queue = new HandoffQueue(10);
  for (const message of [suspect(1), alive(1), suspect(2), alive(2)]) assert.ok(queue.push({ from, message }));
  assert.deepEqual(queue.lengths(), { high: 2, normal: 2 });
  const taken = [1, 2, 3, 4].map(() => queue.take()?.message);
  assert.deepEqual(taken, [alive(1), alive(2), suspect(1), suspect(2)]);
  assert.equal(queue.take(), undefined);
});

test("a full queue refuses its own priority only", () => {
  const queue = new HandoffQueue(2);
  assert.deepEqual(
    [alive(1), alive(2), alive(3), suspect(1), suspect(2), suspect(3)].map((message) => queue.push({ from, message })),
    [true, true, false, true, true, false],
  );
  queue.take();
  assert.ok(queue.push({ from, message: alive(4) }));
});

test("it behaves as two plain arrays would", () => {
  const depth = 5;
  fc.assert(
    fc.property(fc.array(fc.constantFrom("alive", "suspect", "take"), { maxLength: 200 }), (steps) => {
      const queue = new HandoffQueue(depth);
      const high: PacketMessage[] = [];
      const normal: PacketMessage[] = [];
      for (const [index, step] of steps.entries()) {
        if (step === "take") {
          assert.deepEqual(queue.take()?.message, high.shift() ?? normal.shift());
          continue;
        }
        const message = step === "alive" ? alive(index) : suspect(index);
        const twin = step === "alive" ? high : normal;
        assert.equal(queue.push({ from, message }), twin.length < depth);
        if (twin.length < depth) twin.push(message);
        assert.equal(queue.length, high.length + normal.length);
      }
    }),
  );
});
