/**
 * TUN and TAP devices for real. A device belongs to the namespace in which its file was opened, and lives as long as the
 * file. Source: Documentation/networking/tuntap.rst and include/uapi/linux/if_tun.h of Linux.
 */
import { closeSync, constants, openSync } from "node:fs";
import { KernelFault } from "../base/errno.ts";
import { Fault } from "../base/fault.ts";
import type { NetworkNamespace } from "../port/namespaces.ts";
import type { Tap, TapKind, Taps } from "../port/tap.ts";
import { utf8Bytes } from "../wire/utf8.ts";
import { inside } from "./namespace.ts";
import { must, systemCalls } from "./system-calls.ts";

const DEVICE = "/dev/net/tun";
/** _IOW('T', 202, int). */
const TUNSETIFF = 0x4004_54ca;
const kinds: Readonly<Record<TapKind, number>> = { tun: 0x1, tap: 0x2 };
/** No bytes in front of the frames. */
const IFF_NO_PI = 0x1000;
/** The name must be free. */
const IFF_TUN_EXCL = 0x8000;
/** `ifreq`: name of 16 bytes with a zero at the end, then flags u16. */
const REQUEST_BYTES = 40;
const NAME_BYTES_MAX = 15;

export const systemTaps: Taps = {
  open(namespace, name, kind) {
    const bytes = utf8Bytes(name);
    if (bytes.length < 1 || bytes.length > NAME_BYTES_MAX) {
      throw new Fault("invalid", `"${name.slice(0, 64)}" is no name for a link: 1 to ${NAME_BYTES_MAX} bytes`);
    }
    const request = new Uint8Array(REQUEST_BYTES);
    request.set(bytes);
    new DataView(request.buffer).setUint16(16, kinds[kind] | IFF_NO_PI | IFF_TUN_EXCL, true);
    return create(namespace, name, request);
  },
};

function create(namespace: NetworkNamespace, name: string, request: Uint8Array): Tap {
  const descriptor = inside(namespace, openDevice);
  try {
    must(`create ${name}`, () => systemCalls().ioctl(descriptor, TUNSETIFF, request));
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  let open = true;
  return {
    name,
    descriptor,
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

function openDevice(): number {
  try {
    return openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    throw new KernelFault(-((error as NodeJS.ErrnoException).errno ?? 0), `cannot open ${DEVICE}`);
  }
}
