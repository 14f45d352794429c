/** What packets and streams need to know about the pool: the part of `GossipConfig` that shapes bytes, and the keys. */
import type { Random } from "../port/random.ts";
import type { IntegerProfile } from "../wire/msgpack.ts";
import type { GossipConfig } from "./config.ts";
import type { Keyring } from "./keyring.ts";
import type { EncryptionVersion } from "./seal.ts";

export type CodecConfig = Pick<
  GossipConfig,
  "label" | "skipInboundLabelCheck" | "enableCompression" | "gossipVerifyIncoming" | "gossipVerifyOutgoing"
>;

export interface CodecOptions {
  readonly config: CodecConfig;
  /** Consulted for every packet: a rotation takes effect at once. */
  readonly keyring: Keyring;
  /** What we write; everything is read. Every peer reads 1. */
  readonly encryptionVersion?: EncryptionVersion;
  /** What we write on streams; everything is read. Every peer reads `unsigned`. */
  readonly integers?: IntegerProfile;
}

export interface CodecPorts {
  /** Draws the nonces. */
  readonly random: Random;
}
