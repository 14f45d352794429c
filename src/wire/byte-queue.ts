/** Bytes of a stream as they arrive, in one piece. Grows with what is there, never with what was announced. */
import { noBytes, plainView } from "./bytes.ts";

export class ByteQueue {
  #bytes = noBytes;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Everything so far; a view that the next `append` may leave behind. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** `chunk` becomes ours: it must not be changed afterwards. */
  append(chunk: Uint8Array): void {
    if (this.#length === 0) {
      this.#bytes = plainView(chunk);
      this.#length = chunk.length;
      return;
    }
    const wanted = this.#length + chunk.length;
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(wanted * 2);
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = wanted;
  }

  clear(): void {
    this.#bytes = noBytes;
    this.#length = 0;
  }
}
