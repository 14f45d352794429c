/**
 * Our table of the packet filter: guards that stand whether or not IPsec is set up right, and the way out.
 *
 *   in       VXLAN of an encrypted network must have come by our associations; of any network, from one of its nodes
 *   through  nobody behind this host sends VXLAN of our networks with the host's address
 *   out      VXLAN of an encrypted network whose route does not lead into IPsec does not leave, whatever the reason
 *   exit     what leaves the exit bridge's subnets takes the address of the host
 *
 * Everything is told by sets of VNIs and nodes, so networks come and go without a change of the rules.
 */
import { addressBytes } from "../base/ip.ts";
import * as match from "../netlink/nft-matches.ts";
import * as types from "../netlink/nft-set-types.ts";
import type { Base, Expression } from "../netlink/nft-values.ts";
import type { OverlayConfig } from "./config.ts";
import type { Filter, FilterRule, Row } from "./effects.ts";
import { parsePrefix, subnetOf } from "./prefix.ts";

/** Names of the sets: VNIs of this node's networks, those of encrypted ones, and pairs of VNI and node. */
export const OWN = "own";
export const ENCRYPTED = "encrypted";
const MEMBERS = { 4: "members4", 6: "members6" } as const;

const bases: Readonly<Record<string, Base>> = {
  in: { type: "filter", hook: "input", priority: -300, policy: "accept" },
  through: { type: "filter", hook: "forward", priority: -300, policy: "accept" },
  out: { type: "filter", hook: "postrouting", priority: 300, policy: "accept" },
  exit: { type: "nat", hook: "postrouting", priority: 100, policy: "accept" },
};

const made = new WeakMap<OverlayConfig, Filter>();

/** The same value for the same configuration. */
export function filterOf(config: OverlayConfig): Filter {
  const filter = made.get(config) ?? makeFilter(config);
  made.set(config, filter);
  return filter;
}

function makeFilter({ dataPath, requestId, table, exit }: OverlayConfig): Filter {
  const own = [...match.udpTo(dataPath.port), ...match.vniIn(OWN)];
  const encrypted = [...match.udpTo(dataPath.port), ...match.vniIn(ENCRYPTED)];
  const dropped = [match.count, match.drop];
  const rule = (chain: string, tag: string, ...expressions: Expression[]): FilterRule => ({ chain, tag, expressions });
  return {
    table,
    sets: [
      { name: OWN, key: types.vni },
      { name: ENCRYPTED, key: types.vni },
      { name: MEMBERS[4], key: types.vniAndSource[4] },
      { name: MEMBERS[6], key: types.vniAndSource[6] },
    ],
    chains: Object.entries(bases).map(([name, base]) => ({ name, base })),
    rules: [
      rule("in", "in clear", ...encrypted, ...match.cameInClear(), ...dropped),
      rule("in", "by another's association", ...encrypted, ...match.cameByOtherRequestId(requestId), ...dropped),
      ...([4, 6] as const).map((family) =>
        rule(
          "in",
          `from no node of the network, IPv${family}`,
          ...[...own, ...match.vniAndSourceIn(MEMBERS[family], family, true), ...dropped],
        ),
      ),
      rule("through", "not sent by this host", ...own, ...dropped),
      rule("out", "not encrypted", ...encrypted, ...match.leavesInClear(), ...dropped),
      ...exit.addresses.map((address) => rule("exit", address, ...masquerade(address, exit.bridge))),
    ],
  };
}

const SOURCE = { 4: { offset: 12, bytes: 4 }, 6: { offset: 8, bytes: 16 } } as const;
const INTERFACE_NAME_BYTES = 16;

/** `ip saddr SUBNET oifname != BRIDGE masquerade`. */
function masquerade(address: string, bridge: string): Expression[] {
  const prefix = parsePrefix(address);
  const { bytes } = SOURCE[prefix.family];
  const mask = Uint8Array.from(
    { length: bytes },
    (_, at) => (0xff00 >> Math.min(8, Math.max(0, prefix.bits - at * 8))) & 0xff,
  );
  const subnet = addressBytes(subnetOf(prefix).split("/")[0] ?? "");
  const name = new Uint8Array(INTERFACE_NAME_BYTES);
  for (const [at, letter] of [...bridge].entries()) name[at] = letter.charCodeAt(0);
  return [
    ...match.familyIs(prefix.family),
    { kind: "payload", base: "network", ...SOURCE[prefix.family], register: 1 },
    { kind: "bitwise", source: 1, target: 1, mask, xor: new Uint8Array(bytes) },
    { kind: "compare", operator: "==", register: 1, value: subnet },
    { kind: "meta", key: "outInterface", register: 1 },
    { kind: "compare", operator: "!=", register: 1, value: name },
    { kind: "masquerade" },
  ];
}

/** VXLAN with this VNI is ours to judge. */
export function ownElement(vni: number): Row {
  return { kind: "element", set: OWN, value: hex(match.vniBytes(vni)) };
}

/** It has to be encrypted. */
export function encryptedElement(vni: number): Row {
  return { kind: "element", set: ENCRYPTED, value: hex(match.vniBytes(vni)) };
}

/** It may come from this node. */
export function memberElement(vni: number, vtep: string): Row {
  const family = addressBytes(vtep).length === 4 ? 4 : 6;
  return { kind: "element", set: MEMBERS[family], value: hex(match.vniAndSourceBytes(vni, vtep)) };
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

const spelled = new WeakMap<Filter, string>();

/** Filters that do the same are spelled the same: counters count as nothing. Chains and sets may come in any order. */
export function spellFilter(filter: Filter): string {
  const text = spelled.get(filter) ?? spellAnew(filter);
  spelled.set(filter, text);
  return text;
}

function spellAnew({ table, sets, chains, rules }: Filter): string {
  const spell = (value: unknown): string =>
    JSON.stringify(value, (_, part: unknown) => {
      if (part instanceof Uint8Array) return hex(part);
      return typeof part === "bigint" ? "0" : part;
    });
  return [
    table,
    ...sets.map(({ name, key }) => `set ${name} ${key.bytes}`).sort(),
    ...chains.map(({ name, base }) => `chain ${name} ${base.type} ${base.hook} ${base.priority} ${base.policy}`).sort(),
    // The order of rules matters within a chain only.
    ...chains
      .map(({ name }) => name)
      .sort()
      .flatMap((name) => rules.filter(({ chain }) => chain === name))
      .map(({ chain, tag, expressions }) => `rule ${chain} "${tag}" ${expressions.map(sorted).map(spell).join(" ")}`),
  ].join("\n");
}

/** The fields of an expression in alphabetical order, so that it does not matter who wrote it. */
function sorted(expression: Expression): unknown {
  return Object.fromEntries(Object.entries(expression).sort(([one], [other]) => (one < other ? -1 : 1)));
}
