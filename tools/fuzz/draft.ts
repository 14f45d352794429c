/** Bytes under the knife: a buffer that is kept between inputs, with the cuts that mutations are made of. */

/** No input is longer: somewhat more than a datagram can carry. */
export const INPUT_BYTES_MAX = 72_000;

export class Draft {
  readonly bytes = new Uint8Array(INPUT_BYTES_MAX);
  length = 0;

  /** Begin again with `bytes`, as far as they fit. */
  start(bytes: Uint8Array): void {
    this.length = 0;
    this.insert(0, bytes);
  }

  /** Put `bytes` at `at`, moving the rest; what does not fit falls off the end. */
  insert(at: number, bytes: Uint8Array): void {
    const count = Math.min(bytes.length, INPUT_BYTES_MAX - at);
    const moved = Math.min(this.length - at, INPUT_BYTES_MAX - at - count);
    this.bytes.copyWithin(at + count, at, at + moved);
    this.bytes.set(bytes.subarray(0, count), at);
    this.length = at + count + moved;
  }

  /** Write `bytes` over what is at `at`, as far as the draft goes. */
  overwrite(at: number, bytes: Uint8Array): void {
    this.bytes.set(bytes.subarray(0, this.length - at), at);
  }

  remove(at: number, count: number): void {
    this.bytes.copyWithin(at, at + count, this.length);
    this.length -= count;
  }

  /** `bytes[at..at+count)`, in fresh memory. */
  copy(at: number, count: number): Uint8Array {
    return this.bytes.slice(at, at + count);
  }

  /** The input as it stands, in fresh memory. */
  take(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}
