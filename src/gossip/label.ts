/**
 * The label in clear text in front of packets and of dialled streams: keeps clusters apart that share a network.
 *
 *   f4 | length u8 (1..255) | label
 *
 * It is no secret, but it is authenticated: encryption takes it as additional data. Source: memberlist `label.go`.
 */
import { Fault } from "../base/fault.ts";
import { concatBytes, equalBytes } from "../wire/bytes.ts";
import { utf8Bytes } from "../wire/utf8.ts";
import { LABEL_HEADER_BYTES } from "./limits.ts";
import { MessageType } from "./messages.ts";

export const LABEL_BYTES_MAX = 255;

export class Label {
  /** The label alone: additional data of everything encrypted. Empty without a label. */
  readonly bytes: Uint8Array;
  /** What goes in front; empty without a label. */
  readonly header: Uint8Array;
  readonly #skipInboundCheck: boolean;

  /** Throws `Fault` (`invalid`) for more than 255 bytes. */
  constructor(label: string, skipInboundCheck: boolean) {
    this.bytes = utf8Bytes(label);
    this.#skipInboundCheck = skipInboundCheck;
    if (this.bytes.length > LABEL_BYTES_MAX) throw new Fault("invalid", "a label has at most 255 bytes");
    this.header =
      label === "" ? this.bytes : concatBytes(Uint8Array.of(MessageType.label, this.bytes.length), this.bytes);
  }

  /**
   * Where the rest starts behind the label header that `bytes` must or must not begin with; `undefined` if `bytes`
   * may go on and cannot be told yet. Throws `Fault`: `labelMismatch`, `malformed` for an empty label.
   */
  strip(bytes: Uint8Array): number | undefined {
    const wanted = this.#skipInboundCheck ? 0 : this.bytes.length;
    if (bytes.length === 0) return undefined;
    if (bytes[0] !== MessageType.label) {
      if (wanted > 0) throw new Fault("labelMismatch", "carries no label");
      return 0;
    }
    if (wanted === 0) throw new Fault("labelMismatch", "carries a label where none is expected");
    if (bytes.length < LABEL_HEADER_BYTES) return undefined;
    const length = bytes[1]!;
    if (length === 0) throw new Fault("malformed", "carries an empty label");
    if (length !== wanted) throw new Fault("labelMismatch", "carries another label");
    const end = LABEL_HEADER_BYTES + length;
    if (bytes.length < end) return undefined;
    if (!equalBytes(bytes.subarray(LABEL_HEADER_BYTES, end), this.bytes)) {
      throw new Fault("labelMismatch", "carries another label");
    }
    return end;
  }
}
