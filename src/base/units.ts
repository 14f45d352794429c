/** Durations are milliseconds everywhere; these make the call sites say so. */
export const seconds = (count: number): number => count * 1_000;
export const minutes = (count: number): number => count * 60_000;
export const hours = (count: number): number => count * 3_600_000;
/** Sizes are bytes everywhere. */
export const KiB = 1_024;
export const MiB = 1_048_576;
