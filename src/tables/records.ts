/**
 * The records of the overlay driver and of service discovery, as they stand in the values of entries.
 *
 * Fields that we do not know are kept and written again, so that a newer peer's record passes through us unharmed.
 * Docker writes the text `<nil>` for a virtual IP that is not there; so do we, because old engines compare records as
 * bytes. Source: moby `drivers/overlay/overlay.proto`, `libnetwork/agent.proto`.
 */
import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Fault } from "../base/fault.ts";
import { isAddress } from "../base/ip.ts";
import { descriptor } from "./schema.ts";

/** Names of the tables that Docker uses. */
export const OVERLAY_PEER_TABLE = "overlay_peer_table";
export const ENDPOINT_TABLE = "endpoint_table";

/** A protobuf field that is not ours to interpret. */
export interface UnknownField {
  readonly no: number;
  readonly wireType: number;
  /** As on the wire, after its tag. */
  readonly data: Uint8Array;
}

interface WithUnknown {
  /** Fields beyond those named here. */
  readonly unknown?: readonly UnknownField[];
}

/** Where a container can be reached: one row of `overlay_peer_table`, keyed by endpoint id. */
export interface PeerRecord extends WithUnknown {
  /** Address and prefix length, such as 10.0.1.4/24. */
  readonly endpointIp: string;
  readonly endpointMac: string;
  /** Data-path address of its node, without a port. */
  readonly tunnelEndpointIp: string;
}

export type Protocol = "tcp" | "udp" | "sctp";

export interface PortConfig {
  readonly name: string;
  readonly protocol: Protocol;
  readonly targetPort: number;
  readonly publishedPort: number;
}

/** What a container is called: one row of `endpoint_table`, keyed by endpoint id. */
export interface EndpointRecord extends WithUnknown {
  /** Of the container or the task. Never empty. */
  readonly name: string;
  /** Empty for a container that belongs to no service. */
  readonly serviceName: string;
  readonly serviceId: string;
  /** Without prefix length; `undefined`: none. */
  readonly virtualIp: string | undefined;
  /** Without prefix length. */
  readonly endpointIp: string;
  readonly ingressPorts: readonly PortConfig[];
  /** Of the service. */
  readonly aliases: readonly string[];
  readonly taskAliases: readonly string[];
  /** It is draining: no new connections. */
  readonly serviceDisabled: boolean;
}

const NO_ADDRESS = "<nil>";
const protocols: readonly Protocol[] = ["tcp", "udp", "sctp"];
const peerRecord = descriptor("PeerRecord");
const endpointRecord = descriptor("EndpointRecord");
const portConfig = descriptor("PortConfig");

export function encodePeerRecord({ unknown, ...fields }: PeerRecord): Uint8Array {
  return write(peerRecord, fields, unknown);
}

/** Throws `Fault` (`malformed`). */
export function decodePeerRecord(value: Uint8Array): PeerRecord {
  const record = read(peerRecord, value) as PeerRecord;
  const { endpointIp, endpointMac, tunnelEndpointIp } = record;
  if (!isAddress(endpointIp.replace(/\/\d{1,3}$/, ""))) throw new Fault("malformed", "a peer without an address");
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(endpointMac)) throw new Fault("malformed", "a peer without a MAC");
  if (!isAddress(tunnelEndpointIp)) throw new Fault("malformed", "a peer without a tunnel endpoint");
  return record;
}

export function encodeEndpointRecord({ unknown, ...record }: EndpointRecord): Uint8Array {
  const ingressPorts = record.ingressPorts.map((port) => ({
    ...port,
    $typeName: portConfig.typeName,
    protocol: protocols.indexOf(port.protocol),
  }));
  return write(endpointRecord, { ...record, virtualIp: record.virtualIp ?? NO_ADDRESS, ingressPorts }, unknown);
}

/** Throws `Fault` (`malformed`) where Docker would refuse the record too. */
export function decodeEndpointRecord(value: Uint8Array): EndpointRecord {
  const { virtualIp, ingressPorts, ...fields } = read(endpointRecord, value) as unknown as RawEndpoint;
  if (fields.name === "" || !isAddress(fields.endpointIp)) {
    throw new Fault("malformed", "an endpoint without a name or an address");
  }
  return {
    ...fields,
    virtualIp: isAddress(virtualIp) ? virtualIp : undefined,
    ingressPorts: ingressPorts.map(({ name, protocol, targetPort, publishedPort }) => {
      return { name, protocol: protocols[protocol] ?? "tcp", targetPort, publishedPort };
    }),
  };
}

/** As the library reads it. */
type RawEndpoint = Omit<EndpointRecord, "virtualIp" | "ingressPorts"> & {
  readonly virtualIp: string;
  readonly ingressPorts: readonly (Omit<PortConfig, "protocol"> & { readonly protocol: number })[];
};

function write(desc: DescMessage, fields: object, unknown: readonly UnknownField[] | undefined): Uint8Array {
  const message = { ...fields, $typeName: desc.typeName, $unknown: unknown };
  return toBinary(desc, message as unknown as Message);
}

function read(desc: DescMessage, bytes: Uint8Array): object {
  try {
    const message = fromBinary(desc, bytes) as unknown as Record<string, unknown>;
    const { $unknown: unknown, $typeName: _type, ...fields } = message;
    return unknown === undefined ? fields : { ...fields, unknown };
  } catch (error) {
    throw new Fault("malformed", "a record is not protobuf", error);
  }
}
