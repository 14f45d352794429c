import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ReplayWindow, type Verdict } from "../../../src/esp/replay-window.ts";
import { SenderLives } from "../../../src/esp/sender-lives.ts";
import { inferSequence } from "../../../src/esp/sequence.ts";

/** What a window is, without any skill: every number ever accepted. */
class SlowWindow {
  readonly #seen = new Set<number>();
  readonly #packets: number;
  top = 0;

  constructor(packets: number) {
    this.#packets = packets;
  }

  judge(sequence: number): Verdict {
    if (sequence < 1 || sequence <= this.top - this.#packets) return "late";
    return this.#seen.has(sequence) ? "replayed" : "fresh";
  }

  accept(sequence: number): void {
    this.#seen.add(sequence);
    this.top = Math.max(this.top, sequence);
  }
}

const windows = fc.constantFrom(64, 65, 95, 96, 97, 128, 1000, 4096, 65_536);
const bases = fc.constantFrom(0, 2 ** 31 - 100, 2 ** 32 - 200, 2 ** 33, 2 ** 52);
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: -10, max: 40 }) },
    { weight: 3, arbitrary: fc.integer({ min: -5000, max: 5000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -70_000, max: 200_000 }) },
  ),
  { maxLength: 400 },
);

describe("replay window", () => {
  test("judges as one that remembers everything", () => {
    fc.assert(
      fc.property(windows, bases, steps, (packets, base, moves) => {
        const [window, slow] = [new ReplayWindow(packets), new SlowWindow(packets)];
        for (const move of moves) {
          const sequence = Math.max(0, Math.max(slow.top, base) + move);
          const verdict = slow.judge(sequence);
          assert.equal(window.judge(sequence), verdict, `number ${sequence}, top ${slow.top}, window ${packets}`);
          if (verdict !== "fresh") continue;
          window.accept(sequence);
          slow.accept(sequence);
          assert.equal(window.top, slow.top);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("the oldest number of the window is in, the next is not", () => {
    for (const packets of [64, 96, 4096, 65_536]) {
      const window = new ReplayWindow(packets);
      window.accept(100_000);
      assert.equal(window.judge(100_000 - packets + 1), "fresh");
      assert.equal(window.judge(100_000 - packets), "late");
      assert.equal(window.judge(100_000), "replayed");
    }
  });

  test("no packet has the number 0", () => {
    assert.equal(new ReplayWindow(64).judge(0), "late");
  });
});

describe("extended sequence numbers", () => {
  test("the inferred number is the only one that a window can mean", () => {
    const tops = fc.oneof(
      fc.integer({ min: 0, max: 10_000 }),
      fc.bigInt({ min: 0n, max: 2n ** 45n }).map(Number),
      fc
        .tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: -5000, max: 5000 }))
        .map(([high, low]) => high * 2 ** 32 + low),
    );
    fc.assert(
      fc.property(windows, tops, fc.integer({ min: 0, max: 0xffff_ffff }), (window, top, low) => {
        const bottom = top - window + 1;
        // Dumb: of all numbers with these low bits, the one from the bottom of the window to 2^32 above it.
        let expected = low;
        while (expected < bottom) expected += 2 ** 32 * Math.max(1, Math.floor((bottom - expected) / 2 ** 32));
        const inferred = inferSequence(low, top, window);
        if (bottom < 0 && low >= bottom + 2 ** 32) assert.equal(inferred, undefined, "lies before the first packet");
        else assert.equal(inferred, expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("a stream that crosses 2^32 with gaps and disorder is followed", () => {
    const window = new ReplayWindow(128);
    for (let sequence = 2 ** 32 - 1000; sequence < 2 ** 32 + 1000; sequence += 3) {
      for (const number of [sequence + 60, sequence]) {
        const inferred = inferSequence(number % 2 ** 32, window.top === 0 ? 2 ** 32 - 1000 : window.top, 128);
        assert.equal(inferred, number);
        if (window.judge(number) === "fresh") window.accept(number);
      }
    }
  });
});

describe("lives of a sender", () => {
  test("a restart is a new life: nothing is lost, nothing of the old life can be played again", () => {
    const lives = new SenderLives(64, 4);
    for (let sequence = 1; sequence <= 1000; sequence++) lives.accept(sequence, 7, 7);
    assert.equal(lives.restarts, 0);
    assert.equal(lives.judge(1, 7, 7), "late");
    assert.equal(lives.judge(1, 8, 7), "fresh");
    assert.equal(lives.accept(1, 8, 7), true);
    assert.equal(lives.accept(2, 8, 7), false);
    assert.equal(lives.judge(1, 8, 7), "replayed");
    for (let sequence = 1; sequence <= 936; sequence++) assert.equal(lives.judge(sequence, 7, 7), "late");
    for (let sequence = 937; sequence <= 1000; sequence++) assert.equal(lives.judge(sequence, 7, 7), "replayed");
    assert.equal(lives.top, 2);
  });

  test("a run of old packets of a known life moves no window", () => {
    const lives = new SenderLives(64, 4);
    for (let sequence = 1; sequence <= 1000; sequence++) lives.accept(sequence, 1, 1);
    for (let sequence = 1; sequence <= 900; sequence++) assert.equal(lives.judge(sequence, 1, 1), "late");
    assert.equal(lives.judge(1001, 1, 1), "fresh");
  });

  test("the life that was silent for the longest makes room", () => {
    const lives = new SenderLives(64, 2);
    lives.accept(5, 1, 1);
    lives.accept(5, 2, 2);
    lives.accept(6, 1, 1);
    lives.accept(5, 3, 3);
    assert.equal(lives.judge(6, 1, 1), "replayed");
    assert.equal(lives.judge(5, 2, 2), "fresh");
    assert.equal(lives.restarts, 2);
  });
});
