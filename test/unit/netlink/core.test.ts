import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errnoName, isErrno, KernelFault } from "../../../src/base/errno.ts";
import { Fault, type FaultCode } from "../../../src/base/fault.ts";
import { decodeAcknowledgement } from "../../../src/netlink/acknowledgement.ts";
import {
  attribute,
  be16Attribute,
  be16In,
  listAttributes,
  nested,
  nestedIn,
  parseAttributes,
  textAttribute,
  textIn,
  u8Attribute,
  u16Attribute,
  u16In,
  u32Attribute,
  u32In,
} from "../../../src/netlink/attributes.ts";
import { Conversation } from "../../../src/netlink/conversation.ts";
import {
  aligned,
  decodeMessages,
  type Envelope,
  encodeRequests,
  type Message,
  NLM,
  NLMSG,
  type Request,
} from "../../../src/netlink/message.ts";
import type { NetlinkSocket } from "../../../src/port/netlink.ts";
import { concatBytes, noBytes } from "../../../src/wire/bytes.ts";

const isFault =
  (code: FaultCode) =>
  (error: unknown): boolean =>
    error instanceof Fault && error.code === code;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const plain = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

test("requests stand behind each other, filled up, numbered in order", () => {
  const bytes = encodeRequests(
    [
      { type: 0x10, flags: 0x604, body: plain("aabbcc") },
      { type: 0x11, flags: 0, body: noBytes },
    ],
    0x01020304,
    0x11223344,
  );
  assert.equal(
    hex(bytes),
    ["13000000 1000 0506 04030201 44332211 aabbcc00", "10000000 1100 0100 05030201 44332211"]
      .join("")
      .replaceAll(" ", ""),
  );
});

test("what was encoded is decoded, whatever it is", () => {
  const request = fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    body: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(request), fc.nat(0xffff), fc.nat(0xffff_ffff), (requests, first, portId) => {
      const decoded = decodeMessages(encodeRequests(requests, first, portId));
      assert.deepEqual(
        decoded.map(({ body, ...rest }) => ({ ...rest, body: hex(body) })),
        requests.map(({ type, flags, body }, index) => ({
          type,
          flags: flags | NLM.request,
          sequence: first + index,
          portId,
          body: hex(body),
        })),
      );
    }),
  );
});

test("a datagram that lies about its lengths is refused whole", () => {
  const good = encodeRequests([{ type: 1, flags: 0, body: plain("01020304") }], 1, 2);
  for (let end = 1; end < good.length; end++) {
    assert.throws(() => decodeMessages(good.subarray(0, end)), isFault("truncated"), `${end} bytes`);
  }
  const short = good.slice();
  short[0] = 15;
  assert.throws(() => decodeMessages(short), isFault("malformed"));
  const long = good.slice();
  long.fill(0xff, 0, 4);
  assert.throws(() => decodeMessages(long), isFault("truncated"));
  assert.deepEqual(decodeMessages(noBytes), []);
});

test("attributes: values, filling, byte order, nesting", () => {
  assert.equal(hex(attribute(5, plain("aabbcc"))), "07000500aabbcc00");
  assert.equal(hex(u8Attribute(1, 0xfe)), "05000100fe000000");
  assert.equal(hex(u16Attribute(1, 0xfe01)), "0600010001fe0000");
  assert.equal(hex(be16Attribute(1, 4789)), "0600010012b50000");
  assert.equal(hex(u32Attribute(1, 0xfedcba98)), "0800010098badcfe");
  assert.equal(hex(textAttribute(3, "eth0")), "09000300657468300000" + "0000");
  const tree = nested(18, textAttribute(1, "vxlan"), nested(2, u32Attribute(1, 7)));
  assert.equal(tree[3]! & 0x80, 0x80);
  const inner = nestedIn(parseAttributes(tree).get(18));
  assert.equal(textIn(inner.get(1)), "vxlan");
  assert.equal(u32In(nestedIn(inner.get(2)).get(1)), 7);
  assert.equal(be16In(parseAttributes(be16Attribute(1, 4789)).get(1)), 4789);
});

test("numbers that do not fit, and names with zero bytes, are refused before they are sent", () => {
  for (const make of [
    () => u8Attribute(1, 256),
    () => u16Attribute(1, -1),
    () => be16Attribute(1, 65_536),
    () => u32Attribute(1, 2 ** 32),
    () => u32Attribute(1, 1.5),
    () => textAttribute(1, "a\0b"),
  ]) {
    assert.throws(make, isFault("invalid"));
  }
  assert.equal(attribute(1, new Uint8Array(65_531)).length, 65_536);
  assert.throws(() => attribute(1, new Uint8Array(65_532)), isFault("oversize"));
});

test("lists of attributes survive, in their order; cut ones are refused", () => {
  const entry = fc.tuple(fc.nat(0x3fff), fc.uint8Array({ maxLength: 20 }));
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const bytes = concatBytes(...entries.map(([type, value]) => attribute(type, value)));
      assert.deepEqual(
        listAttributes(bytes).map(([type, value]) => [type, hex(value)]),
        entries.map(([type, value]) => [type, hex(value)]),
      );
    }),
  );
  const bytes = attribute(1, plain("01020304"));
  for (let end = 1; end < bytes.length; end++) {
    assert.throws(() => listAttributes(bytes.subarray(0, end)), isFault("truncated"));
  }
  assert.throws(() => listAttributes(plain("03000100")), isFault("malformed"));
});

test("readers pass over what is missing and refuse what is too short", () => {
  assert.equal(u32In(undefined), undefined);
  assert.equal(textIn(undefined), undefined);
  assert.equal(nestedIn(undefined).size, 0);
  assert.throws(() => u32In(plain("010203")), isFault("truncated"));
  assert.throws(() => u16In(plain("01")), isFault("truncated"));
});

test("an interface's name of any bytes is readable", () => {
  assert.equal(textIn(plain("61ff6200")), "a\\xffb");
  assert.equal(textIn(plain("c3a900")), "é");
  assert.equal(textIn(plain("6574683000000000")), "eth0");
});

/** What the kernel would answer to a request. */
function refused(errno: number, flags: number, rest: Uint8Array): Message {
  const body = new Uint8Array(4);
  new DataView(body.buffer).setInt32(0, -errno, true);
  return { type: NLMSG.error, flags, body: concatBytes(body, rest) };
}
const requestHeader = plain("14000000 1000 0500 07000000 00000000");
const words = concatBytes(textAttribute(1, "no such thing"), u32Attribute(2, 36));

test("acknowledgements: with and without the request in them, with and without words", () => {
  assert.deepEqual(decodeAcknowledgement(refused(0, NLM.capped, requestHeader)), { errno: 0, text: "" });
  assert.deepEqual(decodeAcknowledgement(refused(17, 0, concatBytes(requestHeader, plain("aabbccdd")))), {
    errno: 17,
    text: "",
  });
  const spoken = { errno: 22, text: "no such thing, at byte 36" };
  const flags = NLM.ackAttributes;
  assert.deepEqual(decodeAcknowledgement(refused(22, flags | NLM.capped, concatBytes(requestHeader, words))), spoken);
  const whole = concatBytes(requestHeader, plain("aabbccdd"), words);
  assert.deepEqual(decodeAcknowledgement(refused(22, flags, whole)), spoken);
  const done: Message = { type: NLMSG.done, flags: flags, body: concatBytes(plain("eaffffff"), words) };
  assert.deepEqual(decodeAcknowledgement(done), spoken);
  assert.deepEqual(decodeAcknowledgement({ type: NLMSG.done, flags: 0, body: noBytes }), { errno: 0, text: "" });
});

test("acknowledgements that break their format are refused", () => {
  assert.throws(
    () => decodeAcknowledgement({ type: NLMSG.error, flags: 0, body: plain("0000") }),
    isFault("truncated"),
  );
  assert.throws(() => decodeAcknowledgement(refused(22, NLM.ackAttributes, plain("1400"))), isFault("truncated"));
  const lying = concatBytes(plain("ffffff7f"), requestHeader.subarray(4));
  assert.throws(() => decodeAcknowledgement(refused(22, NLM.ackAttributes, lying)), isFault("truncated"));
  assert.throws(() => decodeAcknowledgement(refused(5000, 0, requestHeader)), isFault("malformed"));
});

test("refusals have names, codes and the kernel's words", () => {
  assert.deepEqual([1, 2, 11, 17, 95, 105, 110, 133, 524, 999].map(errnoName), [
    "EPERM",
    "ENOENT",
    "EAGAIN",
    "EEXIST",
    "EOPNOTSUPP",
    "ENOBUFS",
    "ETIMEDOUT",
    "EHWPOISON",
    "ENOTSUPP",
    "E999",
  ]);
  const fault = new KernelFault(17, "cannot do it", "because");
  assert.equal(fault.message, "cannot do it: EEXIST (because)");
  assert.equal(fault.code, "conflict");
  assert.ok(isErrno(fault, "ENOENT", "EEXIST"));
  assert.ok(!isErrno(fault, "ENOENT"));
  assert.ok(!isErrno(new Fault("conflict", "EEXIST"), "EEXIST"));
});

const PORT = 4711;

/**
 * A socket whose kernel says what the test wants it to: for what no kernel does when it is asked to. `answer` gets the
 * requests of one datagram and returns datagrams.
 */
function socketOf(answer: (requests: readonly Envelope[], sends: number) => Uint8Array[]): NetlinkSocket {
  const inbox: Uint8Array[] = [];
  let sends = 0;
  return {
    portId: PORT,
    send: (bytes) => void inbox.push(...answer(decodeMessages(bytes.slice()), sends++)),
    receive: () => inbox.shift(),
    close: () => undefined,
  };
}

function say(sequence: number, type: number, body: Uint8Array, flags = 0, portId = PORT): Uint8Array {
  const bytes = new Uint8Array(aligned(16 + body.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + body.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, portId, true);
  bytes.set(body, 16);
  return bytes;
}

const acknowledge = (sequence: number, errno = 0): Uint8Array =>
  say(sequence, NLMSG.error, refused(errno, 0, requestHeader).body, NLM.capped);
const row = (sequence: number, value: number, flags = 0): Uint8Array =>
  say(sequence, 0x10, Uint8Array.of(value), flags);
const done = (sequence: number, errno = 0): Uint8Array => say(sequence, NLMSG.done, refused(errno, 0, noBytes).body);

const question: Request = { type: 0x12, flags: 0, body: noBytes };
const dump: Request = { type: 0x12, flags: NLM.dump, body: noBytes };
const values = (messages: readonly Message[]): number[] => messages.map(({ body }) => body[0]!);

test("answers of earlier questions, and of others, are passed over", () => {
  const door = new Conversation(
    socketOf(([request]) => [
      acknowledge(request!.sequence - 1, 17),
      say(request!.sequence, 0x10, Uint8Array.of(1), 0, PORT + 1),
      say(0, 0x10, Uint8Array.of(2)),
      concatBytes(row(request!.sequence, 3), row(request!.sequence, 4)),
      acknowledge(request!.sequence),
      row(request!.sequence, 5),
    ]),
  );
  assert.deepEqual(values(door.ask(question)), [3, 4]);
  assert.deepEqual(values(door.ask(question)), [3, 4]);
});

test("a torn dump is asked for again, until it is whole", () => {
  let asked = 0;
  const door = new Conversation(
    socketOf(([request], sends) => {
      asked++;
      const torn = sends < 3 ? NLM.dumpInterrupted : 0;
      return [row(request!.sequence, sends), row(request!.sequence, 100, torn), done(request!.sequence)];
    }),
  );
  assert.deepEqual(values(door.ask(dump)), [3, 100]);
  assert.equal(asked, 4);
});

test("a dump that is torn for ever is given up, and says so", () => {
  let asked = 0;
  const door = new Conversation(
    socketOf(([request]) => {
      asked++;
      return asked % 2 === 0
        ? [done(request!.sequence, 4)]
        : [say(request!.sequence, NLMSG.done, refused(0, 0, noBytes).body, NLM.dumpInterrupted)];
    }),
  );
  assert.throws(() => door.ask(dump), isFault("unavailable"));
  assert.equal(asked, 8);
});

test("a dump that ends with a refusal is no dump", () => {
  const door = new Conversation(socketOf(([request]) => [row(request!.sequence, 1), done(request!.sequence, 22)]));
  assert.throws(() => door.ask(dump), { errno: "EINVAL" });
});

test("silence is a fault, not a wait", () => {
  const door = new Conversation(socketOf(([request]) => [row(request!.sequence, 1)]));
  assert.throws(() => door.ask(question), isFault("unavailable"));
  assert.throws(() => door.ask(dump), isFault("unavailable"));
});

test("nonsense in an answer ends that exchange alone", () => {
  const door = new Conversation(
    socketOf(([request], sends) =>
      sends === 0
        ? [plain("0f000000"), row(request!.sequence, 1)]
        : [row(request!.sequence, 2), acknowledge(request!.sequence)],
    ),
  );
  assert.throws(() => door.ask(question), isFault("truncated"));
  assert.deepEqual(values(door.ask(question)), [2]);
});

test("many changes go in few datagrams, the last of each acknowledged, each with its own outcome", () => {
  const datagrams: number[] = [];
  const door = new Conversation(
    socketOf((requests) => {
      datagrams.push(requests.length);
      assert.deepEqual(
        requests.map(({ flags }) => (flags & NLM.ack) !== 0),
        requests.map((_, index) => index === requests.length - 1),
      );
      return requests.flatMap(({ sequence, body, flags }) =>
        body[0] === 1 || (flags & NLM.ack) !== 0 ? [acknowledge(sequence, body[0] === 1 ? 17 : 0)] : [],
      );
    }),
  );
  const requests = Array.from({ length: 1000 }, (_, number) => ({
    type: 0x10,
    flags: NLM.ack,
    body: Uint8Array.of(number % 7 === 0 ? 1 : 0),
  }));
  const outcomes = door.changeAll(requests);
  assert.deepEqual(
    outcomes.map((outcome) => outcome?.errno),
    requests.map((_, number) => (number % 7 === 0 ? "EEXIST" : undefined)),
  );
  assert.deepEqual(datagrams, [256, 256, 256, 232]);
  datagrams.length = 0;
  door.changeAll(Array.from({ length: 5 }, () => ({ type: 0x10, flags: 0, body: new Uint8Array(20_000) })));
  assert.deepEqual(datagrams, [1, 1, 1, 1, 1]);
});

test("a transaction is one datagram, and is only done when all that asked for it are acknowledged", () => {
  const orders: Request[] = [question, { ...question, flags: NLM.ack }, question];
  const answering = (answers: (first: number) => Uint8Array[]): Conversation =>
    new Conversation(socketOf((requests) => (requests.length === 3 ? answers(requests[0]!.sequence) : [])));
  assert.deepEqual(values(answering((first) => [acknowledge(first + 1), row(first, 9)]).transact(orders)), [9]);
  assert.throws(() => answering(() => []).transact(orders), isFault("unavailable"));
  const late = answering((first) => [acknowledge(first + 1), acknowledge(first + 2, 17)]);
  assert.throws(() => late.transact(orders), { errno: "EEXIST" });
});

test("what was sent is wiped: associations have their keys in it", () => {
  let sent: Uint8Array | undefined;
  const socket = socketOf(() => []);
  const send = (bytes: Uint8Array): void => {
    sent = bytes;
  };
  const door = new Conversation({ ...socket, send });
  assert.throws(() => door.ask({ type: 1, flags: 0, body: plain("aabbccdd") }));
  assert.equal(sent!.length, 20);
  assert.ok(sent!.every((byte) => byte === 0));
});
