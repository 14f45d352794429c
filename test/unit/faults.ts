/** How tests ask what went wrong. */
import assert from "node:assert/strict";
import { Fault, type FaultCode } from "../../src/base/fault.ts";

/** The code of the fault that `run` throws, "nothing" if it does not; anything else it throws fails the test. */
export function faultCode(run: () => unknown): FaultCode | "nothing" {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault, `not a fault: ${error instanceof Error ? error.stack : error}`);
    return error.code;
  }
  return "nothing";
}
