/**
 * Changes of the packet filter that happen together: packets see all of them or none.
 *
 * A batch is the requests between a begin and an end, in ONE datagram. The kernel answers each that failed, in their
 * order, and then has changed nothing; the others are answered only if they ask for it. Each change of anybody gives
 * the rules another generation, by which a batch can be refused when somebody was faster.
 * Source: net/netfilter/nfnetlink.c of Linux.
 */
import { concatBytes } from "../wire/bytes.ts";
import { type Message, NLM, type Request } from "./message.ts";
import { nameIn, nftRequest, numberAttribute, numberIn, openNft } from "./nft-fields.ts";

const BEGIN = 0x10;
const END = 0x11;
/** `nfgenmsg`: any family, version 0, and in network byte order for which subsystem: nf_tables. */
const HEAD = Uint8Array.of(0, 0, 0, 10);

/**
 * The requests as one datagram. With `generation`, all are refused (`ERESTART`) unless the rules still are of that
 * generation. Only the last is acknowledged: when it is, all have happened.
 */
export function batch(requests: readonly Request[], generation?: number): Request[] {
  const only = generation === undefined ? [] : [numberAttribute(1, generation)];
  return [
    { type: BEGIN, flags: 0, body: concatBytes(HEAD, ...only) },
    ...requests.map((request) => ({ ...request, flags: request.flags | NLM.ack })),
    { type: END, flags: 0, body: HEAD },
  ];
}

/** Which generation of rules is there: answered with one message. */
export function getGeneration(): Request {
  return nftRequest("getGeneration", 0, "any");
}

/** A change of the rules: its number, and who made it. */
export interface Generation {
  readonly number: number;
  /** Of its process; 0 if the kernel did not tell. */
  readonly pid: number;
  /** Of its program, at most 15 letters. */
  readonly program: string;
}

export function decodeGeneration(message: Pick<Message, "type" | "body">): Generation | undefined {
  const open = openNft(message);
  if (open?.what !== "newGeneration") return undefined;
  const { attributes } = open;
  return {
    number: numberIn(attributes, 1, "a generation"),
    pid: attributes.has(2) ? numberIn(attributes, 2, "a process") : 0,
    program: attributes.has(3) ? nameIn(attributes, 3, "a program's name") : "",
  };
}
