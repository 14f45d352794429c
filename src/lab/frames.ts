/**
 * Ethernet frames of a capture as what UDP and TCP carried. Only for looking at captures of our own lab: no options,
 * fragments or tags that do not occur there are understood, and frames of other kinds give `undefined`.
 * Source: RFC 791, RFC 8200, RFC 768, RFC 9293.
 */

export interface Segment {
  readonly transport: "udp" | "tcp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Both ends and the transport as text: equal for the segments of one direction of one connection. */
  readonly flow: string;
  readonly payload: Buffer;
}

const ETHERNET_BYTES = 14;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
const UDP = 17;
const TCP = 6;

export function segmentOf(frame: Buffer): Segment | undefined {
  if (frame.length < ETHERNET_BYTES) return undefined;
  const type = frame.readUInt16BE(12);
  const packet = frame.subarray(ETHERNET_BYTES);
  if (type === 0x0800 && packet.length >= 20) return ofIpv4(packet);
  if (type === 0x86dd && packet.length >= IPV6_BYTES) return ofIpv6(packet);
  return undefined;
}

function ofIpv4(packet: Buffer): Segment | undefined {
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  const addresses = packet.toString("hex", 12, 20);
  return ofTransport(packet[9] ?? 0, addresses, packet.subarray(headerBytes, packet.readUInt16BE(2)));
}

function ofIpv6(packet: Buffer): Segment | undefined {
  const addresses = packet.toString("hex", 8, 40);
  return ofTransport(packet[6] ?? 0, addresses, packet.subarray(IPV6_BYTES, IPV6_BYTES + packet.readUInt16BE(4)));
}

function ofTransport(protocol: number, addresses: string, bytes: Buffer): Segment | undefined {
  if ((protocol !== UDP && protocol !== TCP) || bytes.length < (protocol === UDP ? UDP_BYTES : 20)) return undefined;
  const sourcePort = bytes.readUInt16BE(0);
  const destinationPort = bytes.readUInt16BE(2);
  const transport = protocol === UDP ? "udp" : "tcp";
  const headerBytes = protocol === UDP ? UDP_BYTES : ((bytes[12] ?? 0) >> 4) * 4;
  const flow = `${transport} ${addresses} ${sourcePort} ${destinationPort}`;
  return { transport, sourcePort, destinationPort, flow, payload: bytes.subarray(headerBytes) };
}
