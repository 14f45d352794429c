/** The door to TCP: byte streams with callbacks, so that the same shell runs in the simulator. */
import type { Endpoint } from "./endpoint.ts";

/** What a stream tells its owner. After `end` only `closed` is called, after `failed` nothing; both exclude each other. */
export interface StreamHandler {
  /** The connection of a dialled stream stands. Never called on accepted streams. */
  connected?(): void;
  /** Bytes arrived; they belong to the handler. */
  data(bytes: Uint8Array): void;
  /** The peer has written everything. Our side may still write. */
  end(): void;
  /** After `end`: our side has finished too, or the stream broke; everything that could be sent has been. */
  closed?(): void;
  /** The stream broke, could not be opened, or timed out. */
  failed(error: Error): void;
}

export interface ByteStream {
  readonly remote: Endpoint;
  /** Queue bytes; allowed before `connected`. `bytes` must not be changed afterwards. */
  write(bytes: Uint8Array): void;
  /** No more writes: flush, then half-close. */
  end(): void;
  /** Tear down now; the handler hears nothing more. */
  destroy(): void;
}

export interface StreamListener {
  readonly local: Endpoint;
  /** Stop accepting, destroy the accepted streams that are still open. */
  close(): Promise<void>;
}

export interface Streams {
  /** Open a connection; `failed` is called when it does not stand within `timeoutMs`. */
  dial(to: Endpoint, timeoutMs: number, handler: StreamHandler): ByteStream;
  /** Accept connections. Rejects with a `Fault` (`unavailable`) when the address cannot be bound. */
  listen(local: Endpoint, accept: (stream: ByteStream) => StreamHandler): Promise<StreamListener>;
}
