/**
 * Names to addresses by the system's own resolver (`getaddrinfo`: hosts file, DNS, whatever nsswitch says).
 *
 * Upstream first sends the DNS server a query of type ANY over TCP; servers refuse those since RFC 8482, so we do not.
 * A lookup occupies one thread of Node's pool and cannot be cancelled; callers bound how many run.
 */
import { lookup } from "node:dns/promises";
import { Fault } from "../base/fault.ts";
import { canonicalAddress, isAddress } from "../base/ip.ts";
import type { Resolver } from "../port/resolver.ts";

/** Source: RFC 1035 section 2.3.4, in text form. */
const NAME_LENGTH_MAX = 253;
const UNKNOWN_NAME = new Set(["ENOTFOUND", "ENODATA", "EAI_NONAME", "EAI_NODATA"]);

export const systemResolver: Resolver = {
  async resolve(host) {
    if (isAddress(host)) return [canonicalAddress(host)];
    if (host.length === 0 || host.length > NAME_LENGTH_MAX || !/^[\w.-]+$/.test(host)) {
      throw new Fault("notFound", `${JSON.stringify(host.slice(0, NAME_LENGTH_MAX))} is not a host name`);
    }
    try {
      const found = await lookup(host, { all: true, verbatim: true });
      return [...new Set(found.map(({ address }) => canonicalAddress(address)))];
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (UNKNOWN_NAME.has(code)) throw new Fault("notFound", `no address is known for ${host}`, error);
      throw new Fault("unavailable", `${host} could not be looked up (${code})`, error);
    }
  },
};
