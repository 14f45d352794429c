/**
 * One error class with a closed set of codes.
 *
 * Whatever a peer, a user or the kernel can cause is a `Fault`; a broken invariant of ours is an `AssertionError`
 * (see assert.ts). Decoders throw the first family below; the shell catches once, counts by code and drops.
 * A fault's message never holds key bytes or message contents.
 */

/** Why a packet or a stream was dropped. Also the label values of the drop counters. */
export const decodeFaults = {
  truncated: "ends before its own lengths say",
  malformed: "does not follow its format",
  oversize: "larger than its limit allows",
  tooDeep: "nested deeper than the limit",
  emptyMessage: "holds a message of no bytes",
  unknownType: "has a type that this place does not accept",
  labelMismatch: "has another label than ours",
  plaintext: "is not encrypted although encryption is configured",
  encryptionVersion: "has an encryption version that we do not know",
  undecryptable: "opens with none of the installed keys",
  replayed: "was received before",
  checksum: "fails its checksum",
  invalidMember: "describes a member that cannot exist",
  incompatibleVersion: "would leave the cluster without a common protocol version",
  notAllowed: "comes from an address outside the allowed networks",
  rateLimited: "exceeds the rate that one unknown address is granted",
  lamportJump: "has a Lamport time too far ahead to be honest",
  notAttached: "is about a node or a network that has no part in it",
  badSignature: "is not signed as its owner signs",
  queueFull: "arrived while its queue was full",
} as const;

/** Why an operation asked for by a user or by another part of this node did not happen. */
export const operationFaults = {
  invalid: "the request makes no sense",
  notFound: "there is no such thing",
  conflict: "the present state forbids it",
  unavailable: "the other side or the system does not answer",
  timeout: "it did not finish in time",
} as const;

export type DecodeFaultCode = keyof typeof decodeFaults;
export type FaultCode = DecodeFaultCode | keyof typeof operationFaults;

export class Fault extends Error {
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Fault";
    this.code = code;
  }
}

/** The fault behind `error`; anything that is not a fault is a bug of ours and is rethrown. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}

/** Under which code something is counted that this fault made us throw away. */
export function dropCodeOf({ code }: Fault): DecodeFaultCode {
  return code in decodeFaults ? (code as DecodeFaultCode) : "malformed";
}
