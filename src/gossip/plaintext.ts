/**
 * Is a packet that does not decrypt perhaps not encrypted at all? Only for telling the operator of a peer without
 * keys from a peer with wrong ones; nothing is accepted on the strength of it.
 */
import { crc32 } from "../crypt/crc32.ts";
import { CRC_HEADER_BYTES } from "./limits.ts";
import { MessageType } from "./messages.ts";

/** Types whose body is a map with text keys. */
const mapTypes = new Set<number>([
  MessageType.ping,
  MessageType.indirectPing,
  MessageType.ack,
  MessageType.suspect,
  MessageType.alive,
  MessageType.dead,
  MessageType.compress,
  MessageType.nack,
]);

/** Right for nearly every packet; for about one in 400 encrypted ones it says yes too. */
export function looksLikePlaintext(packet: Uint8Array): boolean {
  const type = packet[0] ?? 0;
  if (mapTypes.has(type)) return isTextMap(packet[1] ?? 0, packet[2] ?? 0);
  if (type === MessageType.compound) return isCompound(packet);
  if (type !== MessageType.hasCrc || packet.length < CRC_HEADER_BYTES) return false;
  const wanted = new DataView(packet.buffer, packet.byteOffset).getUint32(1);
  return crc32(packet.subarray(CRC_HEADER_BYTES)) === wanted;
}

function isTextMap(header: number, key: number): boolean {
  return header > 0x80 && header <= 0x8f && key > 0xa0 && key <= 0xaf;
}

function isCompound(packet: Uint8Array): boolean {
  let length = 2 + (packet[1] ?? 0) * 2;
  if (length > packet.length) return false;
  for (let at = 2, end = length; at < end; at += 2) length += (packet[at]! << 8) | packet[at + 1]!;
  return length === packet.length;
}
