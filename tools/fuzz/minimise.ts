/** Makes an input smaller and plainer as long as it shows the same problem. */

/** Tries of one minimisation. */
const TRIES_MAX = 4_000;

/** `input` itself, or something shorter for which `isBad` still holds. */
export function minimise(input: Uint8Array, isBad: (input: Uint8Array) => boolean, triesMax = TRIES_MAX): Uint8Array {
  let best = input;
  let tries = 0;
  const improves = (candidate: Uint8Array): boolean => {
    if (tries >= triesMax) return false;
    tries += 1;
    if (!isBad(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let before = -1; before !== best.length && tries < triesMax; ) {
    before = best.length;
    for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at + size <= best.length && tries < triesMax; )
        if (!improves(without(best, at, size))) at += size;
    }
  }
  for (let at = 0; at < best.length && tries < triesMax; at++) {
    if (best[at] === 0) continue;
    const plainer = best.slice();
    plainer[at] = 0;
    improves(plainer);
  }
  return best;
}

function without(input: Uint8Array, at: number, count: number): Uint8Array {
  const shorter = new Uint8Array(input.length - count);
  shorter.set(input.subarray(0, at));
  shorter.set(input.subarray(at + count), at);
  return shorter;
}
