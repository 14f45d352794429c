/**
 * Signatures of nodes: ECDSA over P-256 with SHA-256, as the keys of swarm certificates are; 64 bytes each.
 * Source: FIPS 186-5; the signature is r and s of IEEE P1363, of fixed length.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { Fault } from "../base/fault.ts";

const ENCODING = "ieee-p1363";

/** Signs; tells nobody its key. */
export class SigningKey {
  readonly #key: KeyObject;

  /** `pem`: PKCS #8 or SEC 1. Throws `Fault` (`invalid`) if it is no P-256 key. */
  constructor(pem: string) {
    this.#key = p256(() => createPrivateKey(pem));
  }

  /** A fresh one, as PEM. */
  static generate(): string {
    return generateKeyPairSync("ec", { namedCurve: "P-256" })
      .privateKey.export({ type: "pkcs8", format: "pem" })
      .toString();
  }

  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign("sha256", bytes, { key: this.#key, dsaEncoding: ENCODING }));
  }

  verifyKey(): VerifyKey {
    return new VerifyKey(createPublicKey(this.#key).export({ type: "spki", format: "pem" }).toString());
  }

  toJSON(): string {
    return "SigningKey";
  }
}

export class VerifyKey {
  readonly #key: KeyObject;

  /** `pem`: a public key or a certificate. Throws `Fault` (`invalid`) if there is no P-256 key in it. */
  constructor(pem: string) {
    this.#key = p256(() => createPublicKey(pem));
  }

  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return verify("sha256", bytes, { key: this.#key, dsaEncoding: ENCODING }, signature);
  }
}

function p256(parse: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = parse();
  } catch {
    // The reason may hold parts of the text.
    throw new Fault("invalid", "this is no key in PEM");
  }
  if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key;
  throw new Fault("invalid", "this is no key of the curve P-256");
}
