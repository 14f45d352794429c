/**
 * Sets, maps and their elements: the verbs as requests, and what the kernel answers as values.
 *
 * As in nft-objects.ts, changes have to go into a batch, and each list verb is answered with one message for each thing
 * (a large set's elements come in several). Source: net/netfilter/nf_tables_api.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { noBytes } from "../wire/bytes.ts";
import { attribute, listAttributes, nested, parseAttributes } from "./attributes.ts";
import { type Message, NLM, type Request } from "./message.ts";
import {
  type Attributes,
  bigIn,
  decodeAs,
  dumpRequest,
  inside,
  nameAttribute,
  nameIn,
  needed,
  nftRequest,
  numberAttribute,
  numberIn,
  numberOr,
  userdataAttribute,
} from "./nft-fields.ts";
import { setUserdata } from "./nft-set-types.ts";
import type { Element, Set as NftSet, SetState, SetType, Table } from "./nft-values.ts";

const SET_INTERVAL = 4;
const SET_MAP = 8;
const ELEMENT_RANGE_END = 1;

/** Add a set or map, or do nothing if it is there. `id` tells it from others of the same batch. */
export function addSet({ table, name, key, data }: NftSet, id: number): Request {
  return nftRequest(
    "newSet",
    NLM.create,
    table.family,
    nameAttribute(1, table.name),
    nameAttribute(2, name),
    numberAttribute(3, data === undefined ? 0 : SET_MAP),
    numberAttribute(4, typeNumber(key)),
    numberAttribute(5, key.bytes),
    ...(data === undefined ? [] : [numberAttribute(6, typeNumber(data)), numberAttribute(7, data.bytes)]),
    numberAttribute(10, id),
    ...userdataAttribute(13, setUserdata(key, data)),
  );
}

/** nft packs the types of a concatenation into one number, 6 bits each. */
function typeNumber({ parts }: SetType): number {
  return parts.reduce((number, part) => number * 64 + part, 0);
}

/** `EBUSY` while a rule uses it. */
export function deleteSet({ table, name }: Pick<NftSet, "table" | "name">): Request {
  return nftRequest("deleteSet", 0, table.family, nameAttribute(1, table.name), nameAttribute(2, name));
}

export function listSets(table: Table): Request {
  return dumpRequest("getSet", table.family, nameAttribute(1, table.name));
}

export function decodeSet(message: Pick<Message, "type" | "body">): SetState | undefined {
  return decodeAs(message, ["newSet", "deleteSet"], (table, attributes) => ({
    table,
    name: nameIn(attributes, 2, "a set's name"),
    handle: bigIn(attributes, 16, "a set's handle"),
    keyBytes: numberIn(attributes, 5, "a key's length"),
    dataBytes: numberOr(attributes, 7, 0),
    interval: (numberOr(attributes, 3, 0) & SET_INTERVAL) !== 0,
    userdata: attributes.get(13) ?? noBytes,
  }));
}

/** One request holds as many elements of the longest kind as one attribute can: 65 535 bytes. */
export const ELEMENTS_MAX = 400;

/** Elements that are there stay; in a map, one with other data makes it fail (`EEXIST`). At most `ELEMENTS_MAX`. */
export function addElements(set: Pick<NftSet, "table" | "name">, elements: readonly Element[]): Request {
  return nftRequest("newElements", NLM.create, set.table.family, ...elementAttributes(set, elements));
}

/** `ENOENT` if one is not there. At most `ELEMENTS_MAX`. */
export function deleteElements(set: Pick<NftSet, "table" | "name">, elements: readonly Element[]): Request {
  return nftRequest("deleteElements", 0, set.table.family, ...elementAttributes(set, elements));
}

/** Empty a set. */
export function flushElements({ table, name }: Pick<NftSet, "table" | "name">): Request {
  return nftRequest("deleteElements", 0, table.family, nameAttribute(1, table.name), nameAttribute(2, name));
}

export function listElements({ table, name }: Pick<NftSet, "table" | "name">): Request {
  return dumpRequest("getElements", table.family, nameAttribute(1, table.name), nameAttribute(2, name));
}

function elementAttributes({ table, name }: Pick<NftSet, "table" | "name">, elements: readonly Element[]) {
  if (elements.length === 0 || elements.length > ELEMENTS_MAX) {
    throw new Fault("invalid", `${elements.length} elements in one request, not 1 to ${ELEMENTS_MAX}`);
  }
  const list = elements.map(({ key, data }, at) => {
    const parts = [nested(1, attribute(1, key)), ...(data === undefined ? [] : [nested(2, attribute(1, data))])];
    return nested(at + 1, ...parts);
  });
  return [nameAttribute(1, table.name), nameAttribute(2, name), nested(3, ...list)];
}

/** Some of a set's elements: a large set comes in several messages. Ends of ranges are left out. */
export function decodeElements(
  message: Pick<Message, "type" | "body">,
): { readonly table: Table; readonly set: string; readonly elements: readonly Element[] } | undefined {
  return decodeAs(message, ["newElements", "deleteElements"], (table, attributes) => ({
    table,
    set: nameIn(attributes, 2, "a set's name"),
    elements: listAttributes(attributes.get(3) ?? noBytes)
      .map(([, element]) => parseAttributes(element))
      .filter((element) => (numberOr(element, 3, 0) & ELEMENT_RANGE_END) === 0)
      .map(elementIn),
  }));
}

function elementIn(attributes: Attributes): Element {
  const key = Uint8Array.from(needed(inside(attributes, 1, "an element"), 1, "an element's key"));
  const data = attributes.has(2) ? inside(attributes, 2, "an element's data").get(1) : undefined;
  return data === undefined ? { key } : { key, data: Uint8Array.from(data) };
}
