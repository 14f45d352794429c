/**
 * Extended sequence numbers: 64 bits, of which only the low 32 travel. The receiver infers the others from where its
 * window stands, and the integrity check proves the guess.
 *
 * Numbers here are plain JavaScript numbers, exact up to `EXTENDED_SEQUENCE_MAX`. Source: RFC 4303 appendix A2.
 */
const HALF = 2 ** 32;

/**
 * The full number of a packet that travels as `low`: the one number that is not below a window of `window` packets
 * that ends at `top`, and less than 2^32 above its beginning. `undefined` if it lies before the first packet.
 */
export function inferSequence(low: number, top: number, window: number): number | undefined {
  const topLow = top % HALF;
  const topHigh = (top - topLow) / HALF;
  // The window lies within one stretch of 2^32 numbers, or begins in the one before.
  const bottomLow = topLow - window + 1;
  if (bottomLow >= 0) return (low >= bottomLow ? topHigh : topHigh + 1) * HALF + low;
  const high = low >= bottomLow + HALF ? topHigh - 1 : topHigh;
  return high < 0 ? undefined : high * HALF + low;
}

export function highHalf(sequence: number): number {
  return Math.floor(sequence / HALF);
}
