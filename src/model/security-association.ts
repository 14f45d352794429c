/**
 * A security association: what one node must know to send protected datagrams to a peer, or to receive them from it.
 * One direction each; two nodes that talk have at least two. Always ESP in transport mode with AES-GCM (RFC 4303,
 * RFC 4106) around whole UDP datagrams.
 *
 * Pure data, the same for whoever carries it out (the kernel's XFRM or our own engine) and for wherever its key comes
 * from (the ring that a cluster shares, or a secret of two nodes). Which of several outbound associations of a peer
 * is used is not said here: that is an order, not a property.
 */
import { Fault } from "../base/fault.ts";
import { addressBytes, canonicalAddress, isAddress } from "../base/ip.ts";
import { hours } from "../base/units.ts";
import type { KeyMaterial } from "./key-material.ts";

/** Bytes of the integrity check value at the end of each packet. RFC 4106 section 6 forbids other sizes. */
export type IcvBytes = 8 | 12 | 16;
export const ICV_SIZES: readonly IcvBytes[] = [8, 12, 16];

export interface SecurityAssociation {
  readonly direction: "outbound" | "inbound";
  /** 256 to 2^32 - 1: the receiver's name for this association, in clear on each packet. Lower ones are IANA's. */
  readonly spi: number;
  /** Canonical text, one family with `destination`: the outer addresses. The peer's is the one that is not ours. */
  readonly source: string;
  readonly destination: string;
  readonly material: KeyMaterial;
  readonly icvBytes: IcvBytes;
  /** Sequence numbers of 64 bits, of which 32 travel (RFC 4303 section 2.2.1). Both ends must agree. */
  readonly extendedSequence: boolean;
  readonly replay: ReplayProtection;
  readonly limits: AssociationLimits;
}

/** What tells one association from all others of a node. */
export type AssociationId = Pick<SecurityAssociation, "direction" | "spi" | "source" | "destination">;

/** Receiver's choice, invisible to the peer; an outbound association has it too, and ignores it. */
export interface ReplayProtection {
  /** How many packets late one may come: 0 (no protection, as Docker's) or 64 to 65,536. ESN needs one. */
  readonly window: number;
  /**
   * Peers that restart count from 1 again under the same key and SPI, as Docker's engine does. True: a restarted
   * sender is told from an old packet. False, for keys that are never used twice: what is old is refused.
   */
  readonly senderMayRestart: boolean;
}

/** At a soft limit the owner is told once, and replaces the association; at a hard one it is not used any more. */
export interface AssociationLimits {
  readonly soft: AssociationLimit;
  readonly hard: AssociationLimit;
}

/** Each may be `Infinity`. */
export interface AssociationLimit {
  /** Since it was installed. */
  readonly ageMs: number;
  readonly packets: number;
  /** Protected bytes: the UDP datagrams without anything that ESP adds. */
  readonly bytes: number;
}

const never: AssociationLimit = { ageMs: Infinity, packets: Infinity, bytes: Infinity };
export const noLimits: AssociationLimits = { soft: never, hard: never };

const GiB = 2 ** 30;
/**
 * For a key of one pair and direction. Source of bytes: 2^36 blocks of AES-GCM leave an attacker an advantage of about
 * 2^-57 (RFC 8446 section 5.5 has the argument); of packets: far below the 2^64 of extended numbers.
 */
export const pairLimits: AssociationLimits = {
  soft: { ageMs: hours(1), packets: 2 ** 31, bytes: 512 * GiB },
  hard: { ageMs: hours(2), packets: 2 ** 34, bytes: 1024 * GiB },
};
/** For keys of Docker's ring: three quarters of the 32-bit numbers, so that there is time for another key. */
export const ringLimits: AssociationLimits = {
  soft: { ...never, packets: 0.75 * 2 ** 32 },
  hard: { ...never, packets: 2 ** 32 - 1 },
};

export const SPI_MIN = 256;
export const SPI_MAX = 0xffff_ffff;
/** RFC 4303 section 3.4.3 asks for 64; more than this costs memory without a use. */
export const REPLAY_WINDOW_MIN = 64;
export const REPLAY_WINDOW_MAX = 65_536;
/** Well above what reordering on parallel links needs, and what the kernel allows at most. */
export const REPLAY_WINDOW_DEFAULT = 4096;

/** The node at the other end. */
export function peerOf(association: SecurityAssociation): string {
  return association.direction === "outbound" ? association.destination : association.source;
}

/** "outbound 10.0.0.1 -> 10.0.0.2 SPI 0xbfc7f40d", for people and logs; says nothing about the key. */
export function associationName({ direction, source, destination, spi }: AssociationId): string {
  return `${direction} ${source} -> ${destination} SPI 0x${spi.toString(16).padStart(8, "0")}`;
}

/** Throws `Fault` (`invalid`) for an association that RFC 4303 or RFC 4106 do not allow or that cannot be meant. */
export function checkAssociation(association: SecurityAssociation): void {
  const { spi, source, destination, icvBytes, extendedSequence, replay, limits } = association;
  const check = (holds: boolean, why: string): void => {
    if (!holds) throw new Fault("invalid", `${associationName(association)}: ${why}`);
  };
  check(Number.isInteger(spi) && spi >= SPI_MIN && spi <= SPI_MAX, "an SPI is between 256 and 2^32 - 1");
  for (const address of [source, destination]) {
    check(
      isAddress(address) && canonicalAddress(address) === address,
      `${address} is not an address in canonical form`,
    );
  }
  check(addressBytes(source).length === addressBytes(destination).length, "the addresses are of two families");
  check(source !== destination, "source and destination are the same");
  check(ICV_SIZES.includes(icvBytes), "an integrity check value has 8, 12 or 16 bytes");
  const { window, senderMayRestart } = replay;
  const inRange = Number.isInteger(window) && window >= REPLAY_WINDOW_MIN && window <= REPLAY_WINDOW_MAX;
  check(window === 0 || inRange, "a replay window is 0 or between 64 and 65,536 packets");
  check(!extendedSequence || window > 0, "extended sequence numbers need a replay window");
  check(!extendedSequence || !senderMayRestart, "a sender of extended sequence numbers never restarts");
  for (const limit of [limits.soft, limits.hard]) {
    for (const value of [limit.ageMs, limit.packets, limit.bytes]) check(value > 0, "a limit is positive");
  }
}
