/**
 * Which protocol versions can live in one cluster.
 *
 * Every member says which versions of the protocol (P) and of the layer above (D) it understands, and which it speaks:
 * [PMin, PMax, PCur, DMin, DMax, DCur]. All living members together understand a range; what anybody speaks, the dead
 * included, must lie in it. Source: memberlist `memberlist.go` (`verifyProtocol`), `state.go` (`aliveNode`).
 */
import type { MemberState } from "./messages.ts";

export interface Versioned {
  readonly vsn: Uint8Array | null;
  readonly state: MemberState;
}

/** Could a member with these versions exist at all? Versions that were not told are not judged. */
export function isPossibleVsn(vsn: Uint8Array | null): boolean {
  if (vsn === null || vsn.length < 3) return true;
  const [pMin = 0, pMax = 0] = vsn;
  return pMin !== 0 && pMax !== 0 && pMin <= pMax;
}

/** Does one range hold what each of them speaks? */
export function areCompatible(members: Iterable<Versioned>): boolean {
  const range = new Range();
  const spoken = new Set<number>();
  for (const { vsn, state } of members) {
    if (state === "alive" && vsn !== null && vsn.length >= 5) range.narrow(vsn);
    spoken.add(((vsn?.[2] ?? 0) << 8) | (vsn?.[5] ?? 0));
  }
  for (const pair of spoken) if (!range.holds(pair >> 8, pair & 0xff)) return false;
  return true;
}

class Range {
  #pMin = 0;
  #pMax = 255;
  #dMin = 0;
  #dMax = 255;

  narrow([pMin = 0, pMax = 0, , dMin = 0, dMax = 0]: Uint8Array): void {
    this.#pMin = Math.max(this.#pMin, pMin);
    this.#pMax = Math.min(this.#pMax, pMax);
    this.#dMin = Math.max(this.#dMin, dMin);
    this.#dMax = Math.min(this.#dMax, dMax);
  }

  holds(pCur: number, dCur: number): boolean {
    return pCur >= this.#pMin && pCur <= this.#pMax && dCur >= this.#dMin && dCur <= this.#dMax;
  }
}
