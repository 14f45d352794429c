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

/** Lamport times are exact integers. */
export const LAMPORT_MAX = Number.MAX_SAFE_INTEGER;
/** Up to here a Lamport time is believed whoever says it: ten thousand events a second take 3,500 years. */
export const LAMPORT_FREE_MAX = 2 ** 50;
/** Up to here while a clock is young, which is for so long after it heard somebody first. */
export const LAMPORT_YOUNG_MAX = 2 ** 51;
export const LAMPORT_YOUNG_MS = minutes(1);
/** How far others may move a clock beyond that, at once, and how much of it comes back: a million events a second. */
export const LAMPORT_ALLOWANCE_MAX = 2 ** 32;
export const LAMPORT_ALLOWANCE_PER_MS = 2 ** 10;
/** How long an entry or attachment that ended is remembered against replays: longer than a gossip key is accepted. */
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
/** Their names and values, and what an entry is reckoned beside these. */
export const NETWORK_BYTES_MAX = 256 * MiB;
export const OWNER_BYTES_MAX = 32 * MiB;
export const ENTRY_OVERHEAD_BYTES = 128;
/** Entries that others make in our name, and that we delete for them: half of what we may have. */
export const DISOWNED_MAX = ENTRIES_OF_OWNER_MAX / 2;
/** Attachments of one state exchange that we send, in bytes, and what one takes beside its names; peers take 20 MiB. */
export const STATE_BYTES_MAX = 16 * MiB;
export const ATTACHMENT_OVERHEAD_BYTES = 24;
/**
 * After one to two of these spells, what a node said counts as heard long ago, and what it said before as old. Half of
 * what gossip remembers packets for, and ten times what an exchange of tables may be late.
 */
export const HEARD_SETTLES_MS = minutes(5);
/** Time until the same is set right a second time, doubled for each more, and at most; after quiet it begins anew. */
export const REPAIR_AGAIN_MS = 200;
export const REPAIR_AGAIN_MS_MAX = minutes(1);
export const REPAIR_QUIET_MS = minutes(10);
/** Things that were set right lately. */
export const REPAIRS_MAX = 65_536;
/** Time after which a bulk sync that nobody answered is asked for again. */
export const BULK_SYNC_RETRY_MS = seconds(5);
/** Exchanges that one node may have open with one peer. */
export const SYNCS_OF_PEER_MAX = 16;
