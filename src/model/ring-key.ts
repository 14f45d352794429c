/**
 * One key of the ring that all nodes of a cluster share to encrypt their overlay networks, as Docker's managers hand
 * it out: 16 bytes and a tag. Managers count the tags up; they order the keys, and SPIs are made from them.
 *
 * The bytes stay behind a private field: printing, inspecting or serialising shows the tag and nothing else.
 * Source: swarmkit `EncryptionKey`.
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";

const KEY_BYTES = 16;
const TAG_END = 1n << 64n;

export class RingKey {
  /** Lamport time of the key: 64 bits. */
  readonly tag: bigint;
  readonly #bytes: Uint8Array;
  #destroyed = false;

  /** Copies `bytes`. Throws `Fault` (`invalid`) if there are not 16, or the tag has more than 64 bits. */
  constructor(tag: bigint, bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw new Fault("invalid", `a ring key has 16 bytes, not ${bytes.length}`);
    if (tag < 0n || tag >= TAG_END) throw new Fault("invalid", `a ring key's tag has 64 bits: ${tag}`);
    this.tag = tag;
    this.#bytes = Uint8Array.from(bytes);
  }

  /** Lend the bytes to `use`, which copies what it wants to keep and changes nothing. Not after `destroy`. */
  withBytes<Result>(use: (bytes: Uint8Array) => Result): Result {
    assert(!this.#destroyed, "a destroyed ring key is used");
    return use(this.#bytes);
  }

  /** Overwrite the bytes. */
  destroy(): void {
    this.#destroyed = true;
    this.#bytes.fill(0);
  }

  toString(): string {
    return `ring key 0x${this.tag.toString(16)}`;
  }

  toJSON(): string {
    return this.toString();
  }
}
