/**
 * Policies of the kernel's IPsec: the verbs as requests, and what it answers as values.
 *
 * Nothing here talks to the kernel. Source: net/xfrm/xfrm_user.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { concatBytes } from "../wire/bytes.ts";
import { attribute, parseAttributes } from "./attributes.ts";
import { type Message, NLM, type Request } from "./message.ts";
import { markAttribute, markIn, XFRMA } from "./xfrm-attributes.ts";
import {
  directionNumber,
  directionOf,
  getLimits,
  getSelector,
  getTemplate,
  getUsage,
  number,
  putLimits,
  putSelector,
  putTemplate,
  sizes,
  structView,
  viewOf,
} from "./xfrm-structs.ts";
import type { Policy, PolicyId, PolicyState, Template } from "./xfrm-values.ts";

export const policyMessages = { new: 0x13, delete: 0x14, get: 0x15, update: 0x19, expire: 0x1b, flush: 0x1d } as const;

/** The kernel's own (XFRM_MAX_DEPTH). */
export const TEMPLATES_MAX = 6;
const ALLOW = 0;
const BLOCK = 1;
const LITTLE = true;

/** Add a policy. The kernel refuses a second with the same id (`EEXIST`). */
export function addPolicy(policy: Policy): Request {
  return { type: policyMessages.new, flags: NLM.ack, body: body(policy) };
}

/** Add a policy or replace the one with the same id, at once: no packet sees neither. */
export function updatePolicy(policy: Policy): Request {
  return { type: policyMessages.update, flags: NLM.ack, body: body(policy) };
}

/** `ENOENT` if there is none. */
export function deletePolicy(id: PolicyId): Request {
  return { type: policyMessages.delete, flags: NLM.ack, body: identity(id) };
}

/** Answered with one message, or `ENOENT`. */
export function getPolicy(id: PolicyId): Request {
  return { type: policyMessages.get, flags: 0, body: identity(id) };
}

/** Answered with one message for each policy; those that `decodePolicy` cannot read are not ours. */
export function listPolicies(): Request {
  return { type: policyMessages.get, flags: NLM.dump, body: new Uint8Array(0) };
}

/** Delete all policies but those of sockets, whoever made them. */
export function flushPolicies(): Request {
  return { type: policyMessages.flush, flags: NLM.ack, body: new Uint8Array(0) };
}

function body(policy: Policy): Uint8Array {
  if (policy.templates.length > TEMPLATES_MAX) throw new Fault("invalid", `more than ${TEMPLATES_MAX} templates`);
  const fixed = new Uint8Array(sizes.policy);
  const view = viewOf(fixed);
  putSelector(view, 0, policy.selector);
  putLimits(view, 56, policy.limits);
  view.setUint32(152, number(policy.priority, 0xffff_ffff, "priority"), LITTLE);
  view.setUint8(160, directionNumber(policy.direction));
  view.setUint8(161, policy.action === "allow" ? ALLOW : BLOCK);
  return concatBytes(fixed, ...templatesAttribute(policy.templates), ...markAttribute(policy.mark));
}

function templatesAttribute(templates: readonly Template[]): Uint8Array[] {
  if (templates.length === 0) return [];
  const value = new Uint8Array(templates.length * sizes.template);
  for (const [at, template] of templates.entries()) putTemplate(viewOf(value), at * sizes.template, template);
  return [attribute(XFRMA.templates, value)];
}

/** `xfrm_userpolicy_id` and the mark. */
function identity({ selector, direction, mark }: PolicyId): Uint8Array {
  const fixed = new Uint8Array(sizes.policyId);
  putSelector(viewOf(fixed), 0, selector);
  fixed[60] = directionNumber(direction);
  return concatBytes(fixed, ...markAttribute(mark));
}

/**
 * The policy in an answer or in a report that one was added or changed. Throws `Fault`: `unknownType` for a policy of a
 * socket or with templates of other protocols, `truncated` or `malformed` for nonsense.
 */
export function decodePolicy({ body }: Pick<Message, "body">): PolicyState {
  const view = structView(body, sizes.policy);
  const attributes = parseAttributes(body.subarray(sizes.policy));
  const action = view.getUint8(161);
  if (action !== ALLOW && action !== BLOCK) throw new Fault("malformed", `policy action ${action} is none`);
  return {
    selector: getSelector(view, 0),
    limits: getLimits(view, 56),
    usage: getUsage(view, 120),
    priority: view.getUint32(152, LITTLE),
    index: view.getUint32(156, LITTLE),
    direction: directionOf(view.getUint8(160)),
    action: action === ALLOW ? "allow" : "block",
    templates: templatesIn(attributes.get(XFRMA.templates)),
    mark: markIn(attributes),
  };
}

function templatesIn(value: Uint8Array | undefined): Template[] {
  if (value === undefined) return [];
  if (value.length % sizes.template !== 0) throw new Fault("malformed", "a policy ends within a template");
  const view = viewOf(value);
  return Array.from({ length: value.length / sizes.template }, (_, at) => getTemplate(view, at * sizes.template));
}
