/** What the kernel says: datagrams, attributes, acknowledgements, and the rows of rtnetlink. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { decodeAcknowledgement } from "../../src/netlink/acknowledgement.ts";
import { attribute, listAttributes } from "../../src/netlink/attributes.ts";
import { decodeMessages, HEADER_BYTES, type Message, NLMSG } from "../../src/netlink/message.ts";
import { decodeRouteEvent } from "../../src/netlink/route-events.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { assertSame } from "./support.ts";
import { type Target, target } from "./target.ts";

interface Recorded {
  readonly requests: readonly { readonly bytes: string }[];
  readonly answers: readonly { readonly datagrams: readonly string[] }[];
}

/** Requests of iproute2 read like reports of the kernel: both are rows. */
function datagrams(): Uint8Array[] {
  const file = new URL("../../test/vectors/rtnetlink-vectors.json", import.meta.url);
  const { requests, answers } = JSON.parse(readFileSync(file, "utf8")) as Recorded;
  const texts = [...requests.map(({ bytes }) => bytes), ...answers.flatMap((answer) => answer.datagrams)];
  return texts.map((text) => Uint8Array.from(Buffer.from(text, "hex")));
}

const messages = (): Message[] => datagrams().flatMap(decodeMessages);
const isAcknowledgement = ({ type }: Message): boolean => type === NLMSG.error || type === NLMSG.done;

/** A message as bytes: type, flags, body. */
function spelled({ type, flags, body }: Message): Uint8Array {
  return concatBytes(Uint8Array.of(type, type >> 8, flags, flags >> 8), body);
}

function read(input: Uint8Array): Message {
  const [type = 0, typeHigh = 0, flags = 0, flagsHigh = 0] = input;
  return { type: type | (typeHigh << 8), flags: flags | (flagsHigh << 8), body: input.subarray(4) };
}

export const netlinkTargets: readonly Target[] = [
  target({
    name: "netlink-datagram",
    about: "a datagram of the kernel: messages behind each other",
    seeds: datagrams,
    decode: decodeMessages,
    check(decoded, input) {
      const bytes = decoded.reduce((sum, { body }) => sum + HEADER_BYTES + body.length, 0);
      assert.ok(bytes <= input.length, "messages hold more than came");
    },
  }),
  target({
    name: "netlink-attributes",
    about: "a list of netlink's attributes",
    seeds: () => messages().map(({ body }) => body.subarray(12)),
    decode: listAttributes,
    check(list) {
      const again = concatBytes(...list.map(([type, value]) => attribute(type, value)));
      assertSame(listAttributes(again), list);
    },
  }),
  target({
    name: "netlink-acknowledgement",
    about: "a yes or no of the kernel: type, flags, body",
    seeds: () => messages().filter(isAcknowledgement).map(spelled),
    decode: (input) => decodeAcknowledgement(read(input)),
    check({ errno, text }) {
      assert.ok(errno >= 0 && errno <= 4095, `errno ${errno}`);
      assert.ok(text.length < 400, "words without end");
    },
  }),
  target({
    name: "rtnetlink-report",
    about: "a row of rtnetlink: type, flags, body",
    seeds: () => messages().map(spelled),
    decode: (input) => decodeRouteEvent(read(input)),
  }),
];
