/**
 * A fingerprint of everything that happened: a rolling 64-bit hash that two runs share exactly when they did the same
 * things in the same order. Tells runs apart, resists no attacker. Source: FNV-1a, MurmurHash3's mixing constants.
 */
export class Trace {
  #low = 0x811c9dc5 | 0;
  #high = 0x9747b28c | 0;
  #entries = 0;
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);

  /** Whole numbers from 0 to 2^32 - 1, or a 32-bit part of something. */
  word(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul(((this.#high << 15) | (this.#high >>> 17)) ^ value, 0xcc9e2d51);
  }

  /** Any number. */
  number(value: number): void {
    this.#float[0] = value;
    this.word(this.#words[0]!);
    this.word(this.#words[1]!);
  }

  text(value: string): void {
    this.word(value.length);
    for (let at = 0; at < value.length; at++) this.word(value.charCodeAt(at));
  }

  bytes(value: Uint8Array | null | undefined): void {
    this.word(value?.length ?? 0xffff_ffff);
    if (value != null) for (const byte of value) this.word(byte);
  }

  /** One more thing happened. */
  mark(): void {
    this.#entries += 1;
  }

  /** How many things happened. */
  get entries(): number {
    return this.#entries;
  }

  /** 16 hex digits. */
  digest(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }
}
