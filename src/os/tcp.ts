/**
 * TCP for real, behind `port/streams.ts`.
 *
 * Back pressure: while the peer does not read what we wrote, we do not read what it writes, so a peer that never reads
 * cannot make us queue answers without end; above `UNSENT_BYTES_MAX` the stream is torn down. Received bytes are
 * handed on at once and never collected here. Only dialling has a time limit here; the length of an exchange is its
 * owner's business, who calls `destroy`.
 */
import { createServer, type Server, Socket } from "node:net";
import { Fault } from "../base/fault.ts";
import { canonicalAddress, formatEndpoint } from "../base/ip.ts";
import { MiB } from "../base/units.ts";
import type { Clock } from "../port/clock.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { ByteStream, StreamHandler, StreamListener, Streams } from "../port/streams.ts";

/** Bytes that one stream may have waiting for its peer; gossip's largest answer fits. */
const UNSENT_BYTES_MAX = 64 * MiB;
/** Connections that may wait to be accepted. */
const BACKLOG = 128;

export function systemStreams(clock: Clock): Streams {
  return {
    dial: (to, timeoutMs, handler) => dial(clock, to, timeoutMs, handler),
    listen: (local, accept) => listen(local, accept),
  };
}

function dial(clock: Clock, to: Endpoint, timeoutMs: number, handler: StreamHandler): ByteStream {
  const socket = new Socket({ allowHalfOpen: true }).setNoDelay(true);
  try {
    socket.connect({ host: to.address, port: to.port, lookup: noNames });
  } catch (error) {
    socket.destroy();
    return stillborn(clock, to, error as Error, handler);
  }
  const stream = new TcpStream(socket, to);
  const cancel = clock.after(timeoutMs, () => {
    stream.fail(new Fault("timeout", `no connection to ${formatEndpoint(to)} within ${timeoutMs} ms`));
  });
  socket.once("connect", () => {
    cancel();
    handler.connected?.();
  });
  socket.once("close", cancel);
  stream.attach(handler);
  return stream;
}

/** A stream to an endpoint that the system does not even try, such as port 0. */
function stillborn(clock: Clock, remote: Endpoint, error: Error, handler: StreamHandler): ByteStream {
  const cancel = clock.after(0, () => handler.failed(error));
  return { remote, write: () => undefined, end: () => undefined, destroy: cancel };
}

function noNames(host: string, _options: unknown, done: (error: Error, address: string, family: number) => void): void {
  done(new Fault("invalid", `${JSON.stringify(host)} is not an IP address`), "", 4);
}

async function listen(local: Endpoint, accept: (stream: ByteStream) => StreamHandler): Promise<StreamListener> {
  const open = new Set<TcpStream>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    const stream = new TcpStream(socket, { address: canonicalAddress(remoteAddress), port: remotePort });
    open.add(stream);
    socket.once("close", () => open.delete(stream));
    stream.attach(accept(stream));
  });
  await listening(server, local);
  // Running out of file descriptors shows here; the listener goes on once some are free.
  server.on("error", () => undefined);
  const bound = server.address() as { address: string; port: number };
  return {
    local: { address: canonicalAddress(bound.address), port: bound.port },
    close() {
      for (const stream of open) stream.destroy();
      if (!server.listening) return Promise.resolve();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listening(server: Server, local: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void => {
      reject(new Fault("unavailable", `cannot bind TCP ${formatEndpoint(local)}: ${error.message}`, error));
    };
    server.once("error", refused);
    server.listen({ host: local.address, port: local.port, backlog: BACKLOG, exclusive: true }, () => {
      server.off("error", refused);
      resolve();
    });
  });
}

class TcpStream implements ByteStream {
  readonly remote: Endpoint;
  readonly #socket: Socket;
  #handler: StreamHandler | undefined;
  /** The handler between `end` and `closed`. */
  #endedHandler: StreamHandler | undefined;

  constructor(socket: Socket, remote: Endpoint) {
    this.#socket = socket;
    this.remote = remote;
  }

  /** Start telling `handler`, unless the stream was destroyed while it was being made. */
  attach(handler: StreamHandler): void {
    const socket = this.#socket;
    // Without a listener an error would end the process.
    socket.on("error", (error) => this.fail(error));
    if (socket.destroyed) return;
    this.#handler = handler;
    socket.on("data", (bytes) => this.#handler?.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)));
    socket.on("end", () => this.#ended());
    socket.on("drain", () => socket.resume());
    socket.on("close", () => {
      this.fail(new Fault("unavailable", "the connection was closed"));
      this.#endedHandler?.closed?.();
      this.#endedHandler = undefined;
    });
  }

  write(bytes: Uint8Array): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    if (!socket.write(bytes) && !socket.connecting) socket.pause();
    if (socket.writableLength <= UNSENT_BYTES_MAX) return;
    // Later, because the owner is in the middle of a call of its own.
    queueMicrotask(() => this.fail(new Fault("oversize", "the peer does not read what it is sent")));
  }

  end(): void {
    if (!this.#socket.destroyed) this.#socket.end();
  }

  destroy(): void {
    this.#release();
    this.#endedHandler = undefined;
    this.#socket.destroy();
  }

  /** Tear down, and tell the handler once. */
  fail(error: Error): void {
    const handler = this.#release();
    this.#socket.destroy();
    handler?.failed(error);
  }

  #ended(): void {
    this.#endedHandler = this.#release();
    this.#endedHandler?.end();
  }

  #release(): StreamHandler | undefined {
    const handler = this.#handler;
    this.#handler = undefined;
    return handler;
  }
}
