/** The door to AES-GCM for ESP (RFC 4106): one key with its salt, one direction, packets encrypted where they lie. */

/**
 * A cipher made once per association. `bytes` stays the caller's; nothing of it is kept after a call. The nonce is the
 * salt and the 8 bytes at `ivAt`; the caller never seals twice with one IV.
 */
export interface EspCipher {
  /** Encrypt `bytes[from, to)` in place and write the integrity check value at `to`. `aad`: 8 or 12 bytes. */
  seal(bytes: Uint8Array, ivAt: number, from: number, to: number, aad: Uint8Array): void;
  /**
   * Decrypt `bytes[from, to)` in place if the integrity check value at `to` is right; the answer is whether it was.
   * When it was not, the range is overwritten with zeros.
   */
  open(bytes: Uint8Array, ivAt: number, from: number, to: number, aad: Uint8Array): boolean;
  /** Forget the key. Nothing may be called afterwards. */
  destroy(): void;
}

export interface EspCiphers {
  /** For people: which implementation this is. */
  readonly name: string;
  /** `material`: 16, 24 or 32 bytes of key and 4 of salt, only lent. `icvBytes`: 8, 12 or 16. */
  create(material: Uint8Array, icvBytes: number, direction: "outbound" | "inbound"): EspCipher;
}
