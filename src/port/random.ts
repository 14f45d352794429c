/** The only door to chance: a CSPRNG in a real node, one seeded stream per node in the simulator. */
export interface Random {
  /** Uniform in [0, 2^32). */
  u32(): number;
  /** `length` fresh bytes, owned by the caller. */
  bytes(length: number): Uint8Array;
}
