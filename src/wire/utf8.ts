/**
 * UTF-8, strict where it comes in: a string that came out of `readUtf8` goes back to exactly the same bytes, so two
 * different names on the wire are never the same name here. A lone surrogate, which only our own callers could
 * produce, is written as U+FFFD. Names are short and mostly ASCII, hence the hand-written fast path.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Length of `text` in UTF-8, without encoding it. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (isPair(text, index)) {
      length += 2;
      index += 1;
    } else length += 2;
  }
  return length;
}

/** The text of `bytes[start..end)`, or `undefined` if that is not valid UTF-8. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return readStrict(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Write `text` at `at`; the caller has made room for `utf8Length(text)` bytes. Returns the position behind it. */
export function writeUtf8(text: string, into: Uint8Array, at: number): number {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return at + index + encoder.encodeInto(text.slice(index), into.subarray(at + index)).written;
    into[at + index] = unit;
  }
  return at + text.length;
}

export function utf8Bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

function readStrict(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function isPair(text: string, index: number): boolean {
  const high = text.charCodeAt(index);
  const low = text.charCodeAt(index + 1);
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
}
