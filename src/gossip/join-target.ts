/**
 * Whom to join, as people write it: `[nodename/]host[:port]`.
 *
 *     10.0.0.1   10.0.0.1:7946   ::1   [::1]:7946   db1.example.org   db1/db1.example.org:7946
 *
 * Resolves nothing: a host that is no address is left for the resolver. Source: memberlist `memberlist.go`
 * (`resolveAddr`) and `util.go` (`hasPort`).
 */
import { Fault } from "../base/fault.ts";
import { canonicalAddress, isAddress } from "../base/ip.ts";
import { utf8Length } from "../wire/utf8.ts";
import { NAME_BYTES_MAX } from "./limits.ts";

export interface JoinTarget {
  /** The member expected there; "" for whoever it is. */
  readonly node: string;
  /** An IP address in canonical text, or a host name. */
  readonly host: string;
  readonly port: number;
}

/** In text form, without the dot at the end. Source: RFC 1035 section 2.3.4. */
const HOST_LENGTH_MAX = 253;
/** Node name, slash, host with its last dot or in brackets, colon, port. */
const TARGET_LENGTH_MAX = NAME_BYTES_MAX + 1 + HOST_LENGTH_MAX + 2 + 1 + 5;

/** Throws `Fault` (`invalid`) that says what is wrong with `text`. */
export function parseJoinTarget(text: string, defaultPort: number): JoinTarget {
  if (text.length > TARGET_LENGTH_MAX)
    throw new Fault("invalid", `join target is longer than ${TARGET_LENGTH_MAX} characters`);
  const slash = text.indexOf("/");
  if (slash === 0) throw invalid(text, "has an empty node name before the slash");
  const node = slash < 0 ? "" : text.slice(0, slash);
  if (utf8Length(node) > NAME_BYTES_MAX) throw invalid(text, `has a node name of more than ${NAME_BYTES_MAX} bytes`);
  const place = text.slice(slash + 1);
  if (place === "") throw invalid(text, "names no host");
  const { host, port } = splitPort(text, place);
  return { node, host: canonicalHost(text, host), port: port === undefined ? defaultPort : parsePort(text, port) };
}

function splitPort(text: string, place: string): { host: string; port: string | undefined } {
  if (place.startsWith("[")) {
    const match = /^\[([^[\]]*)\](?::(.*))?$/.exec(place);
    if (match === null)
      throw invalid(text, "has a bracket that is not closed, or something other than a port after it");
    const host = match[1] ?? "";
    if (!host.includes(":")) throw invalid(text, "has brackets around something that is no IPv6 address");
    return { host, port: match[2] };
  }
  if (isAddress(place)) return { host: place, port: undefined };
  const [host = "", port, ...more] = place.split(":");
  if (more.length > 0) throw invalid(text, "has too many colons; an IPv6 address with a port needs brackets");
  return { host, port };
}

function parsePort(text: string, port: string): number {
  const value = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (value < 1 || value > 65_535) throw invalid(text, "has a port that is not a number from 1 to 65535");
  return value;
}

function canonicalHost(text: string, host: string): string {
  if (host.replace(/\.$/, "").length > HOST_LENGTH_MAX) {
    throw invalid(text, `has a host of more than ${HOST_LENGTH_MAX} characters`);
  }
  if (isAddress(host)) return canonicalAddress(host);
  if (host.includes(":")) throw invalid(text, "has brackets around something that is no IPv6 address");
  if (/^[\d.]+$/.test(host)) throw invalid(text, "has an IPv4 address that is not four numbers from 0 to 255");
  if (!/^[\w-]+(\.[\w-]+)*\.?$/.test(host))
    throw invalid(text, "has a host that is neither an address nor a host name");
  return host;
}

function invalid(text: string, problem: string): Fault {
  return new Fault("invalid", `join target ${JSON.stringify(text)} ${problem}`);
}
