/**
 * AES-256-GCM by OpenSSL's EVP functions through koffi: what a node could do instead of node:crypto. Bench only.
 *
 * One context per direction keeps the key schedule; each packet sets a nonce only. Source: OpenSSL `EVP_EncryptInit`.
 */
import koffi from "koffi";

const GET_TAG = 0x10;
const SET_TAG = 0x11;
const TAG_BYTES = 16;

export interface Evp {
  /** Ciphertext and tag into `out`. */
  seal(out: Uint8Array, nonce: Uint8Array, plain: Uint8Array): void;
  /** Plain bytes into `out`; whether the tag was right. */
  open(out: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): boolean;
}

export function loadEvp(key: Uint8Array, library = "libcrypto.so.3"): Evp {
  const crypto = koffi.load(library);
  const newContext = crypto.func("void *EVP_CIPHER_CTX_new()");
  const aes256Gcm = crypto.func("void *EVP_aes_256_gcm()");
  const encryptInit = crypto.func(
    "int EVP_EncryptInit_ex(void *c, void *t, void *e, const uint8_t *k, const uint8_t *n)",
  );
  const decryptInit = crypto.func(
    "int EVP_DecryptInit_ex(void *c, void *t, void *e, const uint8_t *k, const uint8_t *n)",
  );
  const update = "(void *c, uint8_t *out, int *length, const uint8_t *in, int inLength)";
  const encryptUpdate = crypto.func(`int EVP_EncryptUpdate${update}`);
  const decryptUpdate = crypto.func(`int EVP_DecryptUpdate${update}`);
  const encryptFinal = crypto.func("int EVP_EncryptFinal_ex(void *c, uint8_t *out, int *length)");
  const decryptFinal = crypto.func("int EVP_DecryptFinal_ex(void *c, uint8_t *out, int *length)");
  const control = crypto.func("int EVP_CIPHER_CTX_ctrl(void *c, int type, int value, uint8_t *pointer)");
  const [sealing, opening, cipher] = [newContext(), newContext(), aes256Gcm()];
  encryptInit(sealing, cipher, null, key, null);
  decryptInit(opening, cipher, null, key, null);
  const length = new Int32Array(1);
  return {
    seal(out, nonce, plain) {
      encryptInit(sealing, null, null, null, nonce);
      encryptUpdate(sealing, out, length, plain, plain.length);
      encryptFinal(sealing, out.subarray(plain.length), length);
      control(sealing, GET_TAG, TAG_BYTES, out.subarray(plain.length));
    },
    open(out, nonce, sealed) {
      const split = sealed.length - TAG_BYTES;
      decryptInit(opening, null, null, null, nonce);
      decryptUpdate(opening, out, length, sealed, split);
      control(opening, SET_TAG, TAG_BYTES, sealed.subarray(split));
      return decryptFinal(opening, out.subarray(split), length) === 1;
    },
  };
}
