/**
 * Small words about byte strings. Everything here works on plain `Uint8Array`: Node's `Buffer` has another `slice`
 * (a view instead of a copy) and another prototype, so decoders turn what they are given into a plain view first.
 */

export const noBytes: Uint8Array = new Uint8Array(0);

/** The same memory as a plain `Uint8Array`, whatever subclass came in. */
export function plainView(bytes: Uint8Array): Uint8Array {
  if (Object.getPrototypeOf(bytes) === Uint8Array.prototype) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** All parts behind each other, in fresh memory. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Same length, same bytes. Not constant in time: never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
