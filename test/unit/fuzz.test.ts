/**
 * A slice of the fuzzer with a fresh seed every time; `npm run fuzz` is the long run. And the fuzzer itself, tried on
 * decoders with planted faults: one that breaks, loops, grows, forgets, or writes where it should only read.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { Fault } from "../../src/base/fault.ts";
import { MiB } from "../../src/base/units.ts";
import { equalBytes } from "../../src/wire/bytes.ts";
import { type Finding, type JobReport, judgeWithin, runJob } from "../../tools/fuzz/job.ts";
import { targets } from "../../tools/fuzz/registry.ts";
import { type Target, target } from "../../tools/fuzz/target.ts";
import { isProblem } from "../../tools/fuzz/verdict.ts";

/** All targets together. */
const SLICE_MS = 7_000;
const INPUTS_MAX = 100_000;
const seed = randomInt(2 ** 32);

function described({ problem, input }: Finding, name: string): string {
  const hex = Buffer.from(input ?? []).toString("hex");
  return `${problem.kind}: ${problem.text}\nagain: npm run fuzz -- --target ${name} --input '${hex}' (seed ${seed})`;
}

describe("every decoder takes whatever comes", () => {
  let tried = 0;
  for (const target of targets) {
    test(target.name, () => {
      const endsAt = performance.now() + SLICE_MS / targets.length;
      const { finding, inputs } = runJob({ target, seed, job: 0, inputs: INPUTS_MAX, endsAt });
      tried += inputs;
      assert.equal(finding, undefined, finding && described(finding, target.name));
      assert.ok(inputs > 0);
    });
  }

  test("the seed is told", (context) => {
    context.diagnostic(`fuzzed with seed ${seed}, ${tried} inputs`);
    assert.ok(tried > targets.length);
  });

  test("names are unique, and every target accepts some of its seeds", () => {
    assert.equal(new Set(targets.map(({ name }) => name)).size, targets.length);
    for (const target of targets) {
      const verdicts = target.seeds().map((input) => judgeWithin(target, input));
      assert.ok(verdicts.includes("accepted"), `${target.name} refuses all its seeds`);
    }
  });
});

/** A sound decoder: a length, then as many bytes. */
function decodeSound(input: Uint8Array): Uint8Array {
  const length = input[0];
  if (length === undefined || input.length <= length) throw new Fault("truncated", "too short");
  return input.subarray(1, 1 + length);
}

function planted(decode: (input: Uint8Array) => unknown, check?: Target["check"]): Target {
  const seeds = () => [Uint8Array.of(3, 1, 2, 3), Uint8Array.of(5, 9, 9, 9, 9, 9)];
  return target({ name: "planted", about: "a decoder with a fault", seeds, decode, ...(check ? { check } : {}) });
}

function tryOn(target: Target, inputs = 50_000): JobReport {
  return runJob({ target, seed, job: 0, inputs, endsAt: performance.now() + 60_000 });
}

/** What is found, which must be found again by its input alone. */
function found(target: Target): Finding {
  const { finding } = tryOn(target);
  assert.ok(finding !== undefined, `nothing was found with seed ${seed}`);
  if (finding.input !== undefined) assert.ok(isProblem(judgeWithin(target, finding.input)));
  return finding;
}

describe("the fuzzer finds planted faults", () => {
  test("a sound decoder has none", () => {
    const report = tryOn(
      planted(decodeSound, (value) => assert.ok((value as Uint8Array).length < 256)),
      5_000,
    );
    assert.equal(report.finding, undefined, report.finding?.problem.text);
    assert.deepEqual([...report.verdicts.keys()].sort(), ["accepted", "truncated"]);
  });

  test("an error that is no fault, with the smallest input that shows it", () => {
    const finding = found(
      planted((input) => {
        if (input.includes(0xff)) (undefined as unknown as { call(): void }).call();
      }),
    );
    assert.equal(finding.problem.kind, "crash");
    assert.match(finding.problem.text, /TypeError.*fuzz\.test\.ts/s);
    assert.deepEqual(finding.input, Uint8Array.of(0xff));
  });

  test("a fault with a code that a decoder does not have", () => {
    const finding = found(
      planted((input) => {
        if (input.length > 20) throw new Fault("unavailable", "not a reason to refuse bytes");
      }),
    );
    assert.match(finding.problem.text, /Fault: not a reason/);
    assert.equal(finding.input?.length, 21);
  });

  test("a loop without an end", () => {
    const target = planted((input) => {
      for (let at = 0; at < input.length; at += input[at]!);
    });
    const { finding } = runJob({ target, seed, job: 0, inputs: 50_000, inputMsMax: 100 });
    assert.equal(finding?.problem.kind, "hang");
    assert.equal(finding.problem.text, "no answer within 100 ms");
    assert.ok(finding.input?.includes(0));
    assert.ok(isProblem(judgeWithin(target, finding.input!, 100)));
  });

  test("memory that is kept", () => {
    const kept: Uint8Array[] = [];
    const { problem, input } = found(planted(() => void kept.push(new Uint8Array(16_384).fill(1))));
    assert.equal(problem.kind, "growth");
    assert.equal(input, undefined);
    assert.ok(kept.length > 100);
  });

  test("but not memory that is only waiting to be collected", () => {
    const report = tryOn(
      planted(() => new Uint8Array(65_536).fill(1)),
      20_000,
    );
    assert.equal(report.finding, undefined, report.finding?.problem.text);
    assert.ok(Math.abs(report.grownBytes) < 2 * MiB, `${report.grownBytes}`);
  });

  test("a value that does not come back the same", () => {
    const finding = found(
      planted(
        (input) => input.map((byte) => byte & 0x7f),
        (value, input) => assert.ok(equalBytes(value as Uint8Array, input)),
      ),
    );
    assert.equal(finding.problem.kind, "crash");
    assert.equal(finding.input?.length, 1);
  });

  test("a decoder that writes into what it reads", () => {
    const finding = found(planted((input) => input.fill(0)));
    assert.match(finding.problem.text, /wrote into its input/);
  });

  test("the same seed finds the same", () => {
    const target = planted((input) => assert.ok(input.length < 30));
    assert.deepEqual(tryOn(target).finding?.foundBytes, tryOn(target).finding?.foundBytes);
    const [one, other] = [0, 0].map(() => tryOn(planted(decodeSound), 3_000).verdicts);
    assert.deepEqual(one, other);
  });
});
