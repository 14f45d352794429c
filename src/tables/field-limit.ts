/**
 * Counts the fields of a protobuf message before it is decoded. An empty field takes two bytes on the wire and a
 * hundred in memory, so that a limit on bytes alone lets a message of 20 MiB take more than a gigabyte.
 *
 * Allocates nothing. Looks at the outermost fields only and judges nothing else: what is not protobuf, the decoder says.
 */
import { Fault } from "../base/fault.ts";

/** Throws `Fault` (`oversize`) if `bytes` begins more than `fieldsMax` fields. */
export function limitFields(bytes: Uint8Array, fieldsMax: number): void {
  let at = 0;
  for (let count = 0; at < bytes.length; count++) {
    if (count === fieldsMax) throw new Fault("oversize", `a table message has more than ${fieldsMax} fields`);
    const wireType = (bytes[at] ?? 0) & 7;
    at = afterVarint(bytes, at);
    if (wireType === 0) at = afterVarint(bytes, at);
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) at = afterVarint(bytes, at) + lengthAt(bytes, at);
  }
}

function afterVarint(bytes: Uint8Array, at: number): number {
  let end = at;
  while ((bytes[end] ?? 0) >= 0x80) end += 1;
  return end + 1;
}

/** A length that no message has is infinite, and ends the count. */
function lengthAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[at + index] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return value;
  }
  return Number.POSITIVE_INFINITY;
}
