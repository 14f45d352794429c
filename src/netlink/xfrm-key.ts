/**
 * Key and salt of an ESP association with AES-GCM as the kernel takes them and tells them: RFC 4106 puts 4 bytes of salt
 * behind the key of 16, 24 or 32 bytes.
 *
 * Whoever has keys lends them (`LentKey`); what the kernel tells is an `EspKey`, whose bytes stay behind a private field:
 * printing, inspecting or serialising shows the size and nothing else.
 */
import { Fault } from "../base/fault.ts";

export const SALT_BYTES = 4;
/** Key and salt together. */
export const KEY_BYTES: readonly number[] = [20, 28, 36];

/** Key and salt in somebody's hands. */
export interface LentKey {
  /** Lend the bytes to `use`, which copies what it wants to keep and changes nothing. */
  withBytes<Result>(use: (bytes: Uint8Array) => Result): Result;
}

export class EspKey implements LentKey {
  readonly #bytes: Uint8Array;

  /** Copies `bytes`: key, then salt. Throws `Fault` (`invalid`) for another length than 20, 28 or 36. */
  constructor(bytes: Uint8Array) {
    if (!KEY_BYTES.includes(bytes.length)) {
      throw new Fault("invalid", `an ESP key with salt has 20, 28 or 36 bytes, not ${bytes.length}`);
    }
    this.#bytes = Uint8Array.from(bytes);
  }

  /** Of the cipher: 128, 192 or 256. */
  get keyBits(): number {
    return (this.#bytes.length - SALT_BYTES) * 8;
  }

  /** Same key and salt? Takes the same time whatever the answer, for keys of the same size. */
  equals(other: LentKey): boolean {
    return other.withBytes((bytes) => {
      if (this.#bytes.length !== bytes.length) return false;
      let difference = 0;
      for (let at = 0; at < bytes.length; at++) difference |= (this.#bytes[at] ?? 0) ^ (bytes[at] ?? 0);
      return difference === 0;
    });
  }

  withBytes<Result>(use: (bytes: Uint8Array) => Result): Result {
    return use(this.#bytes);
  }

  /** Overwrite the bytes; the key is useless afterwards. */
  destroy(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return `ESP key of ${this.keyBits} bits`;
  }

  toJSON(): string {
    return this.toString();
  }
}
