/** One input against one target: accepted, refused with a fault, or a finding. */
import { Fault, type FaultCode } from "../../src/base/fault.ts";
import { decodeRefusals, type Target } from "./target.ts";

/** What no input may cause. */
export interface Problem {
  readonly kind: "crash" | "hang" | "growth" | "death";
  readonly text: string;
}

export type Verdict = "accepted" | FaultCode | Problem;

/** A decoder that may write into its input gets a copy; one that does is found by `wasChanged`. */
export function judge(target: Target, input: Uint8Array): Verdict {
  const given = input.slice();
  let value: unknown;
  try {
    value = target.decode(given);
  } catch (error) {
    if (error instanceof Fault && (target.refusals ?? decodeRefusals).has(error.code)) return error.code;
    return crash("decoding", error);
  }
  if (wasChanged(given, input)) return { kind: "crash", text: "decoding wrote into its input" };
  try {
    target.check?.(value, input);
  } catch (error) {
    return crash("the check after decoding", error);
  }
  return "accepted";
}

export function isProblem(verdict: Verdict): verdict is Problem {
  return typeof verdict === "object";
}

/** Are these the same bug, as far as one can tell: the same words but for numbers, thrown at the same place? */
export function isSameProblem(one: Problem, other: Problem): boolean {
  return one.kind === other.kind && signature(one.text) === signature(other.text);
}

function wasChanged(given: Uint8Array, input: Uint8Array): boolean {
  return Buffer.compare(given, input) !== 0;
}

function crash(where: string, error: unknown): Problem {
  const text = error instanceof Error ? (error.stack ?? `${error}`) : `threw ${String(error)}`;
  return { kind: "crash", text: `${where}: ${text}` };
}

/** The first place in our own files, and the error's class. */
function signature(text: string): string {
  const [head = ""] = text.split("\n", 1);
  const place = /\((?:file:\/\/)?([^()]*\/(?:src|tools|test)\/[^()]*)\)/.exec(text)?.[1] ?? "";
  return `${/^[^:]*: \w+/.exec(head)?.[0] ?? head} at ${place}`;
}
