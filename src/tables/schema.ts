/**
 * NetworkDB's messages and records as protobuf descriptors, built here instead of generated, so that there is no
 * generator to run. Field names are those of the protocol files, numbers and types are the wire.
 * Source: moby `networkdb/networkdb.proto`, `drivers/overlay/overlay.proto`, `libnetwork/agent.proto`.
 */
import { create, createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

const PACKAGE = "skep.tables";

type FieldType = "string" | "bytes" | "bool" | "uint32" | "uint64" | "int32" | `enum ${string}` | `message ${string}`;
type Row = readonly [number: number, name: string, type: FieldType, repeated?: "repeated"];

const enums: Readonly<Record<string, readonly string[]>> = {
  MessageType: ["INVALID", "NETWORK_EVENT", "TABLE_EVENT", "PUSH_PULL", "BULK_SYNC", "COMPOUND", "NODE_EVENT"],
  MembershipType: ["MEMBERSHIP_INVALID", "JOIN", "LEAVE"],
  ChangeType: ["CHANGE_INVALID", "CREATE", "UPDATE", "DELETE"],
  Protocol: ["TCP", "UDP", "SCTP"],
};

const messages: Readonly<Record<string, readonly Row[]>> = {
  GossipMessage: [
    [1, "type", "enum MessageType"],
    [2, "data", "bytes"],
  ],
  NodeEvent: [
    [1, "type", "enum MembershipType"],
    [2, "l_time", "uint64"],
    [3, "node_name", "string"],
  ],
  NetworkEvent: [
    [1, "type", "enum MembershipType"],
    [2, "l_time", "uint64"],
    [3, "node_name", "string"],
    [4, "network_id", "string"],
  ],
  NetworkEntry: [
    [1, "network_id", "string"],
    [2, "l_time", "uint64"],
    [3, "node_name", "string"],
    [4, "leaving", "bool"],
  ],
  NetworkPushPull: [
    [1, "l_time", "uint64"],
    [2, "networks", "message NetworkEntry", "repeated"],
    [3, "node_name", "string"],
  ],
  TableEvent: [
    [1, "type", "enum ChangeType"],
    [2, "l_time", "uint64"],
    [3, "node_name", "string"],
    [4, "network_id", "string"],
    [5, "table_name", "string"],
    [6, "key", "string"],
    [7, "value", "bytes"],
    [8, "residual_reap_time", "int32"],
  ],
  BulkSyncMessage: [
    [1, "l_time", "uint64"],
    [2, "unsolicited", "bool"],
    [3, "node_name", "string"],
    [4, "networks", "string", "repeated"],
    [5, "payload", "bytes"],
  ],
  SimpleMessage: [[1, "payload", "bytes"]],
  CompoundMessage: [[1, "messages", "message SimpleMessage", "repeated"]],
  PeerRecord: [
    [1, "endpoint_ip", "string"],
    [2, "endpoint_mac", "string"],
    [3, "tunnel_endpoint_ip", "string"],
  ],
  PortConfig: [
    [1, "name", "string"],
    [2, "protocol", "enum Protocol"],
    [3, "target_port", "uint32"],
    [4, "published_port", "uint32"],
  ],
  EndpointRecord: [
    [1, "name", "string"],
    [2, "service_name", "string"],
    [3, "service_id", "string"],
    [4, "virtual_ip", "string"],
    [5, "endpoint_ip", "string"],
    [6, "ingress_ports", "message PortConfig", "repeated"],
    [7, "aliases", "string", "repeated"],
    [8, "task_aliases", "string", "repeated"],
    [9, "service_disabled", "bool"],
  ],
};

const scalars: Readonly<Record<string, Type>> = {
  string: Type.STRING,
  bytes: Type.BYTES,
  bool: Type.BOOL,
  uint32: Type.UINT32,
  uint64: Type.UINT64,
  int32: Type.INT32,
};

const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: [
      create(FileDescriptorProtoSchema, {
        name: "tables.proto",
        package: PACKAGE,
        syntax: "proto3",
        enumType: Object.entries(enums).map(([name, values]) => enumOf(name, values)),
        messageType: Object.entries(messages).map(([name, rows]) => messageOf(name, rows)),
      }),
    ],
  }),
);

/** The descriptor of one of the messages above. */
export function descriptor(name: keyof typeof messages): DescMessage {
  const found = registry.getMessage(`${PACKAGE}.${name}`);
  if (found === undefined) throw new TypeError(`there is no message ${name}`);
  return found;
}

function enumOf(name: string, values: readonly string[]): EnumDescriptorProto {
  return create(EnumDescriptorProtoSchema, { name, value: values.map((value, number) => ({ name: value, number })) });
}

function messageOf(name: string, rows: readonly Row[]): DescriptorProto {
  return create(DescriptorProtoSchema, {
    name,
    field: rows.map(([number, field, type, repeated]) => {
      const [kind, reference] = type.split(" ");
      const label = repeated === undefined ? Label.OPTIONAL : Label.REPEATED;
      const base = { name: field, number, label };
      if (kind === "enum") return { ...base, type: Type.ENUM, typeName: `.${PACKAGE}.${reference}` };
      if (kind === "message") return { ...base, type: Type.MESSAGE, typeName: `.${PACKAGE}.${reference}` };
      return { ...base, type: scalars[type]! };
    }),
  });
}
