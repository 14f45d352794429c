/**
 * Attributes of nf_tables: numbers in network byte order, names that end with a zero, and the message's own head.
 * Source: include/uapi/linux/netfilter/nfnetlink.h of Linux.
 */
import { Fault } from "../base/fault.ts";
import { concatBytes } from "../wire/bytes.ts";
import { readUtf8, utf8Bytes } from "../wire/utf8.ts";
import { attribute, parseAttributes } from "./attributes.ts";
import { type Message, NLM, type Request } from "./message.ts";
import type { Table, TableFamily } from "./nft-values.ts";

export type Attributes = ReadonlyMap<number, Uint8Array>;

/** NFNL_SUBSYS_NFTABLES, the upper byte of a message's type. */
const SUBSYSTEM = 10;
/** `nfgenmsg`: family, version 0, resource id. */
const HEAD_BYTES = 4;
const NAME_BYTES_MAX = 255;

const families: Readonly<Record<TableFamily, number>> = { inet: 1, ip: 2, bridge: 7, ip6: 10 };
const familyNames = new Map(Object.entries(families).map(([name, value]) => [value, name as TableFamily]));

/** Numbers of the messages (NFT_MSG_*). */
export const nftMessages = {
  ...{ newTable: 0, getTable: 1, deleteTable: 2, newChain: 3, getChain: 4, deleteChain: 5 },
  ...{ newRule: 6, getRule: 7, deleteRule: 8, newSet: 9, getSet: 10, deleteSet: 11 },
  ...{ newElements: 12, getElements: 13, deleteElements: 14, newGeneration: 15, getGeneration: 16 },
} as const;
export type NftMessage = keyof typeof nftMessages;

const messageNames = new Map(Object.entries(nftMessages).map(([name, value]) => [value, name as NftMessage]));

/** One message for the packet filter. Those that change something only work within a batch (nft-batch.ts). */
export function nftRequest(
  message: NftMessage,
  flags: number,
  family: TableFamily | "any",
  ...attributes: Uint8Array[]
): Request {
  const head = Uint8Array.of(family === "any" ? 0 : families[family], 0, 0, 0);
  return { type: (SUBSYSTEM << 8) | nftMessages[message], flags, body: concatBytes(head, ...attributes) };
}

export function dumpRequest(message: NftMessage, family: TableFamily | "any", ...attributes: Uint8Array[]): Request {
  return nftRequest(message, NLM.dump, family, ...attributes);
}

/** What an answer or report is, whose family, and its attributes; `undefined` for other subsystems and families. */
export function openNft(
  message: Pick<Message, "type" | "body">,
):
  | { readonly what: NftMessage; readonly family: TableFamily | undefined; readonly attributes: Attributes }
  | undefined {
  const what = message.type >> 8 === SUBSYSTEM ? messageNames.get(message.type & 0xff) : undefined;
  if (what === undefined) return undefined;
  if (message.body.length < HEAD_BYTES) throw new Fault("truncated", "an nf_tables message without its head");
  const family = familyNames.get(message.body[0] ?? 0);
  return { what, family, attributes: parseAttributes(message.body.subarray(HEAD_BYTES)) };
}

export function numberAttribute(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return attribute(type, bytes);
}

export function bigAttribute(type: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return attribute(type, bytes);
}

/** Throws `Fault` (`invalid`) for a name that is empty, too long or holds a zero. */
export function nameAttribute(type: number, name: string): Uint8Array {
  const bytes = utf8Bytes(name);
  if (bytes.length === 0 || bytes.length > NAME_BYTES_MAX || bytes.includes(0)) {
    throw new Fault("invalid", `"${name}" is no name for the packet filter`);
  }
  return attribute(type, concatBytes(bytes, Uint8Array.of(0)));
}

export function numberIn(attributes: Attributes, type: number, what: string): number {
  const bytes = needed(attributes, type, what);
  if (bytes.length !== 4) throw new Fault("malformed", `${what} has ${bytes.length} bytes, not 4`);
  return view(bytes).getUint32(0);
}

/** The same, with the value to assume when there is none. */
export function numberOr(attributes: Attributes, type: number, preset: number): number {
  return attributes.has(type) ? numberIn(attributes, type, `attribute ${type}`) : preset;
}

export function bigIn(attributes: Attributes, type: number, what: string): bigint {
  const bytes = needed(attributes, type, what);
  if (bytes.length !== 8) throw new Fault("malformed", `${what} has ${bytes.length} bytes, not 8`);
  return view(bytes).getBigUint64(0);
}

export function bigOr(attributes: Attributes, type: number, preset: bigint): bigint {
  return attributes.has(type) ? bigIn(attributes, type, `attribute ${type}`) : preset;
}

export function nameIn(attributes: Attributes, type: number, what: string): string {
  const bytes = needed(attributes, type, what);
  const end = bytes.indexOf(0);
  const text = readUtf8(bytes, 0, end < 0 ? bytes.length : end);
  if (text === undefined) throw new Fault("malformed", `${what} is no text`);
  return text;
}

export function needed(attributes: Attributes, type: number, what: string): Uint8Array {
  const bytes = attributes.get(type);
  if (bytes === undefined) throw new Fault("malformed", `${what} is missing`);
  return bytes;
}

/** The attributes inside one. */
export function inside(attributes: Attributes, type: number, what: string): Attributes {
  return parseAttributes(needed(attributes, type, what));
}

export function tableIn(family: TableFamily, attributes: Attributes): Table {
  return { family, name: nameIn(attributes, 1, "the name of a table") };
}

/** The kernel's own (NFT_USERDATA_MAXLEN). */
const USERDATA_BYTES_MAX = 256;

/** `decode` for messages of these kinds about a family that we know; `undefined` for others. */
export function decodeAs<Value>(
  message: Pick<Message, "type" | "body">,
  kinds: readonly string[],
  decode: (table: Table, attributes: Attributes) => Value,
): Value | undefined {
  const open = openNft(message);
  if (open?.family === undefined || !kinds.includes(open.what)) return undefined;
  return decode(tableIn(open.family, open.attributes), open.attributes);
}

export function userdataAttribute(type: number, userdata: Uint8Array): Uint8Array[] {
  if (userdata.length > USERDATA_BYTES_MAX)
    throw new Fault("invalid", `more than ${USERDATA_BYTES_MAX} bytes of userdata`);
  return userdata.length === 0 ? [] : [attribute(type, userdata)];
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
