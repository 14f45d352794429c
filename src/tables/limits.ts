/**
 * The numbers of NetworkDB, apart from our own choices. Each says what breaks when it changes.
 */
import { hours, KiB, MiB, minutes, seconds } from "../base/units.ts";

/* From the wire and the behaviour of peers. Source: moby `networkdb/networkdb.go`, `delegate.go`, `cluster.go`. */

/** How long a deleted entry is told of; it travels as `residualReapTime`. */
export const ENTRY_TOMBSTONE_MS = minutes(30);
/** How long an attachment that ended is remembered: a little longer than the entries it had. */
export const NETWORK_TOMBSTONE_MS = minutes(30) + seconds(25);
/** How long a node that is gone is remembered, for reconnecting and to give its entries back. */
export const NODE_TOMBSTONE_MS = hours(24);
/** Time between looks for what is to be forgotten. */
export const REAP_INTERVAL_MS = seconds(5);
/** Time between gossip rounds of tables. */
export const GOSSIP_INTERVAL_MS = 200;
/** Nodes of a network that one round reaches. */
export const GOSSIP_NODES = 3;
/** Time between exchanges of whole tables with a random node of each network. */
export const BULK_SYNC_INTERVAL_MS = seconds(30);
/** How long an exchange waits for the other side's tables. */
export const BULK_SYNC_TIMEOUT_MS = seconds(30);
/** Time between attempts to reach a failed node. */
export const RECONNECT_INTERVAL_MS = seconds(1);
/** Time between checks that one of the bootstrap addresses is a member. */
export const REJOIN_INTERVAL_MS = seconds(60);
/** How long and how often a check that fails tries to join again. */
export const REJOIN_DURATION_MS = seconds(10);
export const REJOIN_RETRY_MS = seconds(1);
/** How long saying goodbye may take. */
export const LEAVE_EVENT_TIMEOUT_MS = seconds(5);
/** Bytes that an event costs at most in a compound, beside its own; peers reckon with 4 and exceed their packets. */
export const COMPOUND_EVENT_BYTES = 6;
/** Bytes of a packet for the compound itself, and 5 that peers leave free. */
export const PACKET_RESERVE_BYTES = 13;
/** Received entries that a bulk sync may bring to a queue this long without being told on. */
export const REBROADCASTS_MAX = 500;
/** Below this share of its life a tombstone that nobody knew is not told on. */
export const TOMBSTONE_NEWS_MS = ENTRY_TOMBSTONE_MS / 6;

/* Ours: a peer that keeps to the protocol never meets them. */

/** Lamport times are exact integers; beyond this none is believed, so that a clock can never come near the end. */
export const LAMPORT_MAX = 2 ** 53 - 2 ** 33;
/** How far ahead of our clock a Lamport time may be: more events than a cluster sees in a century. */
export const LAMPORT_JUMP_MAX = 2 ** 32;
/** How long a deleted entry is remembered against replays: longer than a gossip key is accepted. */
export const TOMBSTONE_MEMORY_MS = hours(36);
/** One message, decoded. */
export const MESSAGE_BYTES_MAX = 20 * MiB;
/** Fields of one message, beside those of a list: several times what any has, so that later ones find room. */
export const FIELDS_MAX = 64;
/** Events of one compound. */
export const COMPOUND_EVENTS_MAX = 262_144;
/** Attachments of one push/pull. */
export const ATTACHMENTS_MAX = 262_144;
/** Networks that one bulk sync names, and that one node may be attached to. */
export const NETWORKS_MAX = 16_384;
/** Identifiers and table names, in UTF-16 units. */
export const NAME_LENGTH_MAX = 256;
/** Value of one entry. */
export const VALUE_BYTES_MAX = 64 * KiB;
/** Entries of one network, and of one owner in it, tombstones included. */
export const ENTRIES_MAX = 262_144;
export const ENTRIES_OF_OWNER_MAX = 65_536;
/** Time after which a bulk sync that nobody answered is asked for again. */
export const BULK_SYNC_RETRY_MS = seconds(5);
/** Exchanges that one node may have open with one peer. */
export const SYNCS_OF_PEER_MAX = 16;
