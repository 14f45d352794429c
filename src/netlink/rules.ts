/**
 * Rules of routing: which table a packet's way is looked up in, by its mark, by where it comes from or goes to.
 * Source: include/uapi/linux/fib_rules.h and net/core/fib_rules.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { familyNumber, type IpVersion, prefixBytes, prefixIn, versionOfFamily } from "./addressing.ts";
import {
  type Attributes,
  attribute,
  parseAttributes,
  textAttribute,
  textIn,
  u32Attribute,
  u32In,
} from "./attributes.ts";
import type { Message, Request } from "./message.ts";
import { present } from "./optional.ts";
import { dumpOf, order, plainOrder, RTM } from "./route-types.ts";
import { ruleHead, ruleHeadIn, sizes } from "./structs.ts";

const FRA = {
  destination: 1,
  source: 2,
  inputName: 3,
  priority: 6,
  mark: 10,
  table: 15,
  mask: 16,
  outputName: 17,
} as const;

/** FR_ACT_*. */
const actions = { table: 1, blackhole: 6, unreachable: 7, prohibit: 8 } as const;
export type RuleAction = keyof typeof actions;

const TABLE_IN_HEAD_MAX = 255;
const ALL_BITS = 0xffff_ffff;

export interface Rule {
  readonly version: IpVersion;
  /** Rules are asked in ascending order. */
  readonly priority: number;
  readonly action: RuleAction;
  /** 0 unless the action is "table". */
  readonly table: number;
  /** Only packets with this mark, under this mask. */
  readonly mark?: number;
  readonly mask?: number;
  /** Only packets from or to these prefixes. */
  readonly source?: string;
  readonly destination?: string;
  /** Only packets that came in by, or that a socket bound to, this link. */
  readonly inputName?: string;
  readonly outputName?: string;
}

/** Refused (`EEXIST`) when there is one that is the same. */
export function addRule(rule: Rule): Request {
  return order(RTM.newRule, "create", ...ruleParts(rule));
}

/** Refused (`ENOENT`) when there is none. */
export function deleteRule(rule: Rule): Request {
  return plainOrder(RTM.deleteRule, ...ruleParts(rule));
}

function ruleParts(rule: Rule): Uint8Array[] {
  const family = familyNumber(rule.version);
  const source = rule.source === undefined ? undefined : ofFamily(rule.source, family);
  const destination = rule.destination === undefined ? undefined : ofFamily(rule.destination, family);
  const head = ruleHead({
    family,
    destinationBits: destination?.bits ?? 0,
    sourceBits: source?.bits ?? 0,
    table: rule.table > TABLE_IN_HEAD_MAX ? 0 : rule.table,
    action: actions[rule.action],
  });
  const parts = [head, u32Attribute(FRA.priority, rule.priority)];
  if (rule.action === "table") parts.push(u32Attribute(FRA.table, rule.table));
  if (rule.mark !== undefined) {
    parts.push(u32Attribute(FRA.mark, rule.mark), u32Attribute(FRA.mask, rule.mask ?? ALL_BITS));
  }
  if (source !== undefined && source.bits > 0) parts.push(attribute(FRA.source, source.address));
  if (destination !== undefined && destination.bits > 0) {
    parts.push(attribute(FRA.destination, destination.address));
  }
  if (rule.inputName !== undefined) parts.push(textAttribute(FRA.inputName, rule.inputName));
  if (rule.outputName !== undefined) parts.push(textAttribute(FRA.outputName, rule.outputName));
  return parts;
}

function ofFamily(prefix: string, family: number): { address: Uint8Array; bits: number } {
  const parsed = prefixBytes(prefix);
  if (parsed.family !== family) throw new Fault("invalid", `${prefix} is of another version of IP than its rule`);
  return parsed;
}

export function listRules(version: IpVersion): Request {
  return dumpOf(RTM.getRule, ruleHead({ family: familyNumber(version) }));
}

/** `undefined` for rules that do what has no name here. Throws `Fault` (`unknownType`) for rules not of IP. */
export function decodeRule(message: Message): Rule | undefined {
  const head = ruleHeadIn(message.body);
  const attributes = parseAttributes(message.body.subarray(sizes.rule));
  const version = versionOfFamily(head.family);
  const action = (Object.keys(actions) as RuleAction[]).find((name) => actions[name] === head.action);
  if (action === undefined) return undefined;
  const prefix = (type: number, bits: number): string | undefined =>
    bits === 0 ? undefined : prefixIn(head.family, attributes.get(type), bits);
  const rule: Rule = {
    version,
    priority: u32In(attributes.get(FRA.priority)) ?? 0,
    action,
    table: action === "table" ? (u32In(attributes.get(FRA.table)) ?? head.table) : 0,
  };
  return Object.assign(
    rule,
    markOf(attributes),
    present("source", prefix(FRA.source, head.sourceBits)),
    present("destination", prefix(FRA.destination, head.destinationBits)),
    present("inputName", textIn(attributes.get(FRA.inputName))),
    present("outputName", textIn(attributes.get(FRA.outputName))),
  );
}

/** A rule without mark has no such attributes, or only an empty mask. */
function markOf(attributes: Attributes): Pick<Rule, "mark" | "mask"> {
  const mask = u32In(attributes.get(FRA.mask)) ?? 0;
  const mark = u32In(attributes.get(FRA.mark));
  return mask === 0 && (mark ?? 0) === 0 ? {} : { mark: mark ?? 0, mask };
}
