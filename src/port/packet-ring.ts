/** The door to packets by the batch: a ring of slots in one buffer, filled from one place and sent to another. */

/**
 * Never allocates after its beginning. One batch at a time: what `receive` brought is in slots 0, 1, 2 ... until it is
 * called again, with at least 64 free bytes in front of each packet and 64 behind the longest one.
 */
export interface PacketRing {
  readonly bytes: Uint8Array;
  /** Take what is there, without waiting; how many slots were filled. */
  receive(): number;
  /** Where the packet of a slot begins in `bytes`, with its IP header. */
  start(slot: number): number;
  length(slot: number): number;
  /**
   * Send `bytes[at, at + length)`, at the latest with `flush`; they stay as they are until then. `destination` (IPv4,
   * as a number) and `trafficClass` matter where the IP header is made by the system.
   */
  send(at: number, length: number, destination: number, trafficClass: number): void;
  /** Send what waits; how many of it and of what was sent since the last flush the system refused. */
  flush(): number;
  /** Sleep until there is something to receive, somebody rings (from another thread), or the time is over. */
  wait(timeoutMs: number): void;
}
