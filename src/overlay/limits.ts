/**
 * The numbers of overlay networks, apart from our own choices. Each says what breaks when it changes.
 */
import { seconds } from "../base/units.ts";

/* From the wire: other nodes of the cluster, ours or Docker's, do the same. */

/** IANA's port for VXLAN; a cluster may have another, for its whole life. */
export const VXLAN_PORT_DEFAULT = 4789;
/** Network identifiers have 24 bits (RFC 7348 section 5). */
export const VNI_MAX = 0xff_ffff;
/** What the data path of a node is assumed to carry when nobody says otherwise, as Docker does. */
export const UNDERLAY_MTU_DEFAULT = 1500;
/** Ethernet header of the frame inside, VXLAN header, UDP header: 14 + 8 + 8. The outer IP header comes on top. */
export const VXLAN_BYTES = 30;
export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
/** ESP around it with a check value of 8 bytes: SPI and number 8, IV 8, check value 8, padding length and next header 2. */
export const ESP_BYTES = 26;
/** ESP pads to a multiple of this, so sizes in between carry nothing. */
export const ESP_ALIGNMENT_BYTES = 4;
/** Docker's ring: one key to send with, one older, one newer. */
export const RING_KEYS = 3;
/** AES-128. */
export const RING_KEY_BYTES = 16;
/** Request id of Docker's associations; its engine would clean them up if it took the host over. */
export const REQUEST_ID = 0xd0c4e3;

/* Ours: a cluster that keeps to the protocol never meets them. */

/** Smallest MTU that IPv6 allows (RFC 8200 section 5). */
export const IPV6_MTU_MIN = 1280;
/** Smallest MTU that is of any use inside. */
export const MTU_MIN = 576;
export const MTU_MAX = 65_535;
export const NETWORKS_MAX = 4_096;
export const SUBNETS_PER_NETWORK_MAX = 32;
export const ENDPOINTS_MAX = 16_384;
/** Peer rows of all networks; more are refused and counted. */
export const PEERS_MAX = 262_144;
/**
 * Outer packets of encrypted networks come from UDP ports with these bits, those of plain networks from others: IPsec
 * cannot look at a VNI, so this is what its policies go by. Receivers do not care, and nothing in between can take it
 * away as it can a mark. Above what systems choose ports from by default (net.ipv4.ip_local_port_range).
 */
export const ENCRYPTED_SOURCE_PORTS = { from: 0xf000, to: 0xffff, mask: 0xf000 } as const;
export const PLAIN_SOURCE_PORTS = { from: 0x8000, to: 0xf000 } as const;
/** The lower number wins: the block policy loses against every policy that says how to encrypt. */
export const BLOCK_PRIORITY = 4_000_000_000;
/** Between two looks at the kernel when nothing is reported; with the work itself, drift is repaired within 2 s. */
export const AUDIT_EVERY_MS = seconds(1);
/** Reports that come in a burst are answered by one look. */
export const SETTLE_MS = 20;
/** After a pass in which something failed, the next one waits longer each time, up to the audit's time. */
export const RETRY_FIRST_MS = 50;
/** Looks in a row that each find something to do, before others get their turn. */
export const ROUNDS_MAX = 6;
/** Of 2^32 sequence numbers: ask for another key ... */
export const SEQUENCE_SOFT = 0.75 * 2 ** 32;
/** ... and without one, begin anew under a fresh IV mask; peers of Docker's kind have no replay window. */
export const SEQUENCE_HARD = 0.95 * 2 ** 32;
