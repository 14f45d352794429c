import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Host } from "../../../src/sim/host.ts";
import { exponential, SeededRandom } from "../../../src/sim/random.ts";
import { cancel, World } from "../../../src/sim/world.ts";

test("events happen in order of time, then in the order in which they were added", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (times) => {
      const world = new World({ seed: 1 });
      const happened: [number, number][] = [];
      for (const [order, time] of times.entries()) world.at(time, () => happened.push([world.now(), order]));
      world.runUntil(20);
      const sorted = times.map((time, order): [number, number] => [time, order]);
      sorted.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
      assert.deepEqual(happened, sorted);
    }),
  );
});

test("a cancelled event never happens, and time goes on to the asked moment", () => {
  const world = new World({ seed: 1 });
  let ran = false;
  cancel(world.at(5, () => (ran = true)));
  world.runUntil(10);
  assert.equal(ran, false);
  assert.equal(world.now(), 10);
});

test("the same seed and label give the same stream, other labels give others", () => {
  const draw = (seed: number, label: string): number[] => {
    const random = new SeededRandom(seed, label);
    return Array.from({ length: 8 }, () => random.u32());
  };
  assert.deepEqual(draw(7, "a"), draw(7, "a"));
  assert.notDeepEqual(draw(7, "a"), draw(7, "b"));
  assert.notDeepEqual(draw(7, "a"), draw(8, "a"));
  assert.notDeepEqual(draw(7, "a"), draw(7 + 2 ** 32, "a"));
});

test("the generator is uniform enough: bit counts and means are where they should be", () => {
  const random = new SeededRandom(99, "uniform");
  const bits = new Array<number>(32).fill(0);
  const draws = 20_000;
  for (let draw = 0; draw < draws; draw++) {
    const value = random.u32();
    for (let bit = 0; bit < 32; bit++) bits[bit]! += (value >>> bit) & 1;
  }
  for (const [bit, count] of bits.entries()) assert.ok(Math.abs(count - draws / 2) < 400, `bit ${bit}: ${count}`);
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) sum += exponential(random, 10);
  assert.ok(Math.abs(sum / draws - 10) < 0.4, `mean ${sum / draws}`);
});

test("a blocked loop runs nothing; afterwards overdue timers come before waiting packets", () => {
  const world = new World({ seed: 1 });
  const host = new Host(world);
  const log: string[] = [];
  host.alarm(15, () => log.push(`timer ${world.now()}`));
  host.alarm(40, () => log.push(`late timer ${world.now()}`));
  world.at(10, () => host.block(20));
  world.at(12, () => host.datagram(100, () => log.push(`packet ${world.now()}`)));
  world.at(13, () => host.streamData(() => log.push(`stream ${world.now()}`)));
  world.runUntil(50);
  assert.deepEqual(log, ["timer 30", "packet 30", "stream 30", "late timer 40"]);
});

test("a blocked host's receive buffer is bounded, its streams are not dropped", () => {
  const world = new World({ seed: 1 });
  const host = new Host(world, { receiveBufferBytes: 2_000 });
  host.block(100);
  const taken = [1, 2, 3].map(() => host.datagram(400, () => undefined));
  assert.deepEqual(taken, [true, true, false]);
  assert.equal(host.overflows, 1);
});

test("nothing begun before a crash happens after it", () => {
  const world = new World({ seed: 1 });
  const host = new Host(world);
  const log: string[] = [];
  host.alarm(20, () => log.push("old timer"));
  host.block(15);
  host.datagram(1, () => log.push("old packet"));
  world.at(10, () => {
    host.crash();
    host.restart();
    host.alarm(25, () => log.push("new timer"));
  });
  world.runUntil(50);
  assert.deepEqual(log, ["new timer"]);
});

test("a drifting clock never goes back and never rings an alarm early", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -500, max: 500 }),
      fc.array(fc.double({ min: 0, max: 1e5, noNaN: true })),
      (ppm, times) => {
        const world = new World({ seed: 1 });
        const host = new Host(world, { driftPpm: ppm, clockStartMs: 12_345.678 });
        let shown = host.now();
        for (const time of times) {
          host.alarm(12_345.678 + time, () => {
            assert.ok(host.now() >= 12_345.678 + time);
            assert.ok(host.now() >= shown);
            shown = host.now();
          });
        }
        world.runUntil(2e5);
        assert.ok(Math.abs(host.now() - (12_345.678 + 2e5 * (1 + ppm / 1e6))) < 1e-3);
      },
    ),
  );
});
