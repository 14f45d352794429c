/**
 * Key and salt of one ESP security association with AES-GCM, in the order every implementation stores them:
 * 16, 24 or 32 bytes of key, then 4 bytes of salt (RFC 4106 section 8.1, "KEYMAT").
 *
 * The bytes stay behind a private field: printing, inspecting, comparing or serialising shows the size and nothing
 * else. They leave through `withBytes` only, on their way into a cipher or into the kernel.
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";

/** Behind the key; with the explicit IV it makes the nonce. */
export const SALT_BYTES = 4;
const KEY_SIZES: readonly number[] = [16, 24, 32];

export class KeyMaterial {
  readonly #bytes: Uint8Array;
  #destroyed = false;

  /** Copies `bytes`: key, then salt. Throws `Fault` (`invalid`) for another length than 20, 28 or 36. */
  constructor(bytes: Uint8Array) {
    if (!KEY_SIZES.includes(bytes.length - SALT_BYTES)) {
      throw new Fault("invalid", `an ESP key with its salt has 20, 28 or 36 bytes, not ${bytes.length}`);
    }
    this.#bytes = Uint8Array.from(bytes);
  }

  /** Of the cipher: 128, 192 or 256. */
  get keyBits(): number {
    return (this.#bytes.length - SALT_BYTES) * 8;
  }

  /** Same key and same salt? Takes the same time whatever the answer, for keys of one size. */
  equals(other: KeyMaterial): boolean {
    if (this.#bytes.length !== other.#bytes.length) return false;
    let difference = 0;
    for (let at = 0; at < this.#bytes.length; at++) difference |= this.#bytes[at]! ^ other.#bytes[at]!;
    return difference === 0;
  }

  /** Lend the bytes to `use`, which copies what it wants to keep and changes nothing. Not after `destroy`. */
  withBytes<Result>(use: (bytes: Uint8Array) => Result): Result {
    assert(!this.#destroyed, "destroyed key material is used");
    return use(this.#bytes);
  }

  /** Overwrite the bytes. Copies that ciphers and kernels made are theirs to forget. */
  destroy(): void {
    this.#destroyed = true;
    this.#bytes.fill(0);
  }

  toString(): string {
    return `ESP key of ${this.keyBits} bits`;
  }

  toJSON(): string {
    return this.toString();
  }
}
