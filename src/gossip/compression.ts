/**
 * The compression layer.
 *
 *   09 | map { Algo: 0, Buf: LZW of a whole message }
 *
 * Source: memberlist `util.go` (`compressPayload`, `decompressPayload`).
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { lzwCompress, lzwDecompress } from "../wire/lzw.ts";
import { type MsgpackReader, MsgpackWriter } from "../wire/msgpack.ts";
import { Struct } from "./fields.ts";
import { MessageType } from "./messages.ts";

const LZW = 0;

/** What stands behind the type byte. */
export interface Compressed {
  readonly algo: number;
  readonly buf: Uint8Array | null;
}

export const compressedStruct = new Struct([
  ["Algo", "algo", "u8"],
  ["Buf", "buf", "bytes"],
]);

const writer = new MsgpackWriter();

/** `message` inside a compression layer; may be longer than `message`, which must not be empty. */
export function compress(message: Uint8Array): Uint8Array {
  assert(message.length > 0, "an empty message is never sent");
  writer.start(MessageType.compress);
  compressedStruct.write(writer, { algo: LZW, buf: lzwCompress(message) } satisfies Compressed, "unsigned");
  return writer.take();
}

/**
 * Undo `compress`; `reader` stands behind the type byte. At most `bytesMax` bytes come out, and at least one.
 * Throws `Fault`: `truncated`, `malformed`, `oversize`, `tooDeep`, `emptyMessage`.
 */
export function decompress(reader: MsgpackReader, bytesMax: number): Uint8Array {
  return expand(compressedStruct.read(reader) as Compressed, bytesMax);
}

/** The message inside a layer that has been read. Throws as `decompress`. */
export function expand({ algo, buf }: Compressed, bytesMax: number): Uint8Array {
  if (algo !== LZW) throw new Fault("malformed", `compression algorithm ${algo} is not known`);
  if (buf === null) throw new Fault("truncated", "a compressed stream has no bytes");
  const message = lzwDecompress(buf, bytesMax);
  if (message.length === 0) throw new Fault("emptyMessage", "a compressed message of no bytes");
  return message;
}
