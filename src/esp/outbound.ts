/**
 * One outbound association at work: numbers packets, draws their IVs and seals them where they lie.
 *
 * A number is taken before the cipher runs and never given back, so that no failure can use an IV twice.
 */
import type { Uniform } from "../base/random.ts";
import type { SecurityAssociation } from "../model/security-association.ts";
import type { EspCipher } from "../port/esp-cipher.ts";
import type { EspDrop, Usage } from "./effects.ts";
import { InitializationVectors } from "./initialization-vector.ts";
import { DATAGRAM_BYTES_MAX, EXTENDED_SEQUENCE_MAX, SEQUENCE_MAX } from "./limits.ts";
import { HEADER_BYTES, IV_AT, type PacketSlot } from "./messages.ts";
import type { Meter } from "./meter.ts";
import { newAad, putAad, putHeader, putTrailer } from "./packet.ts";

export class OutboundAssociation {
  readonly association: SecurityAssociation;
  readonly meter: Meter;
  readonly #cipher: EspCipher;
  readonly #random: Uniform;
  readonly #aad: Uint8Array;
  readonly #sequenceMax: number;
  #vectors: InitializationVectors;
  #sequence: number;
  #restarts = 0;

  /** `sequence`: of the last packet before the first one. */
  constructor(association: SecurityAssociation, cipher: EspCipher, random: Uniform, meter: Meter, sequence = 0) {
    this.association = association;
    this.meter = meter;
    this.#sequence = sequence;
    this.#cipher = cipher;
    this.#random = random;
    this.#aad = newAad(association.extendedSequence);
    this.#sequenceMax = association.extendedSequence ? EXTENDED_SEQUENCE_MAX : SEQUENCE_MAX;
    this.#vectors = new InitializationVectors(random);
  }

  get usage(): Usage {
    const { packets, bytes } = this.meter;
    return { packets, bytes, sequence: this.#sequence, forged: 0, late: 0, replayed: 0, restarts: this.#restarts };
  }

  /**
   * Turn the datagram in `slot` into a packet, with `HEADROOM_BYTES` in front of it and `TAILROOM_BYTES` behind it
   * overwritten. A drop leaves `slot` and the bytes as they are.
   */
  seal(slot: PacketSlot): EspDrop | undefined {
    const { bytes, at: from, length } = slot;
    if (length > DATAGRAM_BYTES_MAX) return "oversize";
    if (!this.meter.admits(length)) return "limitReached";
    if (this.#sequence >= this.#sequenceMax) {
      this.meter.reached("hard", "sequence");
      return "sequenceExhausted";
    }
    this.#sequence += 1;
    const { spi, icvBytes } = this.association;
    const at = from - HEADER_BYTES;
    putHeader(bytes, at, spi, this.#sequence);
    this.#vectors.put(bytes, at + IV_AT, this.#sequence);
    const to = putTrailer(bytes, from + length, length);
    putAad(this.#aad, spi, this.#sequence);
    this.#cipher.seal(bytes, at + IV_AT, from, to, this.#aad);
    this.meter.count(length);
    slot.at = at;
    slot.length = to + icvBytes - at;
    return undefined;
  }

  /** Count from 1 again, with a new mask, because the numbers run out; only for receivers that bear it. */
  restart(): void {
    this.#sequence = 0;
    this.#restarts += 1;
    this.#vectors = new InitializationVectors(this.#random);
  }

  destroy(): void {
    this.#cipher.destroy();
  }
}
