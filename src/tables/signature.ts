/**
 * The signature that an owner may put into its records: a protobuf field of a number that nobody else uses, at the end
 * of the value. Docker keeps it, tells it on, and does not look at it.
 *
 * What is signed is everything that makes the entry what it is, so that neither the owner, the place, the moment nor
 * the deletion of a signed record can be changed by who only holds the cluster's key.
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
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
const DOMAIN = "skep table entry 1";

/** The bytes that are signed: every part behind its length, so that no two entries have the same. */
export function signedBytes({ network, table, key, node, lTime, isDeleted, record }: Signed): Uint8Array {
  const writer = new BinaryWriter();
  for (const part of [DOMAIN, network, table, key, node]) writer.bytes(utf8Bytes(part));
  return writer.uint64(BigInt(lTime)).bool(isDeleted).bytes(record).finish();
}

/** A record with a signature at its end. */
export function withSignature(record: Uint8Array, signature: Uint8Array): Uint8Array {
  const tail = new BinaryWriter().tag(SIGNATURE_FIELD, WireType.LengthDelimited).bytes(signature).finish();
  const value = new Uint8Array(record.length + tail.length);
  value.set(record);
  value.set(tail, record.length);
  return value;
}

/** A value taken apart; without a signature, or no protobuf at all, it is all record. */
export function splitSignature(value: Uint8Array): { readonly record: Uint8Array; readonly signature?: Uint8Array } {
  try {
    const reader = new BinaryReader(value);
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const [field, wireType] = reader.tag();
      if (field === SIGNATURE_FIELD && wireType === WireType.LengthDelimited) {
        const signature = reader.bytes();
        if (reader.pos === reader.len) return { record: value.subarray(0, start), signature };
      } else reader.skip(wireType);
    }
  } catch {
    return { record: value };
  }
  return { record: value };
}
