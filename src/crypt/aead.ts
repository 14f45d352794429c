/**
 * AES-GCM with 12-byte nonces and 16-byte tags, synchronous, and the key it works with.
 *
 * A `SymmetricKey` holds its bytes inside an OpenSSL handle behind a private field: printing, inspecting, comparing
 * or serialising it shows its id and nothing else. It chooses no nonces: the caller must never use one twice.
 * Source: NIST SP 800-38D, RFC 5116.
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
/** AES-128, AES-192, AES-256. */
export const KEY_SIZES: readonly number[] = [16, 24, 32];

type GcmName = "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm";
const gcmNames = new Map<number, GcmName>([
  [16, "aes-128-gcm"],
  [24, "aes-192-gcm"],
  [32, "aes-256-gcm"],
]);

const ID_CONTEXT = "skep key id 1";
const ID_HEX_DIGITS = 16;

export class SymmetricKey {
  /** 16 hex digits that tell keys apart for people and for logs; says nothing about the bytes. */
  readonly id: string;
  readonly #key: KeyObject;
  readonly #gcmName: GcmName;

  /** Copies `bytes`: 16, 24 or 32 of them. Throws `Fault` (`invalid`) for another length. */
  constructor(bytes: Uint8Array) {
    const gcmName = gcmNames.get(bytes.length);
    if (gcmName === undefined) throw new Fault("invalid", `a key has 16, 24 or 32 bytes, not ${bytes.length}`);
    this.#gcmName = gcmName;
    this.#key = createSecretKey(bytes);
    this.id = createHmac("sha256", this.#key).update(ID_CONTEXT).digest("hex").slice(0, ID_HEX_DIGITS);
  }

  /** Same bytes? Takes the same time whatever the answer. */
  equals(other: SymmetricKey): boolean {
    return this.#key.equals(other.#key);
  }

  /** Encrypt `plain` into `out` at `at`: as many bytes, then the tag. */
  sealInto(out: Uint8Array, at: number, nonce: Uint8Array, plain: Uint8Array, aad: Uint8Array): void {
    assert(nonce.length === NONCE_BYTES, "a nonce has 12 bytes");
    const cipher = createCipheriv(this.#gcmName, this.#key, nonce, { authTagLength: TAG_BYTES });
    if (aad.length > 0) cipher.setAAD(aad);
    out.set(cipher.update(plain), at);
    cipher.final();
    out.set(cipher.getAuthTag(), at + plain.length);
  }

  /** Ciphertext and tag of `plain`. */
  seal(nonce: Uint8Array, plain: Uint8Array, aad: Uint8Array): Uint8Array {
    const out = new Uint8Array(plain.length + TAG_BYTES);
    this.sealInto(out, 0, nonce, plain, aad);
    return out;
  }

  /** The plain bytes of ciphertext and tag, in fresh memory; `undefined` if this key did not make them. */
  open(nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    assert(nonce.length === NONCE_BYTES, "a nonce has 12 bytes");
    if (sealed.length < TAG_BYTES) return undefined;
    const split = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(this.#gcmName, this.#key, nonce, { authTagLength: TAG_BYTES });
    if (aad.length > 0) decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(split));
    const plain = decipher.update(sealed.subarray(0, split));
    try {
      decipher.final();
    } catch {
      plain.fill(0);
      return undefined;
    }
    return new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength);
  }

  toString(): string {
    return `key ${this.id}`;
  }

  toJSON(): string {
    return this.id;
  }
}
