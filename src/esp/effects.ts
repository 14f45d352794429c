/**
 * What goes into the ESP engine and what comes out of it, beside the packets themselves.
 *
 * Packets do not pass through `step`: they are sealed and opened where they lie, many in a batch, and what they cause
 * (a limit was reached, a peer restarted) comes out of the next step, which `deadline` then asks for at once.
 */
import type { Fault } from "../base/fault.ts";
import type { AssociationId, SecurityAssociation } from "../model/security-association.ts";

export type EspInput =
  /** Receive with it from now on; outbound: be ready to send with it. The same one again changes nothing. */
  | { readonly on: "install"; readonly association: SecurityAssociation }
  /** Send to `peer` with its outbound association `spi` from the next packet on. */
  | { readonly on: "transmit"; readonly peer: string; readonly spi: number }
  /** An outbound one: count from 1 again with a new mask, before the numbers run out. Only where the peer bears it. */
  | { readonly on: "restart"; readonly id: AssociationId }
  /** Forget it and its key. Removing the one that is sent with stops traffic to that peer. */
  | { readonly on: "remove"; readonly id: AssociationId };

export type EspEffect =
  /** This input was not carried out: `invalid`, `conflict` (another is there), `notFound`, `unavailable` (too many). */
  | { readonly do: "refused"; readonly fault: Fault }
  /** Soft: replace it soon. Hard: it is not used any more. Each once per association and reason. */
  | { readonly do: "limit"; readonly id: AssociationId; readonly kind: "soft" | "hard"; readonly because: LimitReason }
  /** The sender counts from the start again under the same key. */
  | { readonly do: "peerRestarted"; readonly id: AssociationId }
  /** Answers `remove`, with what it had carried. */
  | { readonly do: "removed"; readonly id: AssociationId; readonly usage: Usage };

export type LimitReason = "age" | "packets" | "bytes" | "sequence" | "forgeries";

export interface Usage {
  readonly packets: number;
  /** The datagrams inside. */
  readonly bytes: number;
  /** Of the last packet sent, or the highest received; 0 before the first. */
  readonly sequence: number;
  readonly forged: number;
  readonly late: number;
  readonly replayed: number;
  /** Times the sender began anew. */
  readonly restarts: number;
}

/** Why a packet was not sent, or not let in. Also the label values of the drop counters. */
export const espDrops = {
  noAssociation: "goes to a peer for which no association is in use",
  limitReached: "would exceed a hard limit of its association",
  sequenceExhausted: "would repeat a sequence number",
  oversize: "is larger than a packet can be",
  notDatagram: "is no UDP datagram to the protected port, or disagrees with its own length",
  truncated: "ends before a packet of its association can end",
  unknownAssociation: "names an association that is not here",
  wrongSource: "comes from another address than its association allows",
  late: "is older than the replay window",
  replayed: "was received before",
  forged: "fails its integrity check",
  malformed: "is padded wrongly",
  notUdp: "holds something else than a UDP datagram",
  dummy: "was sent to hide how much is said",
} as const;

export type EspDrop = keyof typeof espDrops;

/** What a lane's owner asks of it; each is answered by one `done`. */
export interface LaneOrder {
  readonly order: number;
  /** `stop`: carry on until nothing is waiting, then end. */
  readonly ask: "take" | "stop";
  readonly inputs: readonly EspInput[];
}

export type LaneReport =
  | { readonly say: "done"; readonly order: number; readonly effects: readonly EspEffect[] }
  /** Not caused by an order. */
  | { readonly say: "told"; readonly effects: readonly EspEffect[] }
  | { readonly say: "counted"; readonly counts: LaneCounts };

export interface LaneCounts {
  readonly packets: number;
  /** The datagrams inside. */
  readonly bytes: number;
  readonly drops: Readonly<Record<EspDrop, number>>;
  /** Came from the device or the socket, and was no whole IPv4 packet of the right protocol. */
  readonly foreign: number;
  /** Sealed or opened, and then refused by the system. */
  readonly refused: number;
  readonly usages: readonly { readonly id: AssociationId; readonly usage: Usage }[];
}
