/**
 * The keys of a cluster, in order: the first is primary and encrypts, every one decrypts. Rotation is install, use,
 * remove. An empty ring means no encryption. Source: memberlist `keyring.go`.
 */
import { Fault } from "../base/fault.ts";
import type { SymmetricKey } from "../crypt/aead.ts";

/** Ours: every packet that nobody here made costs one attempt per key. A rotation needs three. */
export const KEYRING_KEYS_MAX = 32;

export class Keyring {
  readonly #keys: SymmetricKey[] = [];

  /** The first key is primary. Throws `Fault` as `install`. */
  constructor(keys: readonly SymmetricKey[] = []) {
    for (const key of keys) this.install(key);
  }

  /** Is there anything to encrypt with? */
  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /** The key that encrypts. */
  get primary(): SymmetricKey | undefined {
    return this.#keys[0];
  }

  /** All keys, primary first; a copy. */
  list(): readonly SymmetricKey[] {
    return [...this.#keys];
  }

  /** Accept what `key` encrypts from now on; the first key becomes primary. Nothing happens if it is here already.
   * Throws `Fault` (`conflict`) when the ring is full. */
  install(key: SymmetricKey): void {
    if (this.#indexOf(key) >= 0) return;
    if (this.#keys.length === KEYRING_KEYS_MAX) {
      throw new Fault("conflict", `the keyring is full (${KEYRING_KEYS_MAX} keys)`);
    }
    this.#keys.push(key);
  }

  /** Encrypt with `key` from now on. Throws `Fault` (`notFound`) if it is not installed. */
  use(key: SymmetricKey): void {
    const index = this.#indexOf(key);
    if (index < 0) throw new Fault("notFound", `${key} is not in the keyring`);
    this.#keys.unshift(...this.#keys.splice(index, 1));
  }

  /** Forget `key`; nothing happens if it is not here. Throws `Fault` (`conflict`) for the primary key. */
  remove(key: SymmetricKey): void {
    const index = this.#indexOf(key);
    if (index === 0) throw new Fault("conflict", `${key} is the primary key and cannot be removed`);
    if (index > 0) this.#keys.splice(index, 1);
  }

  /** The first result of `attempt` over all keys, primary first, that is not `undefined`. */
  tryEach<Result>(attempt: (key: SymmetricKey) => Result | undefined): Result | undefined {
    for (const key of this.#keys) {
      const result = attempt(key);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  #indexOf(key: SymmetricKey): number {
    return this.#keys.findIndex((installed) => installed.equals(key));
  }
}
