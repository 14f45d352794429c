/**
 * The numbers of the protocol, apart from our own choices. Each says what breaks when it changes.
 */
import { KiB, MiB } from "../base/units.ts";

/* From the wire: changing one breaks interoperation. Source: memberlist `config.go`, `net.go`, `security.go`. */

/** Lowest protocol version we understand. */
export const PROTOCOL_VERSION_MIN = 1;
/** Highest; 5 makes peers add checksums to gossip. */
export const PROTOCOL_VERSION_MAX = 5;
/** The one we speak. */
export const PROTOCOL_VERSION = 2;
/** From this protocol version on, helpers say when nobody answered. */
export const NACK_PROTOCOL_VERSION = 4;
/** From this protocol version on, members answer pings on TCP. */
export const TCP_PING_PROTOCOL_VERSION = 3;
/** Length of `vsn`; older peers crash on another. */
export const VSN_BYTES = 6;
/** Incarnations have 32 bits. */
export const INCARNATION_MAX = 0xffff_ffff;
/** Largest meta that upstream lets a node announce. */
export const META_BYTES_MAX = 512;
/** Parts of one compound that every peer counts right: memberlist before 0.2.4 overflows above. */
export const COMPOUND_PARTS_SENT_MAX = 127;
/** Parts of one compound that the count byte can express. */
export const COMPOUND_PARTS_MAX = 255;
/** Largest encrypted stream frame that peers accept. */
export const STREAM_FRAME_BYTES_MAX = 20 * MiB;
/** Compound header: type and count; each part costs two more. */
export const COMPOUND_HEADER_BYTES = 2;
export const COMPOUND_PART_BYTES = 2;
/** Type byte in front of a user message. */
export const USER_HEADER_BYTES = 1;
/** Label header: type and length. */
export const LABEL_HEADER_BYTES = 2;
/** CRC header: type and CRC-32; not counted in a packet's budget, as upstream. */
export const CRC_HEADER_BYTES = 5;

/* Ours: a peer that keeps to the protocol never meets them. */

/** Compression, compound and encryption layers inside each other; real senders use three. */
export const NESTING_MAX = 4;
/** One datagram, unpacked. */
export const PACKET_UNPACKED_BYTES_MAX = 64 * KiB;
/** Messages of one datagram, all nested compounds together. */
export const PACKET_MESSAGES_MAX = 255;
/** One stream, unpacked; upstream's own limit on its main branch. */
export const STREAM_UNPACKED_BYTES_MAX = 40 * MiB;
/** User state of one exchange. */
export const USER_STATE_BYTES_MAX = 20 * MiB;
/** Members that one state exchange may list, and that one node remembers. */
export const MEMBERS_MAX = 65_536;
/** Length of a member's name in UTF-8. */
export const NAME_BYTES_MAX = 255;
/** Length of an error text from a peer. */
export const ERROR_BYTES_MAX = 1 * KiB;
/** Streams open at the same time, accepted ones and dialled ones each. Upstream's push/pull limit. */
export const STREAMS_MAX = 128;
/** Indirect pings that we relay at the same time; the oldest is forgotten. */
export const RELAYS_MAX = 1024;
/** Answers to pings of nodes that are no members, in the long run and at once. */
export const STRANGER_ANSWERS_PER_SECOND = 100;
export const STRANGER_ANSWERS_BURST = 200;
/** Broadcasts about members that wait at the same time: one per member. */
export const BROADCASTS_MAX = MEMBERS_MAX;
