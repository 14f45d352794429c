/**
 * The numbers of the protocol, apart from our own choices. Each says what breaks when it changes.
 */

/* From the wire. */

/** A sequence number that does not travel in full has 32 bits; it never wraps (RFC 4303 section 3.3.3). */
export const SEQUENCE_MAX = 0xffff_ffff;
/** Largest UDP datagram that an IPv4 packet can hold together with ESP. */
export const DATAGRAM_BYTES_MAX = 65_535 - 20 - 16 - 2 - 3 - 16;

/* Ours: who keeps to the protocol never meets them. */

/** Extended numbers end here instead of at 2^64: still exact as a JavaScript number, still more than any link sends. */
export const EXTENDED_SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;
/** Associations of one engine, both directions: four and more for each of ten thousand peers. */
export const ASSOCIATIONS_MAX = 65_536;
/** Associations of one peer and direction. Docker's ring needs three, in two spellings of the SPI, and one to come. */
export const ASSOCIATIONS_PER_PEER_MAX = 16;
/** Inbound associations with one SPI, from different sources. */
export const SAME_SPI_MAX = 16;
/** Lives of one restarting sender that are told apart; see `sender-lives.ts`. */
export const SENDER_LIVES_MAX = 8;
/** Restarts of the sender of one association that are told; later ones are only counted. */
export const RESTARTS_TOLD_MAX = 8;
/** Packets with a wrong integrity check value under one association: the owner is told ... */
export const FORGERIES_SOFT = 2 ** 20;
/** ... and the association is not used any more. Source: RFC 9001 section 6.6 allows 2^52 for 16-byte tags. */
export const FORGERIES_HARD = 2 ** 30;
/** Things to tell that wait for the next step; more are dropped, because each is a state that can be read as well. */
export const TOLD_MAX = 1024;
