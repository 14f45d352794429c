/**
 * AES-GCM for ESP by OpenSSL's EVP functions, called directly: one context per association, whose key schedule is
 * made once; a packet costs five calls, no copy and no allocation.
 *
 * The functions are those of the OpenSSL inside Node.js, so there is no other library to find, and no other version
 * than the one that node:crypto uses. Addresses of memory are numbers here; each is of a buffer that is still held.
 * Source: OpenSSL's manual `EVP_EncryptInit`, RFC 4106 section 4.
 */
import koffi from "koffi";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import type { EspCipher, EspCiphers } from "../port/esp-cipher.ts";

const SALT_BYTES = 4;
const IV_BYTES = 8;
const NONCE_BYTES = SALT_BYTES + IV_BYTES;
const AAD_BYTES_MAX = 12;
/* From OpenSSL's evp.h. */
const GET_TAG = 0x10;
const SET_TAG = 0x11;

/** Throws `Fault` (`unavailable`) where this Node.js does not show its OpenSSL to others, as some builds do not. */
export function loadEvpCiphers(): EspCiphers {
  const evp = loadFunctions();
  return {
    name: "OpenSSL EVP",
    create: (material, icvBytes, direction) => new EvpCipher(evp, material, icvBytes, direction === "outbound" ? 1 : 0),
  };
}

type Address = number;
type Context = bigint;

interface Functions {
  newContext(): Context;
  freeContext(context: Context): void;
  /** `cipher` by its number of bits. */
  gcm(bits: number): bigint;
  init(
    context: Context,
    cipher: bigint | null,
    engine: null,
    key: Uint8Array | null,
    iv: Address | null,
    encrypt: number,
  ): number;
  update(context: Context, out: Address | null, outLength: Address, input: Address, length: number): number;
  final(context: Context, out: Address, outLength: Address): number;
  control(context: Context, what: number, value: number, pointer: Address): number;
  addressOf(buffer: ArrayBufferLike): Address;
}

let loaded: Functions | undefined;

function loadFunctions(): Functions {
  if (loaded !== undefined) return loaded;
  try {
    const own = koffi.load(null);
    const gcm = new Map([128, 192, 256].map((bits) => [bits, own.func(`void *EVP_aes_${bits}_gcm()`)() as bigint]));
    const move = own.func("void *memmove(void *to, void *from, uint64_t length)");
    loaded = {
      newContext: own.func("void *EVP_CIPHER_CTX_new()"),
      freeContext: own.func("void EVP_CIPHER_CTX_free(void *context)"),
      gcm: (bits) => gcm.get(bits)!,
      init: own.func(
        "int EVP_CipherInit_ex(void *context, void *cipher, void *engine, void *key, void *iv, int encrypt)",
      ),
      update: own.func("int EVP_CipherUpdate(void *context, void *out, void *outLength, void *input, int length)"),
      final: own.func("int EVP_CipherFinal_ex(void *context, void *out, void *outLength)"),
      control: own.func("int EVP_CIPHER_CTX_ctrl(void *context, int what, int value, void *pointer)"),
      addressOf: (buffer) => {
        const bytes = new Uint8Array(buffer);
        return Number(move(bytes, bytes, 0));
      },
    };
    return loaded;
  } catch (error) {
    throw new Fault("unavailable", "this Node.js keeps the functions of its OpenSSL to itself", error);
  }
}

class EvpCipher implements EspCipher {
  readonly #evp: Functions;
  readonly #icvBytes: number;
  readonly #encrypt: number;
  #context: Context | undefined;
  /** Nonce, additional data, and where OpenSSL writes how many bytes it made. */
  readonly #scratch = new Uint8Array(64);
  readonly #nonce: Address;
  readonly #aad: Address;
  readonly #made: Address;
  /** The buffer of the last packet, and where it is; packets of one ring share it. */
  #buffer: ArrayBufferLike | undefined;
  #base: Address = 0;

  constructor(evp: Functions, material: Uint8Array, icvBytes: number, encrypt: 0 | 1) {
    const keyBytes = material.length - SALT_BYTES;
    assert([16, 24, 32].includes(keyBytes), "a key has 16, 24 or 32 bytes");
    this.#evp = evp;
    this.#icvBytes = icvBytes;
    this.#encrypt = encrypt;
    this.#scratch.set(material.subarray(keyBytes));
    this.#nonce = evp.addressOf(this.#scratch.buffer);
    this.#aad = this.#nonce + 16;
    this.#made = this.#nonce + 32;
    this.#context = evp.newContext();
    const done = evp.init(this.#context, evp.gcm(keyBytes * 8), null, material, null, encrypt);
    assert(done === 1, "OpenSSL takes a key of this size");
  }

  seal(bytes: Uint8Array, ivAt: number, from: number, to: number, aad: Uint8Array): void {
    const context = this.#begin(bytes, ivAt, from, to, aad);
    const base = this.#baseOf(bytes);
    assert(
      this.#evp.final(context, base + to, this.#made) === 1 &&
        this.#evp.control(context, GET_TAG, this.#icvBytes, base + to) === 1,
      "OpenSSL finishes what it began",
    );
  }

  open(bytes: Uint8Array, ivAt: number, from: number, to: number, aad: Uint8Array): boolean {
    const context = this.#begin(bytes, ivAt, from, to, aad);
    const base = this.#baseOf(bytes);
    const told = this.#evp.control(context, SET_TAG, this.#icvBytes, base + to) === 1;
    const genuine = told && this.#evp.final(context, base + to, this.#made) === 1;
    if (!genuine) bytes.fill(0, from, to);
    return genuine;
  }

  destroy(): void {
    if (this.#context !== undefined) this.#evp.freeContext(this.#context);
    this.#context = undefined;
    this.#scratch.fill(0);
  }

  /** Set the nonce, take in the additional data, and run over the packet. */
  #begin(bytes: Uint8Array, ivAt: number, from: number, to: number, aad: Uint8Array): Context {
    const context = this.#context;
    assert(context !== undefined, "a destroyed cipher is used");
    assert(0 <= ivAt && from <= to && to + this.#icvBytes <= bytes.length && from >= 0, "the packet is in its buffer");
    assert(aad.length <= AAD_BYTES_MAX && ivAt + IV_BYTES <= bytes.length, "the IV is in the buffer");
    const scratch = this.#scratch;
    for (let at = 0; at < IV_BYTES; at++) scratch[SALT_BYTES + at] = bytes[ivAt + at]!;
    for (let at = 0; at < aad.length; at++) scratch[16 + at] = aad[at]!;
    const place = this.#baseOf(bytes) + from;
    assert(
      this.#evp.init(context, null, null, null, this.#nonce, this.#encrypt) === 1 &&
        this.#evp.update(context, null, this.#made, this.#aad, aad.length) === 1 &&
        this.#evp.update(context, place, this.#made, place, to - from) === 1,
      "OpenSSL takes any packet",
    );
    return context;
  }

  #baseOf(bytes: Uint8Array): Address {
    if (this.#buffer !== bytes.buffer) {
      this.#buffer = bytes.buffer;
      this.#base = this.#evp.addressOf(bytes.buffer);
    }
    return this.#base + bytes.byteOffset;
  }
}

assert(NONCE_BYTES <= 16, "the additional data stands behind the nonce");
