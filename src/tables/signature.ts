/**
 * The signature that an owner may put into its records: a protobuf field of a number that nobody else uses, at the end
 * of the value. Docker keeps it, tells it on, and does not look at it.
 *
 * What is signed is everything that makes the entry what it is, so that neither the owner, the place, the moment nor
 * the deletion of a signed record can be changed by who only holds the cluster's key.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { assert } from "../base/assert.ts";
import { concatBytes } from "../wire/bytes.ts";
import { utf8Bytes } from "../wire/utf8.ts";

/** Signs what this node owns. */
export interface Signer {
  sign(bytes: Uint8Array): Uint8Array;
}

/** Knows how nodes sign. `unknown`: it knows no key of that node. */
export interface Verifier {
  verify(node: string, bytes: Uint8Array, signature: Uint8Array): "valid" | "invalid" | "unknown";
}

/** What a signature speaks for. */
export interface Signed {
  readonly network: string;
  readonly table: string;
  readonly key: string;
  readonly node: string;
  readonly lTime: number;
  readonly isDeleted: boolean;
  /** The record without its signature. */
  readonly record: Uint8Array;
}

const SIGNATURE_FIELD = 15_000;
const SIGNATURE_BYTES = 64;
const DOMAIN = "skep table entry 1";
/** What stands in front of a signature: its field and its length. */
const header = new BinaryWriter().tag(SIGNATURE_FIELD, WireType.LengthDelimited).uint32(SIGNATURE_BYTES).finish();

/** The bytes that are signed: every part behind its length, so that no two entries have the same. */
export function signedBytes({ network, table, key, node, lTime, isDeleted, record }: Signed): Uint8Array {
  const writer = new BinaryWriter();
  for (const part of [DOMAIN, network, table, key, node]) writer.bytes(utf8Bytes(part));
  return writer.uint64(BigInt(lTime)).bool(isDeleted).bytes(record).finish();
}

/** A record with a signature of 64 bytes at its end. */
export function withSignature(record: Uint8Array, signature: Uint8Array): Uint8Array {
  assert(signature.length === SIGNATURE_BYTES, "a signature has 64 bytes");
  return concatBytes(record, header, signature);
}

/** A value taken apart; without a signature at its end it is all record. Copies nothing. */
export function splitSignature(value: Uint8Array): { readonly record: Uint8Array; readonly signature?: Uint8Array } {
  const start = value.length - header.length - SIGNATURE_BYTES;
  if (start < 0 || !header.every((byte, at) => value[start + at] === byte)) return { record: value };
  return { record: value.subarray(0, start), signature: value.subarray(start + header.length) };
}
