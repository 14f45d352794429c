/**
 * Addresses of links. Source: include/uapi/linux/if_addr.h, net/ipv4/devinet.c and net/ipv6/addrconf.c of Linux.
 */
import { addressBytes, addressText } from "../base/ip.ts";
import { addressIn, familyNumber, type IpVersion, prefixBytes, versionOfFamily } from "./addressing.ts";
import { attribute, parseAttributes, textIn, u32Attribute, u32In } from "./attributes.ts";
import type { Message, Request } from "./message.ts";
import { dumpOf, type Manner, order, plainOrder, RTM } from "./route-types.ts";
import { addressHead, addressHeadIn, sizes } from "./structs.ts";

const IFA = { address: 1, local: 2, label: 3, broadcast: 4, flags: 8 } as const;

const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;
const IFA_F_NOPREFIXROUTE = 0x200;

export interface LinkAddress {
  /** Index of the link. */
  readonly link: number;
  /** With the length of its subnet: "10.0.1.4/24". */
  readonly address: string;
}

export interface NewLinkAddress extends LinkAddress {
  /** IPv4's broadcast address; the kernel invents none. */
  readonly broadcast?: string;
  /** Usable at once, without asking whether another node has it; IPv6 only. */
  readonly withoutDuplicateDetection?: boolean;
  /** The kernel makes no route to the subnet. */
  readonly withoutRoute?: boolean;
}

export interface LinkAddressState extends LinkAddress {
  /** Where the link leads to, if it has two ends; otherwise the same address. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly label: string | undefined;
  /** 0: everywhere, 253: this link, 254: this host. */
  readonly scope: number;
  readonly permanent: boolean;
  /** IPv6 is still asking whether another node has it. */
  readonly tentative: boolean;
  /** Another node has it. */
  readonly duplicate: boolean;
}

const FLAGS_IN_HEAD_MAX = 0xff;
const SCOPE_LINK = 253;
const SCOPE_HOST = 254;

export function addAddress(wanted: NewLinkAddress, manner: Manner = "replace"): Request {
  const { family, address, bits } = prefixBytes(wanted.address);
  const flags =
    (wanted.withoutDuplicateDetection === true ? IFA_F_NODAD : 0) |
    (wanted.withoutRoute === true ? IFA_F_NOPREFIXROUTE : 0);
  const parts = [attribute(IFA.local, address), attribute(IFA.address, address)];
  if (wanted.broadcast !== undefined) parts.push(attribute(IFA.broadcast, addressBytes(wanted.broadcast)));
  if (flags > FLAGS_IN_HEAD_MAX) parts.push(u32Attribute(IFA.flags, flags));
  const head = addressHead({
    family,
    bits,
    flags: flags & FLAGS_IN_HEAD_MAX,
    scope: scopeOf(address),
    index: wanted.link,
  });
  return order(RTM.newAddress, manner, head, ...parts);
}

/** As far as an address is meant to be known. */
function scopeOf(address: Uint8Array): number {
  if (address.length === 4) return address[0] === 127 ? SCOPE_HOST : 0;
  if (address[0] === 0xfe && (address[1]! & 0xc0) === 0x80) return SCOPE_LINK;
  return addressText(address) === "::1" ? SCOPE_HOST : 0;
}

/** Refused (`EADDRNOTAVAIL`) when the link does not have it. */
export function deleteAddress({ link, address: text }: LinkAddress): Request {
  const { family, address, bits } = prefixBytes(text);
  const parts = [attribute(IFA.local, address), attribute(IFA.address, address)];
  return plainOrder(RTM.deleteAddress, addressHead({ family, bits, index: link }), ...parts);
}

/** All of one version of IP, or those of one link. */
export function listAddresses(version: IpVersion, link = 0): Request {
  return dumpOf(RTM.getAddress, addressHead({ family: familyNumber(version), index: link }));
}

/** `undefined` for messages without an address. Throws `Fault` (`unknownType`) for other families. */
export function decodeAddress(message: Message): LinkAddressState | undefined {
  const head = addressHeadIn(message.body);
  versionOfFamily(head.family);
  const attributes = parseAttributes(message.body.subarray(sizes.address));
  const peer = addressIn(attributes.get(IFA.address));
  // IPv6 says only one of the two where they are the same.
  const address = addressIn(attributes.get(IFA.local)) ?? peer;
  if (address === undefined) return undefined;
  const flags = u32In(attributes.get(IFA.flags)) ?? head.flags;
  return {
    link: head.index,
    address: `${address}/${head.bits}`,
    peer,
    broadcast: addressIn(attributes.get(IFA.broadcast)),
    label: textIn(attributes.get(IFA.label)),
    scope: head.scope,
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    duplicate: (flags & IFA_F_DADFAILED) !== 0,
  };
}
