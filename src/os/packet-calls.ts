/**
 * The system calls of a packet path, with memory given as numbers, and the devices and sockets between which it runs.
 *
 * Calls are synchronous: made on the thread of a lane they hold up nobody else. Layouts are those of 64-bit Linux.
 * Source: include/uapi/linux/{if.h,if_tun.h,in.h}, man 2 recvmmsg, sendmmsg, man 7 raw.
 */
import { writeFileSync } from "node:fs";
import koffi from "koffi";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { addressBytes } from "../base/ip.ts";

export type Address = number;

/** In front of each packet of a device: struct virtio_net_hdr. */
export const OFFLOAD_HEADER_BYTES = 10;

const libc = koffi.load("libc.so.6");
const open = libc.func("int open(const char *path, int flags)") as (path: string, flags: number) => number;
const ioctl = libc.func("int ioctl(int fd, uint64_t request, void *argument)") as Call<
  [number, number, Uint8Array | number]
>;
const socket = libc.func("int socket(int family, int type, int protocol)") as Call<[number, number, number]>;
const bind = libc.func("int bind(int fd, void *address, uint32_t length)") as Call<[number, Uint8Array, number]>;
const setOption = libc.func("int setsockopt(int fd, int level, int name, void *value, uint32_t length)") as Call<
  [number, number, number, Uint8Array, number]
>;
const eventFd = libc.func("int eventfd(uint32_t start, int flags)") as Call<[number, number]>;
const move = libc.func("void *memmove(void *to, void *from, uint64_t length)") as (
  to: Uint8Array,
  from: Uint8Array,
  length: number,
) => bigint;

type Call<Arguments extends unknown[]> = (...args: Arguments) => number;

export const read = libc.func("int64_t read(int fd, void *to, uint64_t length)") as Call<[number, Address, number]>;
export const write = libc.func("int64_t write(int fd, void *from, uint64_t length)") as Call<[number, Address, number]>;
export const writeMany = libc.func("int64_t writev(int fd, void *pieces, int count)") as Call<
  [number, Address, number]
>;
export const receiveMany = libc.func(
  "int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)",
) as Call<[number, Address, number, number, null]>;
export const sendMany = libc.func("int sendmmsg(int fd, void *messages, uint32_t count, int flags)") as Call<
  [number, Address, number, number]
>;
export const poll = libc.func("int poll(void *descriptors, uint64_t count, int timeoutMs)") as Call<
  [Address, number, number]
>;
export const close = libc.func("int close(int fd)") as Call<[number]>;

/** The error of the last call on this thread. */
export function lastError(): number {
  return koffi.errno();
}

/** Where a buffer is. It does not move, and must be held by somebody for as long as the number is used. */
export function addressOf(buffer: ArrayBufferLike): Address {
  const bytes = new Uint8Array(buffer);
  return Number(move(bytes, bytes, 0));
}

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const AF_INET = 2;
const SOCK_RAW = 3;
const SOCK_DGRAM = 2;
const PROTOCOL_ESP = 50;
const NAME_BYTES = 16;
const IFREQ_BYTES = 40;
const TUN_SET_INTERFACE = 0x400454ca;
/** IFF_TUN, IFF_NO_PI, IFF_VNET_HDR: whole IP packets, behind what OFFLOAD_HEADER_BYTES is about. */
const DEVICE_KIND = 0x5001;
const TUN_SET_OFFLOAD = 0x400454d0;
/** TUN_F_CSUM, TUN_F_USO4, TUN_F_USO6: as one, since Linux 6.2. */
const OFFLOAD_UDP = 0x61;
const IFF_UP = 1;
const GET_FLAGS = 0x8913;
const SET_FLAGS = 0x8914;
const SET_ADDRESS = 0x8916;
const SET_MTU = 0x8922;
const SET_QUEUE_LENGTH = 0x8943;
const DEVICE_MTU = 65_535;
/** Packets that wait in the device while a lane is busy or away. */
const DEVICE_QUEUE_PACKETS = 4096;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SO_SNDBUFFORCE = 32;
const IP_MTU_DISCOVER = 10;
const SO_SNDTIMEO = 21;
/** A link that stands still holds up a lane for so long, 50 ms, then packets are refused: struct timeval. */
const sendPatience = new Uint8Array(new BigInt64Array([0n, 50_000n]).buffer);
const RECEIVE_BUFFER_BYTES = 32 * 1024 * 1024;
const SEND_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Create the device through which datagrams come to be sealed and go when they have been opened, and set it up, with
 * the address of the data path: without any, the kernel's loose reverse-path check refuses all that it brings. It is
 * gone with its last descriptor. Throws `Fault` (`unavailable`).
 */
export function openDevice(name: string, local: string): number {
  assert(/^[a-z0-9-]{1,15}$/.test(name), "a device has a short plain name");
  const device = must(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "open /dev/net/tun");
  const helper = socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0);
  try {
    must(ioctl(device, TUN_SET_INTERFACE, request(name, DEVICE_KIND)), `create the device ${name}`);
    must(ioctl(helper, SET_MTU, request(name, DEVICE_MTU)), `set the MTU of ${name}`);
    must(ioctl(helper, SET_QUEUE_LENGTH, request(name, DEVICE_QUEUE_PACKETS)), `set the queue of ${name}`);
    relaxSource(name);
    must(ioctl(helper, SET_ADDRESS, addressRequest(name, local)), `give ${name} an address`);
    const flags = request(name, 0);
    must(ioctl(helper, GET_FLAGS, flags), `read the flags of ${name}`);
    must(ioctl(helper, SET_FLAGS, request(name, flagsOf(flags) | IFF_UP)), `set up ${name}`);
    return device;
  } catch (error) {
    close(device);
    throw error;
  } finally {
    close(helper);
  }
}

/** Does the kernel take several datagrams of one flow as one? */
export function takesDatagramsTogether(device: number): boolean {
  if (ioctl(device, TUN_SET_OFFLOAD, OFFLOAD_UDP) < 0) return false;
  // Asked only whether it knows: it shall hand out single datagrams with whole checksums.
  must(ioctl(device, TUN_SET_OFFLOAD, 0), "switch off the offloads of a device");
  return true;
}

/**
 * What comes out of the device was authenticated, and its source is routed elsewhere: the strict reverse-path check
 * would drop it. 2 is the loose one, and wins over a strict setting for all devices. No IPv6 chatter either.
 */
function relaxSource(name: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, "2");
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, "1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new Fault("unavailable", `cannot set the reverse-path check of ${name}`, error);
    }
  }
}

/** A socket that sends and receives ESP packets as `local`. Throws `Fault` (`unavailable`). */
export function openEspSocket(local: string): number {
  const fd = must(socket(AF_INET, SOCK_RAW | O_CLOEXEC, PROTOCOL_ESP), "open a socket for ESP");
  try {
    option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
    option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
    // As the kernel's ESP: what is too large for a link is fragmented, never refused.
    option(fd, 0, IP_MTU_DISCOVER, 0);
    must(setOption(fd, SOL_SOCKET, SO_SNDTIMEO, sendPatience, sendPatience.length), "bound the time of sending");
    const name = socketAddress(local);
    must(bind(fd, name, name.length), `bind ESP to ${local}`);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** What one thread rings and another waits for. */
export function openBell(): number {
  return must(eventFd(0, O_NONBLOCK | O_CLOEXEC), "open an eventfd");
}

const one = new BigUint64Array([1n]);
const oneAt = addressOf(one.buffer);

export function ring(bell: number): void {
  write(bell, oneAt, 8);
}

function option(fd: number, level: number, name: number, value: number): void {
  must(setOption(fd, level, name, new Uint8Array(new Int32Array([value]).buffer), 4), "set an option of ESP's socket");
}

function request(name: string, value: number): Uint8Array {
  const bytes = new Uint8Array(IFREQ_BYTES);
  for (let at = 0; at < name.length; at++) bytes[at] = name.charCodeAt(at);
  new DataView(bytes.buffer).setUint32(NAME_BYTES, value, true);
  return bytes;
}

function addressRequest(name: string, address: string): Uint8Array {
  const bytes = request(name, 0);
  bytes.set(socketAddress(address), NAME_BYTES);
  return bytes;
}

/** struct sockaddr_in without a port. */
function socketAddress(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[0] = AF_INET;
  bytes.set(addressBytes(address), 4);
  return bytes;
}

function flagsOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer).getUint16(NAME_BYTES, true);
}

function must(result: number, what: string): number {
  if (result >= 0) return result;
  throw new Fault("unavailable", `cannot ${what}: error ${koffi.errno()}`);
}
