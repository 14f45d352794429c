/**
 * Expressions of rules as the kernel spells them: each a name and attributes of its own.
 *
 * Decoding keeps what it does not know as `foreign`, so that rules of others can be listed; encoding refuses it.
 * Source: include/uapi/linux/netfilter/nf_tables.h; nft_payload.c, nft_meta.c and their neighbours in Linux.
 */
import { Fault } from "../base/fault.ts";
import { concatBytes, noBytes } from "../wire/bytes.ts";
import { attribute, listAttributes, nested, parseAttributes } from "./attributes.ts";
import {
  type Attributes,
  bigAttribute,
  bigOr,
  inside,
  nameAttribute,
  nameIn,
  needed,
  numberAttribute,
  numberIn,
  numberOr,
} from "./nft-fields.ts";
import type { Expression, MetaKey, Operator, Register, Verdict } from "./nft-values.ts";

/** More expressions than this in one rule are not ours. */
export const EXPRESSIONS_MAX = 128;

const LIST_ELEMENT = 1;
const NAME = 1;
const DATA = 2;
const VERDICT_REGISTER = 0;
const LOOKUP_NOT = 1;

const bases = ["link", "network", "transport"] as const;
const operators: readonly Operator[] = ["==", "!=", "<", "<=", ">", ">="];
const metaKeys: Readonly<Record<MetaKey, number>> = {
  mark: 3,
  inInterface: 6,
  outInterface: 7,
  networkProtocol: 15,
  transportProtocol: 16,
  secpath: 25,
};
const ROUTE_IPSEC = 4;
const ipsecKeys = { requestId: 5, spi: 6 } as const;
const directions = ["in", "out"] as const;
const CONNECTION_STATE = 0;
const verdicts: Readonly<Record<Verdict, number>> = {
  ...{ drop: 0, accept: 1, continue: 0xffff_ffff, jump: 0xffff_fffd, goto: 0xffff_fffc, return: 0xffff_fffb },
};

/** The contents of a list of expressions. Throws `Fault` (`invalid`). */
export function encodeExpressions(expressions: readonly Expression[]): Uint8Array {
  if (expressions.length > EXPRESSIONS_MAX) throw new Fault("invalid", `more than ${EXPRESSIONS_MAX} expressions`);
  return concatBytes(
    ...expressions.map((expression) => {
      const [name, ...attributes] = encode(expression);
      return nested(LIST_ELEMENT, nameAttribute(NAME, name), nested(DATA, ...attributes));
    }),
  );
}

function encode(expression: Expression): [name: string, ...attributes: Uint8Array[]] {
  switch (expression.kind) {
    case "payload":
      return [
        "payload",
        numberAttribute(1, expression.register),
        numberAttribute(2, bases.indexOf(expression.base)),
        numberAttribute(3, expression.offset),
        numberAttribute(4, expression.bytes),
      ];
    case "meta":
      return ["meta", numberAttribute(2, metaKeys[expression.key]), numberAttribute(1, expression.register)];
    case "metaSet":
      return ["meta", numberAttribute(2, metaKeys[expression.key]), numberAttribute(3, expression.register)];
    case "routeIpsec":
      return ["rt", numberAttribute(2, ROUTE_IPSEC), numberAttribute(1, expression.register)];
    case "ipsec":
      return [
        "xfrm",
        numberAttribute(2, ipsecKeys[expression.key]),
        attribute(3, Uint8Array.of(directions.indexOf(expression.direction))),
        numberAttribute(4, expression.level),
        numberAttribute(1, expression.register),
      ];
    case "connectionState":
      return ["ct", numberAttribute(2, CONNECTION_STATE), numberAttribute(1, expression.register)];
    case "compare":
      return [
        "cmp",
        numberAttribute(1, expression.register),
        numberAttribute(2, operators.indexOf(expression.operator)),
        nested(3, attribute(1, expression.value)),
      ];
    case "bitwise":
      return [
        "bitwise",
        numberAttribute(1, expression.source),
        numberAttribute(2, expression.target),
        numberAttribute(6, 0),
        numberAttribute(3, sameLength(expression.mask, expression.xor)),
        nested(4, attribute(1, expression.mask)),
        nested(5, attribute(1, expression.xor)),
      ];
    default:
      return encodeRest(expression);
  }
}

type Rest = Extract<Expression, { kind: "lookup" | "immediate" | "verdict" | "counter" | "masquerade" | "foreign" }>;

function encodeRest(expression: Rest): [name: string, ...attributes: Uint8Array[]] {
  switch (expression.kind) {
    case "lookup":
      return [
        "lookup",
        numberAttribute(2, expression.register),
        ...(expression.target === undefined ? [] : [numberAttribute(3, expression.target)]),
        nameAttribute(1, expression.set),
        ...(expression.not ? [numberAttribute(5, LOOKUP_NOT)] : []),
      ];
    case "immediate":
      return ["immediate", numberAttribute(1, expression.register), nested(2, attribute(1, expression.value))];
    case "verdict":
      return ["immediate", numberAttribute(1, VERDICT_REGISTER), nested(2, verdictAttribute(expression))];
    case "counter":
      return ["counter", bigAttribute(1, expression.bytes), bigAttribute(2, expression.packets)];
    case "masquerade":
      return ["masq"];
    case "foreign":
      throw new Fault("invalid", `an expression "${expression.name}" cannot be written`);
  }
}

function verdictAttribute({ verdict, chain }: Extract<Expression, { kind: "verdict" }>): Uint8Array {
  const leads = verdict === "jump" || verdict === "goto";
  if (leads !== (chain !== undefined)) throw new Fault("invalid", `${verdict} ${leads ? "needs" : "takes no"} chain`);
  return nested(2, numberAttribute(1, verdicts[verdict]), ...(chain === undefined ? [] : [nameAttribute(2, chain)]));
}

function sameLength(mask: Uint8Array, xor: Uint8Array): number {
  if (mask.length !== xor.length) throw new Fault("invalid", "mask and xor differ in length");
  return mask.length;
}

/** Throws `Fault` (`truncated`, `malformed`, `oversize`). */
export function decodeExpressions(list: Uint8Array): Expression[] {
  const elements = listAttributes(list);
  if (elements.length > EXPRESSIONS_MAX) throw new Fault("oversize", `a rule of ${elements.length} expressions`);
  return elements.map(([, element]) => {
    const attributes = parseAttributes(element);
    const name = nameIn(attributes, NAME, "the name of an expression");
    const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
    return decoder?.(parseAttributes(attributes.get(DATA) ?? noBytes)) ?? { kind: "foreign", name };
  });
}

/** `undefined` for uses of an expression that `Expression` has no words for. */
const decoders: Readonly<Record<string, (attributes: Attributes) => Expression | undefined>> = {
  payload(attributes) {
    const base = bases[numberIn(attributes, 2, "a payload's base")];
    if (base === undefined || !attributes.has(1)) return undefined;
    const offset = numberIn(attributes, 3, "a payload's offset");
    return { kind: "payload", base, offset, bytes: numberIn(attributes, 4, "a length"), register: target(attributes) };
  },
  meta(attributes) {
    const number = numberIn(attributes, 2, "a meta key");
    const key = (Object.keys(metaKeys) as MetaKey[]).find((name) => metaKeys[name] === number);
    if (key === undefined) return undefined;
    if (attributes.has(1)) return { kind: "meta", key, register: target(attributes) };
    return key === "mark" ? { kind: "metaSet", key, register: register(attributes, 3) } : undefined;
  },
  rt(attributes) {
    if (numberIn(attributes, 2, "a route key") !== ROUTE_IPSEC) return undefined;
    return { kind: "routeIpsec", register: target(attributes) };
  },
  xfrm(attributes) {
    const number = numberIn(attributes, 2, "an ipsec key");
    const direction = directions[needed(attributes, 3, "a direction")[0] ?? 2];
    const key = (["requestId", "spi"] as const).find((name) => ipsecKeys[name] === number);
    if (key === undefined || direction === undefined) return undefined;
    return { kind: "ipsec", key, direction, level: numberOr(attributes, 4, 0), register: target(attributes) };
  },
  ct(attributes) {
    if (numberIn(attributes, 2, "a connection key") !== CONNECTION_STATE || !attributes.has(1)) return undefined;
    return { kind: "connectionState", register: target(attributes) };
  },
  cmp(attributes) {
    const operator = operators[numberIn(attributes, 2, "an operator")];
    if (operator === undefined) return undefined;
    return { kind: "compare", operator, register: register(attributes, 1), value: valueIn(attributes, 3) };
  },
  bitwise(attributes) {
    if (numberOr(attributes, 6, 0) !== 0) return undefined;
    const mask = valueIn(attributes, 4);
    return {
      kind: "bitwise",
      source: register(attributes, 1),
      target: register(attributes, 2),
      mask,
      xor: valueIn(attributes, 5),
    };
  },
  lookup(attributes) {
    const not = (numberOr(attributes, 5, 0) & LOOKUP_NOT) !== 0;
    const found = { set: nameIn(attributes, 1, "a set's name"), register: register(attributes, 2), not };
    return { kind: "lookup", ...found, ...(attributes.has(3) ? { target: register(attributes, 3) } : {}) };
  },
  immediate(attributes) {
    const into = register(attributes, 1);
    if (into !== VERDICT_REGISTER) return { kind: "immediate", register: into, value: valueIn(attributes, 2) };
    return verdictIn(inside(inside(attributes, 2, "a verdict"), 2, "a verdict"));
  },
  counter(attributes) {
    return { kind: "counter", packets: bigOr(attributes, 2, 0n), bytes: bigOr(attributes, 1, 0n) };
  },
  masq() {
    return { kind: "masquerade" };
  },
};

function verdictIn(attributes: Attributes): Expression | undefined {
  const code = numberIn(attributes, 1, "a verdict's code");
  const verdict = (Object.keys(verdicts) as Verdict[]).find((name) => verdicts[name] === code);
  if (verdict === undefined) return undefined;
  return { kind: "verdict", verdict, ...(attributes.has(2) ? { chain: nameIn(attributes, 2, "a chain's name") } : {}) };
}

function target(attributes: Attributes): Register {
  return register(attributes, 1);
}

/** The kernel tells the first four by their old numbers, whichever were used. */
function register(attributes: Attributes, type: number): Register {
  return numberIn(attributes, type, "a register");
}

function valueIn(attributes: Attributes, type: number): Uint8Array {
  return Uint8Array.from(needed(inside(attributes, type, "a value"), 1, "a value"));
}
