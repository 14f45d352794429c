/** How members, keys, events and numbers of a gossip node look, as text and as JSON. */

import { formatEndpoint } from "../base/ip.ts";
import { printable } from "../base/printable.ts";
import type { Member } from "../gossip/effects.ts";
import type { GossipNotice } from "../gossip/service.ts";
import type { KeyView, MemberView } from "./gossip-control.ts";
import { flatRows, json, type OutputFormat, table } from "./print.ts";

/** `base64` is the caller's, because it depends on the platform. */
export function memberView(member: Member, base64: (bytes: Uint8Array) => string): MemberView {
  return {
    name: member.name,
    address: formatEndpoint(member.endpoint),
    state: member.state,
    incarnation: member.incarnation,
    versions: [...member.vsn],
    meta: base64(member.meta),
  };
}

/** Sorted by name. */
export function printMembers(members: readonly MemberView[], format: OutputFormat): string {
  const sorted = [...members].sort((one, other) => (one.name < other.name ? -1 : 1));
  if (format === "json") return json(sorted);
  const rows = sorted.map(({ name, address, state, incarnation, versions }) => {
    return [name, address, state, incarnation, versions.join(".")];
  });
  return table(["NAME", "ADDRESS", "STATE", "INCARNATION", "VERSIONS"], rows);
}

/** In the order of the ring: the primary key first. */
export function printKeys(keys: readonly KeyView[], format: OutputFormat): string {
  if (format === "json") return json(keys);
  const rows = keys.map(({ id, primary }) => [id, primary ? "primary" : "decrypts"]);
  return table(["KEY", "ROLE"], rows);
}

export function printStats(stats: object, format: OutputFormat): string {
  return format === "json" ? json(stats) : table(["NAME", "VALUE"], flatRows(stats));
}

/** One line for one thing that happened, or nothing if it is not worth one. `time` is ISO 8601. */
export function printNotice(
  time: string,
  notice: GossipNotice,
  format: OutputFormat,
  base64: (bytes: Uint8Array) => string,
): string {
  if (notice.do === "userMessage") {
    const from = formatEndpoint(notice.from);
    if (format === "json") return json({ time, event: "message", from, payload: base64(notice.payload) });
    return line(time, "message", from, `${notice.payload.length} bytes`);
  }
  if (notice.do !== "tell") return "";
  const { kind, ...rest } = notice.event;
  const member = memberView(rest.member, base64);
  const more =
    "from" in rest ? { from: rest.from } : "claimed" in rest ? { claimed: formatEndpoint(rest.claimed) } : {};
  if (format === "json") return json({ time, event: kind, member, ...more });
  return line(time, kind, member.name, member.address, member.state, ...Object.values(more));
}

/** The line that says that the node is bound and where the others find it. */
export function printReady(time: string, self: MemberView, format: OutputFormat): string {
  if (format === "json") return json({ time, event: "ready", member: self });
  return line(time, "ready", self.name, self.address, self.state);
}

function line(...cells: readonly string[]): string {
  return `${cells.map(printable).join("\t")}\n`;
}
