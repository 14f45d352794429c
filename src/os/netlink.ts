/**
 * Netlink sockets for real.
 *
 * Sockets never wait: the kernel answers while it is asked. Buffers are forced to sizes that hold the answers to what
 * a conversation sends at once; the kernel charges only what is in them. Nothing that another process sends is heard.
 * Source: netlink(7).
 */
import { closeSync } from "node:fs";
import { KernelFault } from "../base/errno.ts";
import { Fault } from "../base/fault.ts";
import { KiB, MiB } from "../base/units.ts";
import type { NetworkNamespace } from "../port/namespaces.ts";
import type { NetlinkFamily, NetlinkSocket } from "../port/netlink.ts";
import { inside } from "./namespace.ts";
import { lastErrno, must, systemCalls } from "./system-calls.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_TRUNC = 0x20;
const EINTR = 4;
const EAGAIN = 11;
const protocols: Readonly<Record<NetlinkFamily, number>> = { route: 0, ipsec: 6, filter: 12, generic: 16 };

const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** Refusals do not repeat the request. */
const NETLINK_CAP_ACK = 10;
/** Refusals come with the kernel's own words. */
const NETLINK_EXT_ACK = 11;
/** The kernel filters dumps by what the question says, and refuses questions it does not understand. */
const NETLINK_GET_STRICT_CHK = 12;

const SEND_BUFFER_BYTES = 16 * MiB;
const RECEIVE_BUFFER_BYTES = 4 * MiB;
/** `sockaddr_nl`: family u16, fill, port id u32, groups u32. */
const ADDRESS_BYTES = 12;
/** The kernel writes dumps in parts of 32 KiB; one row of more than this would be a row unheard of. */
const DATAGRAM_BYTES_MAX = 512 * KiB;

/** Where every datagram arrives before it is copied; calls do not overlap. */
const inbox = new Uint8Array(DATAGRAM_BYTES_MAX);
const address = new Uint8Array(ADDRESS_BYTES);
const addressView = new DataView(address.buffer);
const addressLength = new Uint8Array(4);

/** The socket's descriptor, opened inside of the namespace and bound, joined to these groups. */
export function openNetlink(
  namespace: NetworkNamespace,
  family: NetlinkFamily,
  groups: readonly number[] = [],
): number {
  const calls = systemCalls();
  const kind = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const descriptor = inside(namespace, () =>
    must(`open a netlink socket (${family})`, () => calls.socket(AF_NETLINK, kind, protocols[family])),
  );
  try {
    // Before the first sending: that would give the socket its port id, and a later bind would fail.
    must("bind a netlink socket", () => calls.bind(descriptor, ownAddress(), ADDRESS_BYTES));
    setOption(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
    setOption(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
    setOption(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setOption(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    if (family === "route") setOption(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    for (const group of groups) setOption(descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return descriptor;
}

export function openSocket(namespace: NetworkNamespace, family: NetlinkFamily): NetlinkSocket {
  const descriptor = openNetlink(namespace, family);
  const portId = portIdOf(descriptor);
  let open = true;
  return {
    portId,
    send: (bytes) => {
      const sent = must("send to the kernel", () => systemCalls().send(descriptor, bytes, bytes.length, 0));
      if (sent !== bytes.length) throw new Fault("unavailable", `the kernel took ${sent} of ${bytes.length} bytes`);
    },
    receive: () => receiveFrom(descriptor),
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

/** The next datagram of the kernel, or `undefined`. Throws `KernelFault` (`ENOBUFS`) where some were lost. */
export function receiveFrom(descriptor: number): Uint8Array | undefined {
  for (;;) {
    new DataView(addressLength.buffer).setUint32(0, ADDRESS_BYTES, true);
    const { recvfrom } = systemCalls();
    const length = Number(recvfrom(descriptor, inbox, inbox.length, MSG_TRUNC, address, addressLength));
    if (length < 0) {
      const errno = lastErrno();
      if (errno === EAGAIN) return undefined;
      if (errno === EINTR) continue;
      throw new KernelFault(errno, "cannot hear the kernel");
    }
    if (addressView.getUint32(4, true) !== 0) continue;
    if (length > inbox.length) throw new Fault("oversize", `a netlink datagram of ${length} bytes`);
    const bytes = inbox.slice(0, length);
    // Associations carry their keys in them.
    inbox.fill(0, 0, length);
    return bytes;
  }
}

function ownAddress(): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  new DataView(bytes.buffer).setUint16(0, AF_NETLINK, true);
  return bytes;
}

/** The kernel chose it when the socket was bound. */
function portIdOf(descriptor: number): number {
  const bytes = ownAddress();
  const length = Uint8Array.of(ADDRESS_BYTES, 0, 0, 0);
  must("ask a netlink socket for its port id", () => systemCalls().getsockname(descriptor, bytes, length));
  return new DataView(bytes.buffer).getUint32(4, true);
}

function setOption(descriptor: number, level: number, name: number, value: number): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  must(`set option ${name} of a netlink socket`, () => systemCalls().setsockopt(descriptor, level, name, bytes, 4));
}
