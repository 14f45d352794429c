import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { Fault } from "../../../src/base/fault.ts";
import type { LaneOrder, LaneReport } from "../../../src/esp/effects.ts";
import {
  orderOf,
  type PlainOrder,
  type PlainReport,
  plainOrder,
  plainReport,
  reportOf,
} from "../../../src/main/esp-lane-codec.ts";
import { association } from "../../support/esp.ts";

/** Through a real port, as between threads. */
function pass<Message>(message: Message, moved: ArrayBuffer[] = []): Message {
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(message, moved);
    return (receiveMessageOnPort(port2) as { message: Message }).message;
  } finally {
    port1.close();
  }
}

test("an order arrives with its keys, which stay with nobody on the way", () => {
  const one = association();
  const inputs: LaneOrder["inputs"] = [
    { on: "install", association: one },
    { on: "transmit", peer: one.destination, spi: one.spi },
  ];
  const { plain, secrets } = plainOrder({ order: 7, ask: "take", inputs });
  const arrived = pass<PlainOrder>(plain, secrets);
  assert.deepEqual(
    secrets.map((secret) => secret.byteLength),
    [0],
  );
  const order = orderOf(arrived);
  const [install, transmit] = order.inputs;
  assert.ok(install?.on === "install" && install.association.material.equals(one.material));
  assert.equal(install.association.limits.hard.ageMs, Infinity);
  assert.deepEqual(transmit, { on: "transmit", peer: one.destination, spi: one.spi });
  const left = arrived.inputs[0];
  assert.ok(left?.on === "install" && left.association.material.every((byte) => byte === 0));
  assert.doesNotMatch(inspect(order, { depth: 9 }), /Uint8Array/);
  one.material.withBytes((bytes) => assert.notDeepEqual(bytes, new Uint8Array(36)));
});

test("a refusal arrives as the fault that it was", () => {
  const report: LaneReport = {
    say: "done",
    order: 7,
    effects: [{ do: "refused", fault: new Fault("conflict", "there is another one") }],
  };
  const arrived = reportOf(pass<PlainReport>(plainReport(report)));
  assert.ok(arrived.say === "done" && arrived.effects[0]?.do === "refused");
  assert.ok(arrived.effects[0].fault instanceof Fault);
  assert.deepEqual(
    [arrived.effects[0].fault.code, arrived.effects[0].fault.message],
    ["conflict", "there is another one"],
  );
});
