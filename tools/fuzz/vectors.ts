/** The bytes of real peers in test/vectors/, as seeds. */
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";

/** One vector of memberlist-vectors.json, as far as the fuzzer cares. */
export interface GossipVector {
  readonly transport: "udp" | "tcp" | "-";
  readonly wire: Uint8Array;
  /** Hexadecimal; `undefined` without encryption. */
  readonly keyHex: string | undefined;
  readonly label: string;
  /** What is below the encryption, the checksum, and the compression, where there is such a layer. */
  readonly plain: Uint8Array | undefined;
  readonly inner: readonly Uint8Array[];
  /** The messages of a packet, type byte included. */
  readonly messages: readonly Uint8Array[];
}

interface Spelled {
  readonly transport: GossipVector["transport"];
  readonly wire_hex?: string;
  readonly wire_deflate_base64?: string;
  readonly key_hex?: string | null;
  readonly label?: string | null;
  readonly plain_hex?: string;
  readonly after_crc_hex?: string;
  readonly decompressed_hex?: string;
  readonly messages?: readonly { readonly raw_hex: string }[];
}

export function gossipVectors(): readonly GossipVector[] {
  const file = new URL("../../test/vectors/memberlist-vectors.json", import.meta.url);
  const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: readonly Spelled[] };
  return vectors.map((spelled) => ({
    transport: spelled.transport,
    wire: wireOf(spelled),
    keyHex: spelled.key_hex ?? undefined,
    label: spelled.label ?? "",
    plain: spelled.plain_hex === undefined ? undefined : unhex(spelled.plain_hex),
    inner: [spelled.after_crc_hex, spelled.decompressed_hex].filter((text) => text !== undefined).map(unhex),
    messages: spelled.messages?.map(({ raw_hex }) => unhex(raw_hex)) ?? [],
  }));
}

function wireOf({ wire_hex, wire_deflate_base64 }: Spelled): Uint8Array {
  if (wire_hex !== undefined) return unhex(wire_hex);
  return new Uint8Array(inflateRawSync(Buffer.from(wire_deflate_base64 ?? "", "base64")));
}

function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}
