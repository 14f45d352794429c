/**
 * Tables, chains and rules: the verbs as requests, and what the kernel answers as values. nft-sets.ts has the sets.
 *
 * Requests that change something have to go into one batch (nft-batch.ts), which happens as a whole or not at all.
 * Each list verb is answered with one message for each thing. Nothing here talks to the kernel.
 * Source: net/netfilter/nf_tables_api.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { concatBytes, noBytes } from "../wire/bytes.ts";
import { readUtf8, utf8Bytes } from "../wire/utf8.ts";
import { nested } from "./attributes.ts";
import { type Message, NLM, type Request } from "./message.ts";
import { decodeExpressions, encodeExpressions } from "./nft-expressions.ts";
import {
  type Attributes,
  bigAttribute,
  bigIn,
  decodeAs,
  dumpRequest,
  inside,
  nameAttribute,
  nameIn,
  nftRequest,
  numberAttribute,
  numberIn,
  numberOr,
  userdataAttribute,
} from "./nft-fields.ts";
import type { Base, Chain, ChainState, Hook, Rule, RuleState, Table, TableState } from "./nft-values.ts";

const TAG_BYTES_MAX = 127;
/** What nft puts a rule's comment under: type 0, length, text, zero. */
const COMMENT = 0;

/** Add a table, or do nothing if it is there. */
export function addTable({ family, name }: Table, userdata = noBytes): Request {
  return nftRequest("newTable", NLM.create, family, nameAttribute(1, name), ...userdataAttribute(6, userdata));
}

/** With all that is in it. `ENOENT` if it is not there; `addTable` before it in the same batch makes that sure. */
export function deleteTable({ family, name }: Table): Request {
  return nftRequest("deleteTable", 0, family, nameAttribute(1, name));
}

export function listTables(): Request {
  return dumpRequest("getTable", "any");
}

/** The table in a message; `undefined` if it is about something else. Throws `Fault` like all decoders here. */
export function decodeTable(message: Pick<Message, "type" | "body">): TableState | undefined {
  return decodeAs(message, ["newTable", "deleteTable"], (table, attributes) => ({
    ...table,
    handle: bigIn(attributes, 4, "a table's handle"),
    userdata: attributes.get(6) ?? noBytes,
  }));
}

const hooks: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];
const DROP = 0;
const ACCEPT = 1;

/** Add a chain, or change the policy of the one that is there. */
export function addChain({ table, name, base }: Chain): Request {
  const names = [nameAttribute(1, table.name), nameAttribute(3, name)];
  return nftRequest(
    "newChain",
    NLM.create,
    table.family,
    ...names,
    ...(base === undefined ? [] : baseAttributes(base)),
  );
}

function baseAttributes({ type, hook, priority, policy }: Base): Uint8Array[] {
  return [
    nameAttribute(7, type),
    numberAttribute(5, policy === "drop" ? DROP : ACCEPT),
    nested(4, numberAttribute(1, hooks.indexOf(hook)), numberAttribute(2, priority)),
  ];
}

/** With its rules; `EBUSY` while a rule elsewhere leads to it. */
export function deleteChain({ table, name }: Pick<Chain, "table" | "name">): Request {
  return nftRequest("deleteChain", 0, table.family, nameAttribute(1, table.name), nameAttribute(3, name));
}

/** The chains of all tables. */
export function listChains(): Request {
  return dumpRequest("getChain", "any");
}

export function decodeChain(message: Pick<Message, "type" | "body">): ChainState | undefined {
  return decodeAs(message, ["newChain", "deleteChain"], (table, attributes) => ({
    table,
    name: nameIn(attributes, 3, "a chain's name"),
    handle: bigIn(attributes, 2, "a chain's handle"),
    base: attributes.has(4) ? baseIn(attributes) : undefined,
  }));
}

function baseIn(attributes: Attributes): Base | undefined {
  const where = inside(attributes, 4, "a hook");
  const hook = hooks[numberIn(where, 1, "a hook's number")];
  const type = nameIn(attributes, 7, "a chain's type");
  if (hook === undefined || (type !== "filter" && type !== "route" && type !== "nat")) return undefined;
  const policy = numberOr(attributes, 5, ACCEPT) === DROP ? "drop" : "accept";
  return { type, hook, priority: numberIn(where, 2, "a priority") | 0, policy };
}

/** Add a rule behind all others of its chain, or before all. */
export function addRule(rule: Rule, place: "last" | "first" = "last"): Request {
  const flags = NLM.create | (place === "last" ? NLM.append : 0);
  return nftRequest("newRule", flags, rule.table.family, ...ruleAttributes(rule));
}

/** Put a rule in the place of the one with this handle. Its counters start anew. */
export function replaceRule(rule: Rule, handle: bigint): Request {
  return nftRequest("newRule", NLM.replace, rule.table.family, ...ruleAttributes(rule, bigAttribute(3, handle)));
}

function ruleAttributes({ table, chain, expressions, tag }: Rule, ...handle: Uint8Array[]): Uint8Array[] {
  return [
    nameAttribute(1, table.name),
    nameAttribute(2, chain),
    ...handle,
    nested(4, encodeExpressions(expressions)),
    ...userdataAttribute(7, tagUserdata(tag)),
  ];
}

export function deleteRule({ table, chain, handle }: Pick<RuleState, "table" | "chain" | "handle">): Request {
  const names = [nameAttribute(1, table.name), nameAttribute(2, chain)];
  return nftRequest("deleteRule", 0, table.family, ...names, bigAttribute(3, handle));
}

/** All rules of a chain, or, without `chain`, of a table. */
export function flushRules(table: Table, chain?: string): Request {
  return nftRequest("deleteRule", 0, table.family, ...chainAttributes(table, chain));
}

/** The rules of one chain or table, in their order, with their counters. */
export function listRules(table: Table, chain?: string): Request {
  return dumpRequest("getRule", table.family, ...chainAttributes(table, chain));
}

function chainAttributes(table: Table, chain: string | undefined): Uint8Array[] {
  return [nameAttribute(1, table.name), ...(chain === undefined ? [] : [nameAttribute(2, chain)])];
}

export function decodeRule(message: Pick<Message, "type" | "body">): RuleState | undefined {
  return decodeAs(message, ["newRule", "deleteRule"], (table, attributes) => ({
    table,
    chain: nameIn(attributes, 2, "a chain's name"),
    handle: bigIn(attributes, 3, "a rule's handle"),
    expressions: decodeExpressions(attributes.get(4) ?? noBytes),
    tag: tagIn(attributes.get(7) ?? noBytes),
  }));
}

function tagUserdata(tag: string): Uint8Array {
  const text = utf8Bytes(tag);
  if (text.length === 0) return noBytes;
  if (text.length > TAG_BYTES_MAX) throw new Fault("invalid", `a rule's tag of more than ${TAG_BYTES_MAX} bytes`);
  return concatBytes(Uint8Array.of(COMMENT, text.length + 1), text, Uint8Array.of(0));
}

/** Userdata are types, lengths and values of one byte, one byte and so many. What is no comment is not ours. */
function tagIn(userdata: Uint8Array): string {
  for (let at = 0; at + 2 <= userdata.length; at += 2 + (userdata[at + 1] ?? 0)) {
    const value = userdata.subarray(at + 2, at + 2 + (userdata[at + 1] ?? 0));
    if (userdata[at] !== COMMENT) continue;
    return readUtf8(value, 0, value.at(-1) === 0 ? value.length - 1 : value.length) ?? "";
  }
  return "";
}
