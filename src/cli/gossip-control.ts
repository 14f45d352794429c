/**
 * The language between `skep gossip members|keys|stats|leave` and a running node: one JSON object a line each way.
 *
 *     {"op":"keysUse","key":"5f0c…"}   ->   {"ok":true,"result":null}
 *     {"op":"members"}                 ->   {"ok":true,"result":[{"name":"a",…}]}
 *                                      ->   {"ok":false,"code":"notFound","message":"key 5f0c… is not in the keyring"}
 *
 * Keys travel towards the node only; what comes back are their ids.
 */
import { Fault, type FaultCode, operationFaults } from "../base/fault.ts";

/** A request is one line of at most so many characters. */
export const REQUEST_LENGTH_MAX = 4_096;

/** What timers can wait at most; JSON can spell more, even infinity. */
const TIMEOUT_MS_MAX = 0x7fff_ffff;

export type ControlRequest =
  | { readonly op: "members" | "stats" | "keysList" }
  | { readonly op: "keysInstall" | "keysUse" | "keysRemove"; readonly key: string }
  | { readonly op: "leave"; readonly timeoutMs: number };

export interface MemberView {
  readonly name: string;
  readonly address: string;
  readonly state: string;
  readonly incarnation: number;
  /** [PMin, PMax, PCur, DMin, DMax, DCur]. */
  readonly versions: readonly number[];
  /** Base64. */
  readonly meta: string;
}

export interface KeyView {
  readonly id: string;
  readonly primary: boolean;
}

export type ControlResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: FaultCode; readonly message: string };

/** Throws `Fault` (`invalid`). */
export function parseRequest(line: string): ControlRequest {
  const { op, key, timeoutMs } = parseObject(line);
  switch (op) {
    case "members":
    case "stats":
    case "keysList":
      return { op };
    case "keysInstall":
    case "keysUse":
    case "keysRemove":
      if (typeof key !== "string") throw new Fault("invalid", `request ${op} needs a key`);
      return { op, key };
    case "leave":
      if (typeof timeoutMs !== "number" || !(timeoutMs >= 0 && timeoutMs <= TIMEOUT_MS_MAX))
        throw new Fault("invalid", "request leave needs timeoutMs");
      return { op, timeoutMs };
    default:
      throw new Fault("invalid", "there is no such request");
  }
}

/** The result of a good response; throws the `Fault` of a bad one, or `unavailable` for what is none. */
export function resultOf(line: string): unknown {
  let response: Json;
  try {
    response = parseObject(line);
  } catch (error) {
    throw new Fault("unavailable", "the node answered something that is no response", error);
  }
  const { ok, result, message } = response;
  if (ok === true) return result;
  const code = String(response.code);
  throw new Fault(Object.hasOwn(operationFaults, code) ? (code as FaultCode) : "unavailable", String(message));
}

/** The members that may be there; each may be anything. */
type Json = Readonly<Partial<Record<"op" | "key" | "timeoutMs" | "ok" | "result" | "code" | "message", unknown>>>;

function parseObject(line: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Fault("invalid", "not a line of JSON", error);
  }
  if (typeof value !== "object" || value === null) throw new Fault("invalid", "not a JSON object");
  return value;
}
