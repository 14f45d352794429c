/**
 * What elements of our sets are. The kernel takes the length only; the rest is for `nft list`, which cannot print a
 * field of the packet without being told which.
 *
 * The userdata say `typeof @th,96,24` as nft 1.0 does; the kernel and other tools pass them over. They are types,
 * lengths and values, of one byte, one byte and so many, one inside the other. Source: what nft sends for such sets.
 */
import { concatBytes, noBytes } from "../wire/bytes.ts";
import { VNI_FIELD } from "./nft-matches.ts";
import type { SetType } from "./nft-values.ts";

/** Data types of nft. */
const INTEGER = 4;
const IPV4_ADDRESS = 7;
const IPV6_ADDRESS = 8;
const MARK = 19;

/** Expressions of nft, and the headers it knows. */
const PAYLOAD = 7;
const CONCATENATION = 13;
const UNKNOWN_HEADER = 0;
const IPV4_HEADER = 12;
const IPV6_HEADER = 13;
/** Which field of these headers the source address is. */
const SOURCE_FIELD = { 4: 11, 6: 8 } as const;
const TRANSPORT = 3;

/** Byte orders as nft numbers them; a concatenation has none. */
const NO_ORDER = 0;
const HOST_ORDER = 1;
const NETWORK_ORDER = 2;

/** Userdata of a set. */
const KEY_ORDER = 0;
const DATA_ORDER = 1;
const KEY_TYPE = 3;

export const ipv4Address: SetType = { bytes: 4, parts: [IPV4_ADDRESS], byteOrder: NETWORK_ORDER, shape: noBytes };
export const ipv6Address: SetType = { bytes: 16, parts: [IPV6_ADDRESS], byteOrder: NETWORK_ORDER, shape: noBytes };
export const mark: SetType = { bytes: 4, parts: [MARK], byteOrder: HOST_ORDER, shape: noBytes };

/** `typeof @th,96,24`: VXLAN network identifiers. */
export const vni: SetType = { bytes: VNI_FIELD.bytes, parts: [INTEGER], byteOrder: NETWORK_ORDER, shape: vniField() };

/** `typeof @th,96,24 . ip saddr` or `ip6 saddr`: a network and an outer source. Parts begin at every fourth byte. */
export const vniAndSource: Readonly<Record<4 | 6, SetType>> = { 4: pairWith(4), 6: pairWith(6) };

function pairWith(family: 4 | 6): SetType {
  const source = expression(
    PAYLOAD,
    field(0, family === 4 ? IPV4_HEADER : IPV6_HEADER),
    field(1, SOURCE_FIELD[family]),
  );
  const pair = expression(CONCATENATION, tagged(0, vniField()), tagged(1, source));
  return {
    bytes: 4 + (family === 4 ? 4 : 16),
    parts: [INTEGER, family === 4 ? IPV4_ADDRESS : IPV6_ADDRESS],
    byteOrder: NO_ORDER,
    shape: pair,
  };
}

function vniField(): Uint8Array {
  const place = [field(2, TRANSPORT), field(3, VNI_FIELD.offset * 8), field(4, VNI_FIELD.bytes * 8)];
  return expression(PAYLOAD, field(0, UNKNOWN_HEADER), field(1, 0), ...place);
}

/** What `nft list` needs to know of a set. */
export function setUserdata(key: SetType, data: SetType | undefined): Uint8Array {
  return concatBytes(
    field(KEY_ORDER, key.byteOrder),
    data === undefined ? noBytes : field(DATA_ORDER, data.byteOrder),
    key.shape.length === 0 ? noBytes : tagged(KEY_TYPE, key.shape),
  );
}

function expression(kind: number, ...parts: Uint8Array[]): Uint8Array {
  return concatBytes(field(0, kind), tagged(1, concatBytes(...parts)));
}

/** A number of 4 bytes, in the order of the host. */
function field(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return tagged(type, bytes);
}

function tagged(type: number, value: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(type, value.length), value);
}
