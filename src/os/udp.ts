/**
 * UDP for real.
 *
 * A socket bound to an IPv6 wildcard serves IPv4 too: senders' IPv4-mapped addresses become IPv4 on the way in, and
 * the other way round on the way out. Never resolves names and never throws while sending: what the system refuses
 * reaches `onError`, later. `reuseAddr` stays off, so two nodes cannot quietly share a port.
 */
import { createSocket, type Socket } from "node:dgram";
import { Fault } from "../base/fault.ts";
import { canonicalAddress, formatEndpoint } from "../base/ip.ts";
import { KiB, MiB } from "../base/units.ts";
import type { DatagramSocket, Datagrams } from "../port/datagrams.ts";
import type { Endpoint } from "../port/endpoint.ts";

/** Asked for first, then half of it, and so on. Source: memberlist `net_transport.go`. */
const RECEIVE_BUFFER_BYTES = 2 * MiB;
const RECEIVE_BUFFER_BYTES_MIN = 64 * KiB;

type Family = 4 | 6;
type LookupDone = (error: Error | null, address: string, family: number) => void;

export const systemDatagrams: Datagrams = {
  async bind(local, onDatagram, onError) {
    const family: Family = local.address.includes(":") ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? "udp6" : "udp4",
      reuseAddr: false,
      lookup: (address: string, _options: unknown, done: LookupDone) => done(null, forFamily(address, family), family),
    });
    await bound(socket, local);
    growReceiveBuffer(socket);
    socket.on("error", (error) => onError(error));
    socket.on("message", (bytes, { address, port }) => {
      onDatagram(plainBytes(bytes), { address: canonicalAddress(address), port });
    });
    return datagramSocket(socket, onError);
  },
};

function datagramSocket(socket: Socket, onError: (error: Error, to?: Endpoint) => void): DatagramSocket {
  const { address, port } = socket.address();
  let open = true;
  const failed = (error: Error, to: Endpoint): void => {
    if (open) onError(error, to);
  };
  return {
    local: { address: canonicalAddress(address), port },
    send(bytes, to) {
      if (!open) return;
      try {
        socket.send(bytes, to.port, to.address, (error) => error && failed(error, to));
      } catch (error) {
        queueMicrotask(() => failed(error as Error, to));
      }
    },
    close() {
      if (!open) return Promise.resolve();
      open = false;
      return new Promise((resolve) => socket.close(resolve));
    },
  };
}

function bound(socket: Socket, local: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void => {
      socket.close();
      reject(new Fault("unavailable", `cannot bind UDP ${formatEndpoint(local)}: ${error.message}`, error));
    };
    socket.once("error", refused);
    socket.bind({ address: local.address, port: local.port, exclusive: true }, () => {
      socket.off("error", refused);
      resolve();
    });
  });
}

/** Linux accepts any size and silently uses at most `net.core.rmem_max`; other systems refuse. */
function growReceiveBuffer(socket: Socket): void {
  for (let bytes = RECEIVE_BUFFER_BYTES; bytes >= RECEIVE_BUFFER_BYTES_MIN; bytes /= 2) {
    try {
      socket.setRecvBufferSize(bytes);
      return;
    } catch {
      // Too large for this system: try half.
    }
  }
}

function forFamily(address: string, family: Family): string {
  return family === 6 && !address.includes(":") ? `::ffff:${address}` : address;
}

/** The same memory without Buffer's own `slice`, which shares where `Uint8Array`'s copies. */
function plainBytes(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
