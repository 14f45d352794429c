/**
 * The three gossip keys of a swarm and the order they stand in: the second oldest encrypts, the others only open. A key
 * is in every ring one whole period before and after it encrypts, so nodes one rotation apart understand each other.
 *
 * A new set is compared with the ring as a whole: a node that missed rotations comes back with the next set, where
 * Docker takes over one key per change and may go on encrypting with a key that nobody has.
 * Source: moby `daemon/libnetwork/agent.go` (`getKeys`, `handleKeyChange`).
 */
import { Fault } from "../base/fault.ts";
import type { SymmetricKey } from "../crypt/aead.ts";
import type { Keyring } from "../gossip/keyring.ts";

/** Keys of one subsystem that a manager hands out. */
const KEYS = 3;

export interface DatedKey {
  readonly key: SymmetricKey;
  /** Tells the keys of a swarm apart, and which is older. */
  readonly lamportTime: number;
}

/** Second oldest, oldest, newest: the order of the ring. Throws `Fault` (`invalid`) unless there are three. */
export function keyOrder<Dated extends { readonly lamportTime: number }>(keys: readonly Dated[]): readonly Dated[] {
  const sorted = [...keys].sort((one, other) => one.lamportTime - other.lamportTime);
  const [oldest, second, newest] = sorted;
  if (sorted.length !== KEYS || oldest === undefined || second === undefined || newest === undefined) {
    throw new Fault("invalid", `a swarm has ${KEYS} gossip keys, not ${keys.length}`);
  }
  if (oldest.lamportTime === second.lamportTime || second.lamportTime === newest.lamportTime) {
    throw new Fault("invalid", "two keys have the same Lamport time");
  }
  return [second, oldest, newest];
}

/** Make the ring hold exactly these keys: install what is new, encrypt with the second oldest, remove the rest. */
export function setKeys(keyring: Keyring, keys: readonly DatedKey[]): void {
  const wanted = keyOrder(keys).map(({ key }) => key);
  for (const key of wanted) keyring.install(key);
  keyring.use(wanted[0]!);
  for (const key of keyring.list()) if (!wanted.some((other) => other.equals(key))) keyring.remove(key);
}
