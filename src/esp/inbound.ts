/**
 * One inbound association at work: infers numbers, judges them, opens packets where they lie, checks what was inside.
 *
 * The order is RFC 4303's: a packet that the window refuses is not decrypted; a packet moves the window only after its
 * integrity check has passed. Never lets out a byte of a packet that it drops.
 */
import type { SecurityAssociation } from "../model/security-association.ts";
import type { EspCipher } from "../port/esp-cipher.ts";
import type { EspDrop, Usage } from "./effects.ts";
import { FORGERIES_HARD, FORGERIES_SOFT, RESTARTS_TOLD_MAX, SENDER_LIVES_MAX } from "./limits.ts";
import {
  ALIGNMENT_BYTES,
  HEADER_BYTES,
  IV_AT,
  type PacketSlot,
  PROTOCOL_NONE,
  PROTOCOL_UDP,
  SEQUENCE_AT,
} from "./messages.ts";
import type { Meter } from "./meter.ts";
import { contentLength, getU32, isDatagramTo, newAad, putAad } from "./packet.ts";
import { ReplayWindow, type Verdict } from "./replay-window.ts";
import { SenderLives } from "./sender-lives.ts";
import { highHalf, inferSequence } from "./sequence.ts";

export class InboundAssociation {
  readonly association: SecurityAssociation;
  readonly meter: Meter;
  readonly #cipher: EspCipher;
  readonly #port: number;
  readonly #tellRestart: () => void;
  readonly #aad: Uint8Array;
  /** One of the two, or none when the window is 0. */
  readonly #window: ReplayWindow | undefined;
  readonly #lives: SenderLives | undefined;
  #highest = 0;
  #forged = 0;
  #late = 0;
  #replayed = 0;

  /** `port`: of the datagrams that may be inside. `tellRestart` is called for the first few restarts of the sender. */
  constructor(
    association: SecurityAssociation,
    cipher: EspCipher,
    port: number,
    meter: Meter,
    tellRestart: () => void,
  ) {
    this.association = association;
    this.meter = meter;
    this.#cipher = cipher;
    this.#port = port;
    this.#tellRestart = tellRestart;
    this.#aad = newAad(association.extendedSequence);
    const { window, senderMayRestart } = association.replay;
    if (window > 0 && senderMayRestart) this.#lives = new SenderLives(window, SENDER_LIVES_MAX);
    else if (window > 0) this.#window = new ReplayWindow(window);
  }

  get usage(): Usage {
    const { packets, bytes } = this.meter;
    const restarts = this.#lives?.restarts ?? 0;
    return {
      packets,
      bytes,
      sequence: this.#lives?.top ?? this.#highest,
      forged: this.#forged,
      late: this.#late,
      replayed: this.#replayed,
      restarts,
    };
  }

  /** Turn the packet in `slot` into the datagram that was in it. Its bytes are lost when it is dropped. */
  open(slot: PacketSlot): EspDrop | undefined {
    const { bytes, at, length } = slot;
    const { spi, icvBytes } = this.association;
    const from = at + HEADER_BYTES;
    const to = at + length - icvBytes;
    if (to - from < ALIGNMENT_BYTES || ((to - from) & (ALIGNMENT_BYTES - 1)) !== 0) return "truncated";
    if (!this.meter.admits(to - from)) return "limitReached";
    const sequence = this.#number(getU32(bytes, at + SEQUENCE_AT));
    // Whose number lies before the first packet is as late as one can be.
    if (sequence === undefined) return this.#refuse("late");
    const maskHigh = (getU32(bytes, at + IV_AT) ^ highHalf(sequence)) >>> 0;
    const maskLow = (getU32(bytes, at + IV_AT + 4) ^ sequence) >>> 0;
    const verdict = this.#judge(sequence, maskHigh, maskLow);
    if (verdict !== "fresh") return this.#refuse(verdict);
    putAad(this.#aad, spi, sequence);
    if (!this.#cipher.open(bytes, at + IV_AT, from, to, this.#aad)) return this.#forgery();
    this.#accept(sequence, maskHigh, maskLow);
    return this.#take(slot, from, to);
  }

  destroy(): void {
    this.#cipher.destroy();
  }

  /** The packet is genuine; what is in it need not be sensible. */
  #take(slot: PacketSlot, from: number, to: number): EspDrop | undefined {
    const { bytes } = slot;
    const length = contentLength(bytes, from, to);
    this.meter.count(Math.max(0, length));
    if (length < 0) return "malformed";
    const nextHeader = bytes[to - 1];
    if (nextHeader === PROTOCOL_NONE) return "dummy";
    if (nextHeader !== PROTOCOL_UDP) return "notUdp";
    if (!isDatagramTo(this.#port, bytes, from, length)) return "notDatagram";
    slot.at = from;
    slot.length = length;
    return undefined;
  }

  #number(low: number): number | undefined {
    if (!this.association.extendedSequence || this.#window === undefined) return low;
    return inferSequence(low, this.#window.top, this.#window.packets);
  }

  #judge(sequence: number, maskHigh: number, maskLow: number): Verdict {
    if (this.#window !== undefined) return this.#window.judge(sequence);
    return this.#lives?.judge(sequence, maskHigh, maskLow) ?? "fresh";
  }

  #accept(sequence: number, maskHigh: number, maskLow: number): void {
    this.#window?.accept(sequence);
    const restarted = this.#lives?.accept(sequence, maskHigh, maskLow) ?? false;
    if (restarted && (this.#lives?.restarts ?? 0) <= RESTARTS_TOLD_MAX) this.#tellRestart();
    if (sequence > this.#highest) this.#highest = sequence;
  }

  #refuse(verdict: "late" | "replayed"): EspDrop {
    if (verdict === "late") this.#late += 1;
    else this.#replayed += 1;
    return verdict;
  }

  #forgery(): EspDrop {
    this.#forged += 1;
    if (this.#forged >= FORGERIES_HARD) this.meter.reached("hard", "forgeries");
    else if (this.#forged >= FORGERIES_SOFT) this.meter.reached("soft", "forgeries");
    return "forged";
  }
}
