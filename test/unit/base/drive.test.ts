import assert from "node:assert/strict";
import { test } from "node:test";
import { drive } from "../../../src/base/drive.ts";
import type { Engine } from "../../../src/base/engine.ts";

/** A clock that stands still until told; one timer at a time is all that a driver needs. */
class HandClock {
  time = 0;
  timer: { at: number; run: () => void } | undefined;
  now = () => this.time;
  after(delayMs: number, run: () => void) {
    const timer = { at: this.time + delayMs, run };
    this.timer = timer;
    return () => {
      if (this.timer === timer) this.timer = undefined;
    };
  }
  advance(to: number): void {
    this.time = to;
    const { timer } = this;
    if (timer === undefined || timer.at > to) return;
    this.timer = undefined;
    timer.run();
  }
}

/** Echoes every input as two effects, and wants to be woken at `wakeAt`. */
class Echo implements Engine<string, string> {
  wakeAt = Infinity;
  readonly steps: string[] = [];
  step(now: number, input: string | { on: "wake" }): string[] {
    const name = typeof input === "string" ? input : "wake";
    this.steps.push(`${name}@${now}`);
    if (name === "wake") this.wakeAt = Infinity;
    if (name === "fail") throw new Error("step failed");
    return [`${name}.1`, `${name}.2`];
  }
  deadline = () => this.wakeAt;
}

function setup(perform: (effect: string) => void) {
  const clock = new HandClock();
  const engine = new Echo();
  const late: number[] = [];
  return { clock, engine, late, give: drive(engine, clock, perform, { woke: (lateMs) => late.push(lateMs) }) };
}

test("an input given while effects are performed waits until all of them are", () => {
  const done: string[] = [];
  const { engine, give } = setup((effect) => {
    done.push(effect);
    if (effect === "a.1") give("b");
  });
  give("a");
  assert.deepEqual(done, ["a.1", "a.2", "b.1", "b.2"]);
  assert.deepEqual(engine.steps, ["a@0", "b@0"]);
});

test("the engine is woken at its deadline, once, and lateness is told", () => {
  const done: string[] = [];
  const { clock, engine, late, give } = setup((effect) => done.push(effect));
  engine.wakeAt = 100;
  give("a");
  clock.advance(99);
  assert.deepEqual(engine.steps, ["a@0"]);
  clock.advance(130);
  assert.deepEqual(engine.steps, ["a@0", "wake@130"]);
  assert.deepEqual(late, [30]);
  assert.equal(clock.timer, undefined);
});

test("a deadline that moves replaces the timer", () => {
  const { clock, engine, give } = setup(() => undefined);
  engine.wakeAt = 100;
  give("a");
  engine.wakeAt = 50;
  give("b");
  assert.equal(clock.timer?.at, 50);
  engine.wakeAt = Infinity;
  give("c");
  assert.equal(clock.timer, undefined);
});

test("an effect that throws loses neither later effects, nor waiting inputs, nor the timer", () => {
  const done: string[] = [];
  const { clock, engine, give } = setup((effect) => {
    if (effect === "a.1") {
      give("b");
      throw new Error("perform failed");
    }
    done.push(effect);
  });
  engine.wakeAt = 10;
  assert.throws(() => give("a"), /perform failed/);
  assert.deepEqual(done, ["a.2", "b.1", "b.2"]);
  clock.advance(10);
  assert.deepEqual(done.slice(3), ["wake.1", "wake.2"]);
});

test("a step that throws does not stop the next input", () => {
  const done: string[] = [];
  const { give } = setup((effect) => done.push(effect));
  assert.throws(() => give("fail"), /step failed/);
  give("a");
  assert.deepEqual(done, ["a.1", "a.2"]);
});

test("errors are told instead of thrown when somebody listens, and a failing wake is not asked again at once", () => {
  const clock = new HandClock();
  const engine = new Echo();
  const told: unknown[] = [];
  const give = drive(engine, clock, () => undefined, { failed: (error) => told.push(error) });
  engine.wakeAt = 10;
  give("fail");
  assert.equal(told.length, 1);
  assert.equal(clock.timer?.at, 100);
  give("a");
  clock.advance(100);
  assert.deepEqual(engine.steps, ["fail@0", "a@0", "wake@100"]);
});

test("after stop nothing reaches the engine any more", () => {
  const { clock, engine, give } = setup((effect) => {
    if (effect === "a.1") {
      give("b");
      give.stop();
    }
  });
  engine.wakeAt = 10;
  give("a");
  give("c");
  clock.advance(20);
  assert.deepEqual(engine.steps, ["a@0"]);
});
