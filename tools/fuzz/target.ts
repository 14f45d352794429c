/**
 * What the fuzzer knows of a decoder. A new one is a few lines in a file `targets-*.ts`, listed in registry.ts:
 *
 *     target({
 *       name: "dns-message",
 *       about: "a DNS message",
 *       seeds: () => vectors.map(({ wire }) => wire),
 *       decode: (input) => decodeMessage(input),
 *       check: (message) => assertSame(decodeMessage(encodeMessage(message)), message),
 *     })
 *
 * An input decides alone what happens: a target draws no chance and remembers nothing that changes a later outcome,
 * so that every finding can be repeated from its bytes.
 */
import { decodeFaults, type FaultCode, operationFaults } from "../../src/base/fault.ts";

export interface Target<Value = unknown> {
  readonly name: string;
  /** What is decoded, for `--list`. */
  readonly about: string;
  /** Good inputs to begin with; called once. */
  seeds(): readonly Uint8Array[];
  /** Byte strings that mean something here, for the mutations: keys, keywords, type bytes. */
  readonly words?: readonly Uint8Array[];
  /** Codes of the faults that may refuse an input. The default is all of `decodeFaults`. */
  readonly refusals?: ReadonlySet<FaultCode>;
  /** Decode `input`, which is nobody else's. Throws `Fault` for a bad one; whatever else it throws is a finding. */
  decode(input: Uint8Array): Value;
  /** Throws, whatever it is, if `value` cannot be right; `input` is what it was decoded from, as it was. */
  check?(value: Value, input: Uint8Array): void;
}

export const decodeRefusals: ReadonlySet<FaultCode> = new Set(Object.keys(decodeFaults) as FaultCode[]);
export const operationRefusals: ReadonlySet<FaultCode> = new Set(Object.keys(operationFaults) as FaultCode[]);
export const invalidOnly: ReadonlySet<FaultCode> = new Set<FaultCode>(["invalid"]);

/** A target whose value has a type, as one of many. */
export function target<Value>(target: Target<Value>): Target {
  return target as Target<unknown>;
}
