/**
 * What is settled for the life of a node: where its data path is, and by which names the kernel shows what is ours.
 */
import { Fault } from "../base/fault.ts";
import { addressBytes, canonicalAddress, isAddress, isUnspecified } from "../base/ip.ts";
import { AUDIT_EVERY_MS, REQUEST_ID, VXLAN_PORT_DEFAULT } from "./limits.ts";

export interface OverlayConfig {
  readonly dataPath: DataPath;
  /** Tells our associations and policies from others'. */
  readonly requestId: number;
  /** Name of our table of the packet filter. Whatever else is in it is removed. */
  readonly table: string;
  /** The bridge in the host that leads out, and the host's addresses on it ("172.18.0.1/16"); none: nothing leads out. */
  readonly exit: { readonly bridge: string; readonly addresses: readonly string[] };
  readonly auditEveryMs: number;
}

export interface DataPath {
  /** What the other nodes send to, and what keys are derived from. Canonical text. */
  readonly advertised: string;
  /** The same, unless an address translator stands between: the address of this host that packets come from. */
  readonly bound: string;
  readonly port: number;
}

/** Docker's numbers; own names. `advertised` is also the bound address. */
export function overlayConfig(advertised: string): OverlayConfig {
  return {
    dataPath: { advertised, bound: advertised, port: VXLAN_PORT_DEFAULT },
    requestId: REQUEST_ID,
    table: "skep",
    exit: { bridge: "skep_exit", addresses: ["172.18.0.1/16", "fd00:73:6b65:70::1/64"] },
    auditEveryMs: AUDIT_EVERY_MS,
  };
}

/** Throws `Fault` (`invalid`) naming what cannot work. */
export function checkConfig({ dataPath, requestId, table, exit }: OverlayConfig): void {
  const check = (holds: boolean, why: string): void => {
    if (!holds) throw new Fault("invalid", why);
  };
  for (const address of [dataPath.advertised, dataPath.bound]) {
    const good = isAddress(address) && canonicalAddress(address) === address && !isUnspecified(address);
    check(good, `the data path's address ${address} is not the address of a host in canonical form`);
  }
  const families = [dataPath.advertised, dataPath.bound].map((address) => addressBytes(address).length);
  check(families[0] === families[1], "the data path's addresses are of two families");
  check(Number.isInteger(dataPath.port) && dataPath.port > 0 && dataPath.port < 65_536, "a port is 1 to 65535");
  check(requestId > 0 && requestId <= 0xffff_ffff, "a request id has 32 bits and is not 0");
  check(/^[a-z][a-z0-9_-]{0,30}$/.test(table), `"${table}" is no name of a table`);
  check(/^[a-zA-Z][\w-]{0,14}$/.test(exit.bridge), `"${exit.bridge}" is no name of an interface`);
}
