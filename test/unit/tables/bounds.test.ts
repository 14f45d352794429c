/** What one message, one owner or one node may cost the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KiB, MiB } from "../../../src/base/units.ts";
import { limitFields } from "../../../src/tables/field-limit.ts";
import { COMPOUND_EVENTS_MAX } from "../../../src/tables/limits.ts";
import { decodeTablesMessage, encodeTablesMessage } from "../../../src/tables/message-codec.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";
import { faultCode } from "../faults.ts";

/** A message of `type` that is `unit` over and over. */
function stuffed(type: number, unit: readonly number[], byteLength: number): Uint8Array {
  const count = Math.floor(byteLength / unit.length);
  const data = new Uint8Array(count * unit.length);
  for (let at = 0; at < data.length; at += unit.length) data.set(unit, at);
  const head = [0x08, type, 0x12];
  let left = data.length;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) head.push((left % 0x80) | 0x80);
  return concatBytes(Uint8Array.from([...head, left]), data);
}

test("a message of ten million empty parts is refused before it takes memory", () => {
  const repeated = { compound: [5, 0x0a], pushPull: [3, 0x12], bulkSync: [4, 0x22], groups: [2, 0x2b] } as const;
  for (const [what, [type, tag]] of Object.entries(repeated)) {
    const unit = what === "groups" ? [tag] : [tag, 0];
    const message = stuffed(type, unit, 20 * MiB - KiB);
    const before = process.memoryUsage();
    assert.equal(
      faultCode(() => decodeTablesMessage(message)),
      "oversize",
      what,
    );
    const after = process.memoryUsage();
    const takenBytes = after.heapUsed + after.external - before.heapUsed - before.external;
    assert.ok(takenBytes < 16 * MiB, `${what} takes ${takenBytes} bytes`);
  }
});

test("a compound holds as many events as its limit, and no more", () => {
  const parts = new Array<Uint8Array>(COMPOUND_EVENTS_MAX).fill(new Uint8Array(0));
  const message = decodeTablesMessage(encodeTablesMessage({ kind: "compound", parts }));
  assert.equal(message.kind === "compound" && message.parts.length, COMPOUND_EVENTS_MAX);
});

test("counting fields never refuses what has few, and ends on any bytes", () => {
  const any = fc.uint8Array({ maxLength: 200 });
  fc.assert(fc.property(any, (bytes) => limitFields(bytes, bytes.length)));
});
