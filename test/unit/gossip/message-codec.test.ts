import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encode as oracleEncode } from "@msgpack/msgpack";
import fc from "fast-check";
import { META_BYTES_MAX, NAME_BYTES_MAX } from "../../../src/gossip/limits.ts";
import { decodePacketMessage, encodedLength, encodeMessage } from "../../../src/gossip/message-codec.ts";
import type { Alive, PacketMessage } from "../../../src/gossip/messages.ts";
import { decodeValue } from "../../../src/wire/msgpack-value.ts";
import { faultCode } from "../faults.ts";
import { packetMessage } from "./arbitraries.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const alive: Alive = {
  kind: "alive",
  incarnation: 1,
  node: "agent1",
  addr: Uint8Array.of(127, 0, 0, 1),
  port: 7946,
  meta: Uint8Array.of(255, 128),
  vsn: Uint8Array.of(1, 5, 2, 2, 5, 5),
};

/** A message spelled by another library: strings as str, bytes as bin, floats, any keys. */
function foreign(type: number, body: Record<string, unknown>): Uint8Array {
  return new Uint8Array([type, ...oracleEncode(body)]);
}

const aliveBody = { Addr: alive.addr, Incarnation: 1, Meta: alive.meta, Node: "agent1", Port: 7946, Vsn: alive.vsn };

describe("message codec", () => {
  test("every message comes back as it was, and its length is known without encoding", () => {
    fc.assert(
      fc.property(packetMessage, (message) => {
        const bytes = encodeMessage(message);
        assert.deepEqual(decodePacketMessage(bytes), message);
        assert.equal(encodedLength(message), bytes.length);
      }),
      { numRuns: 1_000 },
    );
  });

  test("a message is a type byte and one map with its keys in ascending order", () => {
    fc.assert(
      fc.property(packetMessage, (message) => {
        if (message.kind === "user") return;
        const bytes = encodeMessage(message);
        const { value, end } = decodeValue(bytes, 1);
        assert.ok(value instanceof Map);
        assert.equal(end, bytes.length);
        const keys = [...value.keys()];
        assert.deepEqual(keys, [...keys].sort());
      }),
    );
  });

  test("every proper beginning of a map is truncated", () => {
    fc.assert(
      fc.property(packetMessage, (message) => {
        const bytes = encodeMessage(message);
        assert.equal(
          faultCode(() => decodePacketMessage(bytes, 0, 0)),
          "emptyMessage",
        );
        if (message.kind === "user") return;
        for (let length = 1; length < bytes.length; length++) {
          assert.equal(
            faultCode(() => decodePacketMessage(bytes, 0, length)),
            "truncated",
          );
        }
      }),
      { numRuns: 40 },
    );
  });

  test("nil and empty are kept apart and spelled again", () => {
    for (const empty of [null, new Uint8Array(0)]) {
      const message: Alive = { ...alive, meta: empty, vsn: empty };
      assert.deepEqual(decodePacketMessage(encodeMessage(message)), message);
    }
  });

  test("optional fields are left out when they say nothing, and nothing is made of what says nothing", () => {
    const bare: PacketMessage = { kind: "ping", seqNo: 1, node: "a" };
    const spelled = { ...bare, sourceAddr: new Uint8Array(0), sourceNode: "", sourcePort: 0 };
    assert.equal(hex(encodeMessage(spelled)), hex(encodeMessage(bare)));
    assert.equal(encodedLength(spelled), encodedLength(bare));
    const said = foreign(0, { Node: "a", SeqNo: 1, SourceAddr: null, SourceNode: "", SourcePort: 0 });
    assert.deepEqual(decodePacketMessage(said), bare);
  });

  test("foreign spellings are understood: str and bin, any order, unknown keys, missing keys, trailing bytes", () => {
    const { Addr, Incarnation, Meta, Node, Port, Vsn } = aliveBody;
    const unknown = { Zzz: [1, { a: 2.5 }, "x"], Aaa: null };
    const said = foreign(4, { Vsn, ...unknown, Port, Node, Meta, Incarnation, Addr });
    assert.deepEqual(decodePacketMessage(said), alive);
    assert.deepEqual(decodePacketMessage(new Uint8Array([...said, 1, 2, 3])), alive);
    assert.deepEqual(decodePacketMessage(foreign(11, {})), { kind: "nack", seqNo: 0 });
    assert.deepEqual(decodePacketMessage(foreign(11, { seqno: 5 })), { kind: "nack", seqNo: 0 });
    assert.deepEqual(decodePacketMessage(foreign(2, { SeqNo: 1 })), { kind: "ack", seqNo: 1, payload: null });
    assert.deepEqual(decodePacketMessage(foreign(0, { Node: null, SeqNo: 1 })), { kind: "ping", seqNo: 1, node: "" });
    assert.deepEqual(decodePacketMessage(Uint8Array.from([11, 0x81, 0xc0, 0x07])), { kind: "nack", seqNo: 0 });
  });

  test("of a key said twice the last counts", () => {
    const key = [0xa5, ...Buffer.from("SeqNo")];
    assert.deepEqual(decodePacketMessage(Uint8Array.from([11, 0x82, ...key, 1, ...key, 2])), {
      kind: "nack",
      seqNo: 2,
    });
  });

  test("types that do not belong in a packet are unknown", () => {
    for (const type of [6, 7, 9, 10, 12, 13, 14, 99, 244, 255]) {
      assert.equal(
        faultCode(() => decodePacketMessage(foreign(type, {}))),
        "unknownType",
        `${type}`,
      );
    }
  });

  test("values of the wrong type or beyond their range are malformed", () => {
    const wrong: Record<string, unknown>[] = [
      { ...aliveBody, Incarnation: 1.5 },
      { ...aliveBody, Incarnation: -1 },
      { ...aliveBody, Incarnation: 2 ** 32 },
      { ...aliveBody, Incarnation: "1" },
      { ...aliveBody, Port: 65_536 },
      { ...aliveBody, Node: 7 },
      { ...aliveBody, Addr: [127, 0, 0, 1] },
    ];
    for (const body of wrong) {
      assert.equal(
        faultCode(() => decodePacketMessage(foreign(4, body))),
        "malformed",
        JSON.stringify(body),
      );
    }
    assert.equal(
      faultCode(() => decodePacketMessage(Uint8Array.of(4, 0x93, 1, 2, 3))),
      "malformed",
    );
  });

  test("members that cannot exist are invalid", () => {
    const name = "n".repeat(NAME_BYTES_MAX);
    const wrong: Record<string, unknown>[] = [
      { ...aliveBody, Node: "" },
      { ...aliveBody, Node: null },
      { ...aliveBody, Node: `${name}n` },
      { ...aliveBody, Node: "\u00fc".repeat(NAME_BYTES_MAX / 2 + 1) },
      { ...aliveBody, Node: Uint8Array.of(0x61, 0xff) },
      { ...aliveBody, Addr: new Uint8Array(0) },
      { ...aliveBody, Addr: null },
      { ...aliveBody, Addr: new Uint8Array(5) },
      { ...aliveBody, Addr: new Uint8Array(17) },
      { ...aliveBody, Addr: new Uint8Array(2_000) },
      { ...aliveBody, Port: 0 },
      { ...aliveBody, Vsn: new Uint8Array(5) },
      { ...aliveBody, Vsn: new Uint8Array(7) },
      { ...aliveBody, Meta: new Uint8Array(META_BYTES_MAX + 1) },
      { Addr: alive.addr, Port: 1 },
    ];
    for (const body of wrong) {
      assert.equal(
        faultCode(() => decodePacketMessage(foreign(4, body))),
        "invalidMember",
        JSON.stringify(body),
      );
    }
    const right: Record<string, unknown>[] = [
      { ...aliveBody, Node: name },
      { ...aliveBody, Meta: new Uint8Array(META_BYTES_MAX) },
      { ...aliveBody, Meta: null, Vsn: null },
      { ...aliveBody, Addr: new Uint8Array(16) },
    ];
    for (const body of right) decodePacketMessage(foreign(4, body));
    for (const type of [3, 5]) {
      for (const body of [{ Node: "a" }, { From: "a" }, { Node: "", From: "a" }]) {
        assert.equal(
          faultCode(() => decodePacketMessage(foreign(type, body))),
          "invalidMember",
        );
      }
    }
    const relayed = { Node: "a", Port: 1, SeqNo: 1, Target: new Uint8Array(4) };
    for (const body of [
      { ...relayed, Target: new Uint8Array(3) },
      { ...relayed, Port: 0 },
      { ...relayed, Node: "" },
    ]) {
      assert.equal(
        faultCode(() => decodePacketMessage(foreign(1, body))),
        "invalidMember",
      );
    }
    assert.equal(
      faultCode(() => decodePacketMessage(foreign(0, { SourceAddr: new Uint8Array(3) }))),
      "invalidMember",
    );
  });

  test("a map with far too many keys is refused", () => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 0]));
    assert.equal(
      faultCode(() => decodePacketMessage(foreign(11, many))),
      "oversize",
    );
  });

  test("what a member table keeps does not hold the datagram", () => {
    const datagram = new Uint8Array(1_400);
    const bytes = encodeMessage({ ...alive, vsn: new Uint8Array(0), meta: new Uint8Array(META_BYTES_MAX) });
    datagram.set(bytes);
    const { addr, meta, vsn } = decodePacketMessage(datagram, 0, bytes.length) as Alive;
    for (const kept of [addr, meta, vsn]) assert.notEqual(kept?.buffer, datagram.buffer);
    datagram.fill(0xee);
    assert.equal(hex(addr), "7f000001");
  });

  test("a Buffer is decoded into plain byte strings", () => {
    const message = decodePacketMessage(Buffer.from(encodeMessage({ ...alive, kind: "alive" }))) as Alive;
    const ack = decodePacketMessage(Buffer.from(encodeMessage({ kind: "ack", seqNo: 1, payload: message.addr })));
    const user = decodePacketMessage(Buffer.from(encodeMessage({ kind: "user", payload: message.addr })));
    assert.ok(ack.kind === "ack" && user.kind === "user");
    for (const part of [message.addr, ack.payload, user.payload]) {
      assert.equal(Object.getPrototypeOf(part), Uint8Array.prototype);
    }
  });

  test("text that is not ours never ends up in a fault's words", () => {
    const secret = "hunter2hunter2";
    for (const body of [
      { ...aliveBody, Node: secret.repeat(30) },
      { ...aliveBody, Meta: 5, [secret]: secret },
    ]) {
      assert.throws(
        () => decodePacketMessage(foreign(4, body)),
        (error) => !String(error).includes("hunter2"),
      );
    }
  });
});
