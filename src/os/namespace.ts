/**
 * Network namespaces for real.
 *
 * A namespace belongs to a thread. To do something inside of one, the thread goes in, does it without waiting, and comes
 * back before anybody else gets a turn; a thread that cannot come back must not go on, so that ends the process.
 * Node.js' pool threads never go anywhere, so inside only synchronous calls of `node:fs` count.
 * Source: setns(2), network_namespaces(7).
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { assert } from "../base/assert.ts";
import { KernelFault } from "../base/errno.ts";
import { Fault } from "../base/fault.ts";
import type { NetworkNamespace, NetworkNamespaces } from "../port/namespaces.ts";
import { must, systemCalls } from "./system-calls.ts";

const CLONE_NEWNET = 0x4000_0000;
const MS_BIND = 0x1000;
const MNT_DETACH = 2;
const OWN = "/proc/thread-self/ns/net";
/** Below /proc/sys/net: names in small letters, digits, and what interfaces are called. */
const SETTING = /^net(?:\/[A-Za-z0-9_@:.-]+)+$/;

export const systemNamespaces: NetworkNamespaces = {
  current: () => handle(openFile(OWN)),
  open: (path) => handle(openFile(path)),
  create: () =>
    comingBack(() => {
      must("create a network namespace", () => systemCalls().unshare(CLONE_NEWNET));
      return handle(openFile(OWN));
    }),
  unbind: (path) => {
    must(`unmount ${path}`, () => systemCalls().umount2(path, MNT_DETACH));
    rmSync(path);
  },
};

/** Do something inside of a namespace and come back. `work` must not wait. */
export function inside<Result>(namespace: NetworkNamespace, work: () => Result): Result {
  return comingBack(() => {
    must("enter a network namespace", () => systemCalls().setns(namespace.descriptor, CLONE_NEWNET));
    return work();
  });
}

function comingBack<Result>(work: () => Result): Result {
  const home = openFile(OWN);
  try {
    const result = work();
    assert(!(result instanceof Promise), "nobody waits inside of another namespace");
    return result;
  } finally {
    const back = systemCalls().setns(home, CLONE_NEWNET);
    closeSync(home);
    assert(back === 0, "the thread comes back to its own namespace");
  }
}

function openFile(path: string): number {
  return spoken(`open ${path}`, () => openSync(path, constants.O_RDONLY));
}

function handle(descriptor: number): NetworkNamespace {
  let open = true;
  const { dev, ino } = fstatSync(descriptor);
  const self: NetworkNamespace = {
    identity: `${dev}:${ino}`,
    descriptor,
    bind: (path) => bind(descriptor, path),
    writeSetting: (path, value) =>
      inside(self, () => spoken(`write ${path}`, () => writeFileSync(settingPath(path), value, { flag: "r+" }))),
    readSetting: (path) =>
      inside(self, () => spoken(`read ${path}`, () => readFileSync(settingPath(path), "utf8").trimEnd())),
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
  return self;
}

function settingPath(path: string): string {
  if (!SETTING.test(path) || path.split("/").some((part) => /^\.+$/.test(part))) {
    throw new Fault("invalid", `"${path}" is no kernel parameter of a network namespace`);
  }
  return `/proc/sys/${path}`;
}

/** A path that holds a namespace is a file with the namespace mounted on it. */
function bind(descriptor: number, path: string): void {
  spoken(`create ${path}`, () => closeSync(openSync(path, "wx", 0o444)));
  try {
    must(`mount on ${path}`, () =>
      systemCalls().mount(`/proc/thread-self/fd/${descriptor}`, path, "none", MS_BIND, null),
    );
  } catch (error) {
    rmSync(path);
    throw error;
  }
}

/** A refusal that Node.js passed on, as ours. */
function spoken<Result>(what: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    throw new KernelFault(-errno, `cannot ${what}`);
  }
}
