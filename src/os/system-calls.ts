/**
 * The system calls that Node.js has no words for, through the C library.
 *
 * Each name is the call's own. A result below zero comes out as `KernelFault`, made at once: the error number belongs to
 * the last call of the thread. Source: the manual pages of section 2.
 */
import koffi from "koffi";
import { KernelFault } from "../base/errno.ts";
import { Fault } from "../base/fault.ts";

type Call = (...values: unknown[]) => number;

type PollDone = (error: unknown, result: number) => void;

interface Calls {
  readonly socket: Call;
  readonly bind: Call;
  readonly getsockname: Call;
  readonly setsockopt: Call;
  readonly send: Call;
  readonly recvfrom: Call;
  readonly setns: Call;
  readonly unshare: Call;
  readonly mount: Call;
  readonly umount2: Call;
  readonly ioctl: Call;
  readonly eventfd: Call;
  /** Waits on a thread of the pool, then calls back on this one. */
  readonly poll: (descriptors: Uint8Array, count: number, timeoutMs: number, done: PollDone) => void;
}

let loaded: Calls | undefined;

/** Throws `Fault` (`unavailable`) where there is no C library to be found. */
export function systemCalls(): Calls {
  loaded ??= load();
  return loaded;
}

/** Do what `call` does; a refusal says "cannot `what`". */
export function must(what: string, call: () => number): number {
  const result = Number(call());
  if (result < 0) throw new KernelFault(lastErrno(), `cannot ${what}`);
  return result;
}

/** The error number of the call just made. */
export function lastErrno(): number {
  return koffi.errno();
}

function load(): Calls {
  try {
    const own = koffi.load(null);
    const call = (prototype: string): Call => own.func(prototype) as unknown as Call;
    return {
      socket: call("int socket(int domain, int type, int protocol)"),
      bind: call("int bind(int fd, void *address, uint32_t length)"),
      getsockname: call("int getsockname(int fd, void *address, void *length)"),
      setsockopt: call("int setsockopt(int fd, int level, int name, void *value, uint32_t length)"),
      send: call("int64_t send(int fd, void *bytes, uint64_t length, int flags)"),
      recvfrom: call("int64_t recvfrom(int fd, void *bytes, uint64_t length, int flags, void *from, void *fromLength)"),
      setns: call("int setns(int fd, int kind)"),
      unshare: call("int unshare(int flags)"),
      mount: call("int mount(const char *source, const char *target, const char *type, uint64_t flags, void *data)"),
      umount2: call("int umount2(const char *target, int flags)"),
      ioctl: call("int ioctl(int fd, uint64_t request, void *argument)"),
      eventfd: call("int eventfd(uint32_t value, int flags)"),
      poll: own.func("int poll(void *descriptors, uint64_t count, int timeoutMs)").async,
    };
  } catch (error) {
    throw new Fault("unavailable", "the C library's system calls cannot be found", error);
  }
}
