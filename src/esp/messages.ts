/**
 * An ESP packet around a UDP datagram, byte by byte. Contract only: packet.ts writes and reads it.
 *
 *    0   SPI                u32   the receiver's name for the association
 *    4   sequence number    u32   the low half of an extended one; 1 is the first
 *    8   IV                 u64   explicit; the nonce is salt | IV
 *   16   UDP datagram       n     encrypted from here
 *        padding            0..3  1, 2, 3: up to a multiple of 4 with the next two
 *        padding length     u8
 *        next header        u8    17 for UDP; encrypted up to here
 *        ICV                8, 12 or 16
 *
 *   additional data:  SPI | sequence number u32                   (RFC 4106 section 5)
 *                     SPI | extended sequence number u64          when ESN is on
 *
 * Source: RFC 4303 section 2, RFC 4106 sections 3 to 5. The IP header in front is not protected, and not ours.
 */

export const SPI_AT = 0;
export const SEQUENCE_AT = 4;
export const IV_AT = 8;
export const IV_BYTES = 8;
export const HEADER_BYTES = 16;
export const TRAILER_BYTES = 2;
/** What is encrypted is a multiple of this. */
export const ALIGNMENT_BYTES = 4;
export const PADDING_BYTES_MAX = 255;
export const ICV_BYTES_MAX = 16;

/** IANA's protocol numbers, as they stand in "next header" and in IP headers. */
export const PROTOCOL_ESP = 50;
export const PROTOCOL_UDP = 17;
/** A dummy packet, made to hide how much is said; discarded without being counted as wrong (RFC 4303 section 2.6). */
export const PROTOCOL_NONE = 59;

export const UDP_HEADER_BYTES = 8;
/** What `seal` needs free in front of a datagram, and behind it. */
export const HEADROOM_BYTES = HEADER_BYTES;
export const TAILROOM_BYTES = ALIGNMENT_BYTES - 1 + TRAILER_BYTES + ICV_BYTES_MAX;

/** A packet inside of a larger buffer, changed in place as it is sealed or opened. */
export interface PacketSlot {
  bytes: Uint8Array;
  at: number;
  length: number;
}
