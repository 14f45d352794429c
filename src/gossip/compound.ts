/**
 * Several messages in one packet.
 *
 *   07 | count u8 | count x length u16 | parts        big endian; a part is a message with its type byte
 *
 * Knows nothing of what the parts say. Source: memberlist `util.go` (`makeCompoundMessage`, `decodeCompoundMessage`).
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { COMPOUND_HEADER_BYTES, COMPOUND_PART_BYTES, COMPOUND_PARTS_SENT_MAX } from "./limits.ts";
import { MessageType } from "./messages.ts";

const PART_LENGTH_MAX = 0xffff;

/** Join 1..127 parts, none of them empty: older peers crash on an empty part and miscount more than 127. */
export function encodeCompound(parts: readonly Uint8Array[]): Uint8Array {
  assert(parts.length > 0 && parts.length <= COMPOUND_PARTS_SENT_MAX, "a compound is sent with 1..127 parts");
  let at = COMPOUND_HEADER_BYTES + parts.length * COMPOUND_PART_BYTES;
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, at));
  bytes[0] = MessageType.compound;
  bytes[1] = parts.length;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    assert(part.length > 0, "an empty message is never sent");
    if (part.length > PART_LENGTH_MAX) throw new Fault("oversize", "a message is too long for a compound");
    const lengthAt = COMPOUND_HEADER_BYTES + index * COMPOUND_PART_BYTES;
    bytes[lengthAt] = part.length >>> 8;
    bytes[lengthAt + 1] = part.length;
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Call `take` with the start and end of every part inside `bytes[start..end)`, `start` being the type byte.
 * Throws `Fault` (`truncated`) if the table of lengths is not whole, or, after the parts before it, at the first
 * part that is not.
 */
export function eachPart(
  bytes: Uint8Array,
  start: number,
  end: number,
  take: (from: number, to: number) => void,
): void {
  const count = start + 1 < end ? bytes[start + 1]! : 0;
  const lengthsAt = start + COMPOUND_HEADER_BYTES;
  let at = lengthsAt + count * COMPOUND_PART_BYTES;
  if (start + 1 >= end || at > end) throw new Fault("truncated", "a compound ends inside its lengths");
  for (let index = 0; index < count; index++) {
    const lengthAt = lengthsAt + index * COMPOUND_PART_BYTES;
    const next = at + ((bytes[lengthAt]! << 8) | bytes[lengthAt + 1]!);
    if (next > end) throw new Fault("truncated", `a compound ends inside part ${index + 1} of ${count}`);
    take(at, next);
    at = next;
  }
}
