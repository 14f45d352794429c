/** The door to UDP. */
import type { Endpoint } from "./endpoint.ts";

/** Called once per datagram. `bytes` belongs to the receiver of the call; it must not throw. */
export type DatagramHandler = (bytes: Uint8Array, from: Endpoint) => void;

/** One bound UDP socket. */
export interface DatagramSocket {
  /** The endpoint really bound (port resolved when 0 was asked for). */
  readonly local: Endpoint;
  /** Hand one datagram to the network, best effort. `bytes` must not be changed afterwards. Never throws: a failure
   * that the system reports reaches `onError` of `bind`. */
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): Promise<void>;
}

export interface Datagrams {
  /**
   * Bind a UDP socket. Rejects with a `Fault` (`unavailable`) when the address cannot be bound.
   * `onError` hears about failed sends with their destination, and about socket errors without one.
   */
  bind(
    local: Endpoint,
    onDatagram: DatagramHandler,
    onError: (error: Error, to?: Endpoint) => void,
  ): Promise<DatagramSocket>;
}
