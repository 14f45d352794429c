/** Clocks that follow everybody honest, and that nobody can drive to their end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hours, seconds } from "../../../src/base/units.ts";
import { LamportClock } from "../../../src/tables/lamport-clock.ts";
import {
  LAMPORT_ALLOWANCE_MAX,
  LAMPORT_ALLOWANCE_PER_MS,
  LAMPORT_FREE_MAX,
  LAMPORT_MAX,
  LAMPORT_YOUNG_MAX,
  LAMPORT_YOUNG_MS,
} from "../../../src/tables/limits.ts";

/** A clock that has heard others for long. */
function old(): LamportClock {
  const clock = new LamportClock();
  clock.witness(0, 0);
  return clock;
}

const LATER = LAMPORT_YOUNG_MS;

test("who was witnessed is earlier than our next moment", () => {
  const times = fc.array(fc.integer({ min: 0, max: LAMPORT_FREE_MAX }));
  fc.assert(
    fc.property(times, (list) => {
      const clock = new LamportClock();
      for (const [index, time] of list.entries()) {
        const before = clock.time;
        assert.equal(clock.witness(time, index), true);
        assert.ok(clock.time > time && clock.time >= before);
        assert.equal(clock.tick(), Math.max(before, time + 1) + 1);
      }
    }),
  );
});

test("a time near 2^53 moves no clock, however young", () => {
  for (const [clock, now] of [[new LamportClock(), 0] as const, [old(), LATER] as const]) {
    for (const time of [LAMPORT_MAX, LAMPORT_MAX - 1, LAMPORT_YOUNG_MAX + 1])
      assert.equal(clock.witness(time, now), false);
    assert.ok(clock.time <= 1);
  }
});

test("many jumps in a row do not drive a clock to its end", () => {
  const clock = old();
  let now = LATER;
  for (let packet = 0; packet < 100_000; packet++) {
    now += 36;
    for (const jump of [2 ** 48, 2 ** 40, 2 ** 32, 2 ** 24, 2 ** 16, 1]) clock.witness(clock.time + jump, now);
  }
  const most = LAMPORT_FREE_MAX + 2 * LAMPORT_ALLOWANCE_MAX + now * LAMPORT_ALLOWANCE_PER_MS;
  assert.ok(now >= hours(1) && clock.time <= most, `${clock.time}`);
  assert.ok(clock.tick() < LAMPORT_FREE_MAX * 1.001, "an hour of it is nothing of what there is");
});

test("a clock follows honest peers wherever somebody drove them", () => {
  const driven = old();
  driven.witness(LAMPORT_FREE_MAX, LATER);
  for (let jump = 2 ** 52; jump >= 1; jump /= 2) driven.witness(driven.time + jump, LATER);
  const newcomer = new LamportClock();
  for (let event = 0; event < 1_000; event++) assert.equal(newcomer.witness(driven.tick(), event), true);
  assert.ok(newcomer.time > LAMPORT_FREE_MAX);
  let now = hours(1);
  for (let event = 0; event < 100_000; event++) {
    now += event % 10 === 0 ? 1 : 0;
    assert.equal(newcomer.witness(driven.tick(), now), true, "ten thousand events a second");
  }
});

test("who was away for a day follows, also beyond what anybody may claim", () => {
  const [here, away] = [old(), old()];
  for (const clock of [here, away]) clock.witness(LAMPORT_FREE_MAX, LATER);
  for (let now = LATER; now < LATER + hours(24); now += seconds(60)) here.witness(here.time + 60_000, now);
  assert.equal(away.witness(here.tick(), LATER + hours(24)), true);
});
