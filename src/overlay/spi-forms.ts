/**
 * How each peer spells addresses in SPIs, by what it sends: it is answered in the spelling that it uses itself.
 */
import type { RingKey } from "../model/ring-key.ts";
import type { DataPath } from "./config.ts";
import type { AssociationUsage } from "./effects.ts";
import { associationKey } from "./row-key.ts";
import { type SpiForm, spiOf } from "./spi.ts";

export class SpiForms {
  readonly #forms = new Map<string, SpiForm>();
  readonly #seen = new Map<string, number>();

  get forms(): ReadonlyMap<string, SpiForm> {
    return this.#forms;
  }

  /** Look at what has come since the last time. `usage` by the keys of association rows. */
  learn(
    vteps: readonly string[],
    keys: readonly RingKey[],
    { advertised, bound }: DataPath,
    usage: ReadonlyMap<string, AssociationUsage>,
  ): void {
    for (const peer of vteps) {
      const fresh = (form: SpiForm): number =>
        keys.reduce((sum, { tag }) => {
          const key = associationKey(bound, spiOf(peer, advertised, tag, form));
          const packets = usage.get(key)?.packets ?? 0;
          const before = this.#seen.get(key) ?? 0;
          return sum + Math.max(0, packets - before);
        }, 0);
      const [mapped, short] = [fresh("mapped"), fresh("short")];
      if (mapped > 0) this.#forms.set(peer, "mapped");
      else if (short > 0) this.#forms.set(peer, "short");
    }
    this.#seen.clear();
    for (const [key, { packets }] of usage) this.#seen.set(key, packets);
  }
}
