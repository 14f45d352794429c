/**
 * What one association has carried, held against its limits. Tells each limit once, in the moment it is reached, and
 * says no to everything beyond a hard one.
 */
import type { AssociationLimits } from "../model/security-association.ts";
import type { LimitReason } from "./effects.ts";

export type TellLimit = (kind: "soft" | "hard", because: LimitReason) => void;

export class Meter {
  #packets = 0;
  #bytes = 0;
  #exhausted = false;
  readonly #limits: AssociationLimits;
  readonly #installedAt: number;
  readonly #tell: TellLimit;
  readonly #told = new Set<string>();

  constructor(limits: AssociationLimits, installedAt: number, tell: TellLimit) {
    this.#limits = limits;
    this.#installedAt = installedAt;
    this.#tell = tell;
  }

  get packets(): number {
    return this.#packets;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A hard limit was reached, whichever: nothing may be carried any more. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  /** May one more packet with `bytes` be carried? No is for ever. */
  admits(bytes: number): boolean {
    if (this.#exhausted) return false;
    const { hard } = this.#limits;
    if (this.#packets + 1 > hard.packets) this.reached("hard", "packets");
    else if (this.#bytes + bytes > hard.bytes) this.reached("hard", "bytes");
    return !this.#exhausted;
  }

  /** One packet with `bytes` was carried. */
  count(bytes: number): void {
    const { soft } = this.#limits;
    this.#packets += 1;
    this.#bytes += bytes;
    if (this.#packets >= soft.packets) this.reached("soft", "packets");
    if (this.#bytes >= soft.bytes) this.reached("soft", "bytes");
  }

  /** When the next limit of age is reached; `Infinity` if all are. */
  get deadline(): number {
    const { soft, hard } = this.#limits;
    if (this.#exhausted) return Infinity;
    return this.#installedAt + (this.#told.has("soft age") ? hard.ageMs : Math.min(soft.ageMs, hard.ageMs));
  }

  wake(now: number): void {
    const ageMs = now - this.#installedAt;
    if (ageMs >= this.#limits.hard.ageMs) this.reached("hard", "age");
    else if (ageMs >= this.#limits.soft.ageMs) this.reached("soft", "age");
  }

  /** A limit that somebody else watches was reached. */
  reached(kind: "soft" | "hard", because: LimitReason): void {
    if (kind === "hard") this.#exhausted = true;
    const name = `${kind} ${because}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.#tell(kind, because);
  }
}
