/**
 * AES-GCM for ESP with what Node.js brings along: the reference against which faster ways are tried, and what is used
 * where there are none. Encrypts where the packet lies, but through memory of its own, a new cipher for each packet.
 *
 * Source: RFC 4106 section 4 (the nonce is salt, then IV) and 8.1 (the salt is behind the key).
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { assert } from "../base/assert.ts";
import type { EspCipher, EspCiphers } from "../port/esp-cipher.ts";

const SALT_BYTES = 4;
const IV_BYTES = 8;

export const nodeEspCiphers: EspCiphers = {
  name: "node:crypto",
  create: (material, icvBytes) => new NodeEspCipher(material, icvBytes),
};

type GcmName = "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm";

class NodeEspCipher implements EspCipher {
  readonly #name: GcmName;
  readonly #icvBytes: number;
  readonly #nonce: Uint8Array;
  #key: KeyObject | undefined;

  constructor(material: Uint8Array, icvBytes: number) {
    const keyBytes = material.length - SALT_BYTES;
    assert([16, 24, 32].includes(keyBytes), "a key has 16, 24 or 32 bytes");
    this.#name = `aes-${keyBytes * 8}-gcm` as GcmName;
    this.#icvBytes = icvBytes;
    this.#key = createSecretKey(material.subarray(0, keyBytes));
    this.#nonce = new Uint8Array(SALT_BYTES + IV_BYTES);
    this.#nonce.set(material.subarray(keyBytes));
  }

  seal(bytes: Uint8Array, ivAt: number, from: number, to: number, aad: Uint8Array): void {
    this.#nonce.set(bytes.subarray(ivAt, ivAt + IV_BYTES), SALT_BYTES);
    const cipher = createCipheriv(this.#name, this.#secret(), this.#nonce, { authTagLength: this.#icvBytes });
    cipher.setAAD(aad);
    bytes.set(cipher.update(bytes.subarray(from, to)), from);
    cipher.final();
    bytes.set(cipher.getAuthTag(), to);
  }

  open(bytes: Uint8Array, ivAt: number, from: number, to: number, aad: Uint8Array): boolean {
    this.#nonce.set(bytes.subarray(ivAt, ivAt + IV_BYTES), SALT_BYTES);
    const decipher = createDecipheriv(this.#name, this.#secret(), this.#nonce, { authTagLength: this.#icvBytes });
    decipher.setAAD(aad);
    decipher.setAuthTag(bytes.subarray(to, to + this.#icvBytes));
    const plain = decipher.update(bytes.subarray(from, to));
    try {
      decipher.final();
    } catch {
      plain.fill(0);
      bytes.fill(0, from, to);
      return false;
    }
    bytes.set(plain, from);
    return true;
  }

  destroy(): void {
    this.#key = undefined;
    this.#nonce.fill(0);
  }

  #secret(): KeyObject {
    assert(this.#key !== undefined, "a destroyed cipher is used");
    return this.#key;
  }
}
