/**
 * What the kernel's IPsec (XFRM) knows, as values: security associations, policies, and how they are named.
 *
 * Every field is always there; zero stands for "any" or "none" as it does in the kernel, so that a value read back can
 * be compared with the one that was asked for. Addresses are canonical text (base/ip.ts). Only ESP is spoken of.
 * Source: include/uapi/linux/xfrm.h of Linux.
 */
import type { KeyMaterial } from "../model/key-material.ts";

/** `mask` 0: no mark. On policies and lookups: does `mark & mask` of the packet equal `value`? */
export interface Mark {
  readonly value: number;
  readonly mask: number;
}

export const noMark: Mark = { value: 0, mask: 0 };

export interface Prefix {
  readonly address: string;
  /** 0 to 32, or to 128. */
  readonly bits: number;
}

/** Which packets. Both prefixes are of one family. Ports 0, protocol 0, interface 0: any. */
export interface Selector {
  readonly source: Prefix;
  readonly destination: Prefix;
  /** IANA's number: 17 for UDP. */
  readonly protocol: number;
  readonly sourcePort: number;
  /** Bits of the source port that count; without it, all of them. */
  readonly sourcePortMask?: number;
  readonly destinationPort: number;
  readonly interfaceIndex: number;
}

export const allIpv4: Selector = selectAll("0.0.0.0");
export const allIpv6: Selector = selectAll("::");

function selectAll(address: string): Selector {
  const any = { address, bits: 0 };
  return { source: any, destination: any, protocol: 0, sourcePort: 0, destinationPort: 0, interfaceIndex: 0 };
}

export type Mode = "transport" | "tunnel";

/** How long, counted in three ways; 0 is for ever. At a soft limit the kernel tells, at a hard one it stops using it. */
export interface Limits {
  readonly softBytes: bigint;
  readonly hardBytes: bigint;
  readonly softPackets: bigint;
  readonly hardPackets: bigint;
  /** Since it was added. */
  readonly softAgeSeconds: number;
  readonly hardAgeSeconds: number;
  /** Since it was used first. */
  readonly softUseSeconds: number;
  readonly hardUseSeconds: number;
}

export const noLimits: Limits = {
  softBytes: 0n,
  hardBytes: 0n,
  softPackets: 0n,
  hardPackets: 0n,
  softAgeSeconds: 0,
  hardAgeSeconds: 0,
  softUseSeconds: 0,
  hardUseSeconds: 0,
};

/** The moments are seconds since 1970 by the clock of the host; 0 is never. */
export interface Usage {
  readonly bytes: bigint;
  readonly packets: bigint;
  readonly addedAtSeconds: number;
  readonly usedAtSeconds: number;
}

/** How the kernel finds an association: `source` only matters together with `mark`, and for reports. */
export interface AssociationId {
  readonly source: string;
  readonly destination: string;
  /** 1 to 2^32 - 1; below 256 is reserved by IANA. */
  readonly spi: number;
  readonly mark: Mark;
}

/** The number of the last packet that was sent, and the highest that was received. */
export interface Sequence {
  readonly outgoing: bigint;
  readonly incoming: bigint;
}

export const noSequence: Sequence = { outgoing: 0n, incoming: 0n };

/** Bits of the integrity check value that RFC 4106 allows. */
export type IcvBits = 64 | 96 | 128;

/** ESP with AES-GCM (RFC 4106), in one direction. */
export interface Association extends AssociationId {
  /** Ties policies, associations and packet filters together; ours to choose, 0 for none. */
  readonly requestId: number;
  readonly mode: Mode;
  readonly key: KeyMaterial;
  readonly icvBits: IcvBits;
  /** Sequence numbers of 64 bits, of which 32 travel (RFC 4304). Needs a window. */
  readonly extendedSequence: boolean;
  /** How far behind the highest number a packet may come: 0 to 4096 packets; 0 accepts replays for ever. */
  readonly replayWindow: number;
  /** Where to start from; zero for a fresh key. */
  readonly sequence: Sequence;
  /** Set on packets that were transformed, before they are routed again. */
  readonly outputMark: Mark;
  readonly limits: Limits;
}

/** An association as the kernel has it. */
export interface AssociationState extends Association {
  readonly usage: Usage;
  /** Packets refused: below the window, seen before, or with a wrong integrity check. */
  readonly refused: { readonly belowWindow: number; readonly replayed: number; readonly forged: number };
}

export type Direction = "in" | "out" | "forward";

/** How packets that a policy selects have to be transformed. */
export interface Template {
  readonly source: string;
  readonly destination: string;
  /** 0: any. */
  readonly spi: number;
  readonly requestId: number;
  readonly mode: Mode;
  /** Let packets pass that are not transformed. */
  readonly optional: boolean;
}

/** The kernel knows no two policies that are equal in all of this. */
export interface PolicyId {
  readonly direction: Direction;
  readonly selector: Selector;
  readonly mark: Mark;
}

export interface Policy extends PolicyId {
  readonly action: "allow" | "block";
  /** The lower number wins. */
  readonly priority: number;
  /** With none, `allow` lets packets pass as they are. */
  readonly templates: readonly Template[];
  readonly limits: Limits;
}

export interface PolicyState extends Policy {
  readonly index: number;
  readonly usage: Usage;
}
