/**
 * Encryption of packets and of stream frames.
 *
 *   packet       version | nonce 12 | ciphertext | tag 16             additional data: the label
 *   stream   0a | length u32 | version | nonce 12 | ciphertext | tag 16   additional data: 0a, length, the label
 *
 * Version 1 encrypts the bytes as they are; version 0, which nobody sends any more and everybody still opens, pads
 * them to whole blocks of 16 first (PKCS #7, RFC 5652 section 6.3). Neither the version nor a wrong padding is
 * authenticated, so the padding is checked in full.
 * Source: memberlist `security.go`, `net.go` (`encryptLocalState`, `decryptRemoteState`).
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { NONCE_BYTES, type SymmetricKey, TAG_BYTES } from "../crypt/aead.ts";
import { concatBytes } from "../wire/bytes.ts";
import type { Keyring } from "./keyring.ts";
import { STREAM_FRAME_BYTES_MAX } from "./limits.ts";
import { MessageType } from "./messages.ts";

export type EncryptionVersion = 0 | 1;

/** What version 1 adds to the plain bytes. */
export const SEAL_BYTES = 1 + NONCE_BYTES + TAG_BYTES;
/** Type and length in front of a stream frame. */
export const FRAME_HEADER_BYTES = 5;

const BLOCK_BYTES = 16;

export interface Opened {
  readonly plain: Uint8Array;
  /** Authenticated: hand it to the replay cache. Shares memory with what was opened. */
  readonly nonce: Uint8Array;
}

/** Encrypt with `key`; `nonce` must never be used again. */
export function seal(
  key: SymmetricKey,
  version: EncryptionVersion,
  nonce: Uint8Array,
  plain: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  const padded = version === 0 ? pad(plain) : plain;
  const sealed = new Uint8Array(SEAL_BYTES + padded.length);
  sealed[0] = version;
  sealed.set(nonce, 1);
  key.sealInto(sealed, 1 + NONCE_BYTES, nonce, padded, aad);
  return sealed;
}

/** Length of what `seal` returns. */
export function sealedLength(version: EncryptionVersion, plainLength: number): number {
  return SEAL_BYTES + plainLength + (version === 0 ? BLOCK_BYTES - (plainLength % BLOCK_BYTES) : 0);
}

/**
 * Decrypt with any key of the ring.
 * Throws `Fault`: `encryptionVersion`, `truncated`, `undecryptable`, `malformed` for a wrong padding.
 */
export function open(keyring: Keyring, sealed: Uint8Array, aad: Uint8Array): Opened {
  const version = sealed[0];
  if (version === undefined) throw new Fault("truncated", "nothing is encrypted");
  if (version > 1) throw new Fault("encryptionVersion", `encryption version ${version} is not known`);
  if (sealed.length < sealedLength(version as EncryptionVersion, 0)) {
    throw new Fault("truncated", "shorter than the shortest encrypted message");
  }
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const ciphertext = sealed.subarray(1 + NONCE_BYTES);
  const plain = keyring.tryEach((key) => key.open(nonce, ciphertext, aad));
  if (plain === undefined) throw new Fault("undecryptable", "no installed key opens this");
  return { plain: version === 0 ? unpad(plain) : plain, nonce };
}

/** A whole frame, type and length included. Throws `Fault` (`oversize`) beyond 20 MiB, which no peer accepts. */
export function sealFrame(
  key: SymmetricKey,
  version: EncryptionVersion,
  nonce: Uint8Array,
  plain: Uint8Array,
  label: Uint8Array,
): Uint8Array {
  const length = sealedLength(version, plain.length);
  if (length > STREAM_FRAME_BYTES_MAX) throw new Fault("oversize", "a stream frame would exceed 20 MiB");
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  header[0] = MessageType.encrypt;
  new DataView(header.buffer).setUint32(1, length);
  return concatBytes(header, seal(key, version, nonce, plain, concatBytes(header, label)));
}

/** How many bytes follow the header that `bytes` starts with. Throws `Fault`: `oversize`, `truncated` if too few. */
export function frameLength(bytes: Uint8Array): number {
  assert(bytes.length >= FRAME_HEADER_BYTES && bytes[0] === MessageType.encrypt, "a frame header was expected");
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (length > STREAM_FRAME_BYTES_MAX) throw new Fault("oversize", "a stream frame of more than 20 MiB");
  if (length < SEAL_BYTES) throw new Fault("truncated", "a stream frame shorter than the shortest");
  return length;
}

/** Decrypt a whole frame, header included. Throws as `open`. */
export function openFrame(keyring: Keyring, frame: Uint8Array, label: Uint8Array): Opened {
  const aad = concatBytes(frame.subarray(0, FRAME_HEADER_BYTES), label);
  return open(keyring, frame.subarray(FRAME_HEADER_BYTES), aad);
}

function pad(plain: Uint8Array): Uint8Array {
  const count = BLOCK_BYTES - (plain.length % BLOCK_BYTES);
  return concatBytes(plain, new Uint8Array(count).fill(count));
}

function unpad(padded: Uint8Array): Uint8Array {
  const count = padded[padded.length - 1] ?? 0;
  let isRight = padded.length % BLOCK_BYTES === 0 && count >= 1 && count <= BLOCK_BYTES;
  for (let back = 1; isRight && back <= count; back++) isRight = padded[padded.length - back] === count;
  if (!isRight) throw new Fault("malformed", "the padding is wrong");
  return padded.subarray(0, padded.length - count);
}
