/**
 * Security associations from Docker's ring of three keys: the same for everybody who has the ring, so nothing is agreed
 * upon. Packets are sent under the middle key by age; all three are accepted. Thus two nodes of which one missed a
 * rotation still understand each other.
 *
 * Docker's engine counts from 1 again after a restart, under the same key and SPI, so a receiver that cannot tell lives
 * of a sender apart must have no replay window. No other nonce is derived from the key: IVs begin at random in each
 * life of an association (the kernel's seqiv, `esp/initialization-vector.ts`).
 */
import { Fault } from "../base/fault.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { RingKey } from "../model/ring-key.ts";
import { REPLAY_WINDOW_DEFAULT, ringLimits, type SecurityAssociation } from "../model/security-association.ts";
import type { DataPath } from "./config.ts";
import { RING_KEY_BYTES, RING_KEYS } from "./limits.ts";
import { type SpiForm, saltOf, spiOf } from "./spi.ts";

const ICV_BYTES = 8;

/** What to install for one peer: several to receive with, and the one to send with. */
export interface PeerAssociations {
  /** Of all three keys and both spellings, without doubles. */
  readonly inbound: readonly SecurityAssociation[];
  readonly outbound: SecurityAssociation;
}

/** The keys by age, the oldest first. Throws `Fault` (`invalid`) unless there are three with different tags. */
export function ringByAge(keys: readonly RingKey[]): readonly RingKey[] {
  const byAge = [...keys].sort((one, other) => (one.tag < other.tag ? -1 : 1));
  const tags = new Set(byAge.map(({ tag }) => tag & 0xffff_ffffn));
  if (byAge.length !== RING_KEYS || tags.size !== RING_KEYS) {
    throw new Fault("invalid", `a ring has ${RING_KEYS} keys with different tags, not ${tags.size} of ${keys.length}`);
  }
  return byAge;
}

/** The key to send with: the second oldest. */
export function transmitKey(keys: readonly RingKey[]): RingKey {
  return ringByAge(keys)[1]!;
}

/** `form`: how the peer spells addresses. `peer`: canonical text, not our own. Throws `Fault` (`invalid`) like `ringByAge`. */
export function ringAssociations(
  keys: readonly RingKey[],
  { advertised, bound }: DataPath,
  peer: string,
  form: SpiForm,
): PeerAssociations {
  const inbound = new Map<number, SecurityAssociation>();
  for (const key of ringByAge(keys)) {
    for (const spelling of ["mapped", "short"] as const) {
      const spi = spiOf(peer, advertised, key.tag, spelling);
      if (!inbound.has(spi)) inbound.set(spi, associationOf("inbound", key, spi, peer, bound));
    }
  }
  const key = transmitKey(keys);
  const outbound = associationOf("outbound", key, spiOf(advertised, peer, key.tag, form), bound, peer);
  return { inbound: [...inbound.values()], outbound };
}

function associationOf(
  direction: SecurityAssociation["direction"],
  key: RingKey,
  spi: number,
  source: string,
  destination: string,
): SecurityAssociation {
  const material = key.withBytes((bytes) => {
    const keyAndSalt = new Uint8Array(RING_KEY_BYTES + 4);
    keyAndSalt.set(bytes);
    keyAndSalt.set(saltOf(spi), RING_KEY_BYTES);
    const made = new KeyMaterial(keyAndSalt);
    keyAndSalt.fill(0);
    return made;
  });
  return {
    direction,
    spi,
    source,
    destination,
    material,
    icvBytes: ICV_BYTES,
    extendedSequence: false,
    replay: { window: REPLAY_WINDOW_DEFAULT, senderMayRestart: true },
    limits: ringLimits,
  };
}
