/**
 * What the kernel reports about IPsec without being asked, to sockets that joined the groups below.
 *
 * Reports are lost when the socket's buffer overflows; who acts on them also has to look from time to time.
 * Source: net/xfrm/xfrm_user.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { concatBytes } from "../wire/bytes.ts";
import { parseAttributes } from "./attributes.ts";
import type { Message } from "./message.ts";
import { associationMessages, decodeAssociation } from "./xfrm-associations.ts";
import { markIn, XFRMA } from "./xfrm-attributes.ts";
import { decodePolicy, policyMessages } from "./xfrm-policies.ts";
import { directionOf, ESP, familyOf, getAddress, getSelector, getUsage, sizes, structView } from "./xfrm-structs.ts";
import type { AssociationId, AssociationState, Direction, Mark, PolicyState, Selector, Usage } from "./xfrm-values.ts";

/** Numbers of the groups (XFRMNLGRP_*), to join. */
export const xfrmGroups = { acquire: 1, expire: 2, associations: 3, policies: 4 } as const;

const ACQUIRE = 0x17;
const LITTLE = true;

export type XfrmEvent =
  /** A limit is reached; after a hard one it is gone. */
  | { readonly what: "associationExpired"; readonly association: AssociationExpiry; readonly hard: boolean }
  | { readonly what: "policyExpired"; readonly policy: PolicyState; readonly hard: boolean }
  /** A packet needs an association that is not there: nobody can send or receive until there is one. */
  | { readonly what: "acquire"; readonly acquire: Acquire }
  | { readonly what: "associationSet"; readonly association: AssociationState }
  | { readonly what: "associationDeleted"; readonly destination: string; readonly spi: number }
  /** `protocol` is IANA's number, or 255 for all. */
  | { readonly what: "associationsFlushed"; readonly protocol: number }
  | { readonly what: "policySet"; readonly policy: PolicyState }
  | { readonly what: "policyDeleted"; readonly direction: Direction; readonly selector: Selector; readonly mark: Mark }
  | { readonly what: "policiesFlushed" };

/** An expiry says nothing about key and sequence. */
export interface AssociationExpiry extends AssociationId {
  readonly requestId: number;
  readonly usage: Usage;
}

/** What is missing, and the packet that would need it. */
export interface Acquire {
  readonly source: string;
  readonly destination: string;
  readonly packet: Selector;
  readonly mark: Mark;
  /** Its selector. */
  readonly policy: Selector;
  readonly direction: Direction;
}

/** `undefined` for reports of other kinds and about other protocols. Throws `Fault` like the decoders of both. */
export function decodeXfrmEvent(message: Pick<Message, "type" | "body">): XfrmEvent | undefined {
  try {
    return decode(message);
  } catch (error) {
    if (error instanceof Fault && error.code === "unknownType") return undefined;
    throw error;
  }
}

function decode({ type, body }: Pick<Message, "type" | "body">): XfrmEvent | undefined {
  switch (type) {
    case associationMessages.expire:
      return associationExpired(body);
    case policyMessages.expire:
      return policyExpired(body);
    case ACQUIRE:
      return { what: "acquire", acquire: decodeAcquire(body) };
    case associationMessages.new:
    case associationMessages.update:
      return { what: "associationSet", association: decodeAssociation({ body }) };
    case associationMessages.delete:
      return associationDeleted(body);
    case associationMessages.flush:
      return { what: "associationsFlushed", protocol: structView(body, sizes.flush).getUint8(0) };
    case policyMessages.new:
    case policyMessages.update:
      return { what: "policySet", policy: decodePolicy({ body }) };
    case policyMessages.delete:
      return policyDeleted(body);
    case policyMessages.flush:
      return { what: "policiesFlushed" };
    default:
      return undefined;
  }
}

function associationExpired(body: Uint8Array): XfrmEvent | undefined {
  const view = structView(body, sizes.expire);
  if (view.getUint8(76) !== ESP) return undefined;
  const family = view.getUint16(212, LITTLE);
  const association = {
    source: getAddress(view, 80, family),
    destination: getAddress(view, 56, family),
    spi: view.getUint32(72),
    mark: markIn(parseAttributes(body.subarray(sizes.expire))),
    requestId: view.getUint32(208, LITTLE),
    usage: getUsage(view, 160),
  };
  return { what: "associationExpired", association, hard: view.getUint8(sizes.association) !== 0 };
}

/** The attributes come behind the 8 bytes that an expiry adds to the policy's struct: take those out. */
function policyExpired(body: Uint8Array): XfrmEvent {
  const hard = structView(body, sizes.policyExpire).getUint8(sizes.policy) !== 0;
  return { what: "policyExpired", policy: decodePolicy({ body: withoutHard(body) }), hard };
}

function withoutHard(body: Uint8Array): Uint8Array {
  return concatBytes(body.subarray(0, sizes.policy), body.subarray(sizes.policyExpire));
}

function associationDeleted(body: Uint8Array): XfrmEvent | undefined {
  const view = structView(body, sizes.associationId);
  if (view.getUint8(22) !== ESP) return undefined;
  const destination = getAddress(view, 0, view.getUint16(20, LITTLE));
  return { what: "associationDeleted", destination, spi: view.getUint32(16) };
}

/** The kernel tells the whole policy in an attribute when it was named by selector, or in place of the id. */
function policyDeleted(body: Uint8Array): XfrmEvent {
  const view = structView(body, sizes.policyId);
  const attributes = parseAttributes(body.subarray(sizes.policyId));
  const direction = directionOf(view.getUint8(60));
  const whole = attributes.get(XFRMA.policy);
  const selector = whole === undefined ? getSelector(view, 0) : getSelector(structView(whole, sizes.policy), 0);
  return { what: "policyDeleted", direction, selector, mark: markIn(attributes) };
}

function decodeAcquire(body: Uint8Array): Acquire {
  const view = structView(body, sizes.acquire);
  const policy = getSelector(view, 96);
  const family = familyOf(policy.destination.address);
  return {
    destination: getAddress(view, 0, family),
    source: getAddress(view, 24, family),
    packet: getSelector(view, 40),
    policy,
    direction: directionOf(view.getUint8(96 + 160)),
    mark: markIn(parseAttributes(body.subarray(sizes.acquire))),
  };
}
