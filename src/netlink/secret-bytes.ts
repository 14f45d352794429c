/**
 * Bytes that hold a secret on its way to the kernel: everything that takes bytes takes them, and printing, inspecting
 * or serialising them shows how many they are and nothing else.
 */
export class SecretBytes extends Uint8Array {
  /** Views and copies are plain: who cuts a secret open answers for the pieces. */
  static readonly [Symbol.species] = Uint8Array;

  override toString(): string {
    return `${this.length} secret bytes`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** Node.js asks this when it prints; the name is global, so that nothing of Node.js is imported for it. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}
