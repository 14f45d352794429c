/**
 * Fresh namespaces for tests of netlink, and the tools' own view of them: `ip` and `bridge` are the judges here,
 * nothing of ours asks them anything.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import type { KernelFault } from "../../src/base/errno.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { decodeLink, getLink, type Link } from "../../src/netlink/links.ts";
import type { Request } from "../../src/netlink/message.ts";
import { systemNamespaces } from "../../src/os/namespace.ts";
import { openSocket } from "../../src/os/netlink.ts";
import type { NetworkNamespace } from "../../src/port/namespaces.ts";

export interface Fresh {
  /** As `ip -n` knows it. */
  readonly name: string;
  readonly namespace: NetworkNamespace;
  readonly route: Conversation;
  /** Each order must succeed. */
  change(...requests: readonly Request[]): void;
  link(name: string): Link;
  /** What `ip -d -j ...` says. */
  ip(...args: readonly string[]): Row[];
  bridge(...args: readonly string[]): Row[];
  /** What `ip` says without `-j`. */
  text(...args: readonly string[]): string;
}

/** A row of JSON by iproute2; what it has depends on the question. */
export type Row = Readonly<Record<string, unknown>>;

/** Parts of a row by their paths, separated by blanks: `fields(row, "mtu linkinfo.info_kind")`. */
export function fields(row: Row | undefined, paths: string): unknown[] {
  return paths.split(" ").map((path) => path.split(".").reduce<unknown>((part, name) => (part as Row)?.[name], row));
}

const FOLDER = "/run/netns";
let made = 0;

/** Run `use` in `count` fresh namespaces, which are gone afterwards. */
export async function inFresh(count: number, use: (...fresh: Fresh[]) => void | Promise<void>): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  const all: Fresh[] = [];
  try {
    for (let number = 0; number < count; number++) all.push(open(`skep-netlink-${process.pid}-${made++}`));
    await use(...all);
  } finally {
    for (const { name, namespace, route } of all) {
      route.close();
      namespace.close();
      systemNamespaces.unbind(`${FOLDER}/${name}`);
    }
  }
}

function open(name: string): Fresh {
  const namespace = systemNamespaces.create();
  namespace.bind(`${FOLDER}/${name}`);
  const route = new Conversation(openSocket(namespace, "route"));
  const tool = (program: string, args: readonly string[]): string =>
    execFileSync(program, ["-n", name, ...args], { encoding: "utf8" });
  const rows = (program: string, args: readonly string[]): Row[] =>
    JSON.parse(tool(program, ["-d", "-j", ...args]) || "[]");
  return {
    name,
    namespace,
    route,
    change(...requests) {
      for (const request of requests) route.change(request);
    },
    link: (link) => decodeLink(route.ask(getLink(link))[0]!),
    ip: (...args) => rows("ip", args),
    bridge: (...args) => rows("bridge", args),
    text: (...args) => tool("ip", args),
  };
}

/** For `assert.throws`: a refusal of the kernel with this name. */
export function refusal(errno: string): (error: unknown) => boolean {
  return (error) => (error as KernelFault).errno === errno;
}

/** For `test(name, { skip })`: false, or why this machine cannot run tests of the kernel. */
export const noNetlink: string | false = obstacle();

function obstacle(): string | false {
  try {
    systemNamespaces.create().close();
  } catch (error) {
    return (error as Error).message;
  }
  for (const program of ["ip", "bridge"]) {
    if (spawnSync(program, ["-V"]).status !== 0) return `no ${program} to compare with`;
  }
  return false;
}
