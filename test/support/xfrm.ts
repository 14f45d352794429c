/** Associations and policies between the two hosts 10.77.0.1 and 10.77.0.2, for tests to begin with. */
import { randomBytes } from "node:crypto";
import { KeyMaterial } from "../../src/model/key-material.ts";
import {
  type Association,
  allIpv4,
  noLimits,
  noMark,
  noSequence,
  type Policy,
  type Selector,
} from "../../src/netlink/xfrm-values.ts";

/** The mark and request id of Docker's overlay driver. */
export const REQUEST_ID = 0xd0c4e3;
export const ESP_MARK = { value: REQUEST_ID, mask: 0xffff_ffff };
export const VXLAN_PORT = 4789;
const UDP = 17;

/** UDP to the VXLAN port between networks of these prefixes. */
export function vxlanBetween(source: string, destination: string, bits: number): Selector {
  const prefixes = { source: { address: source, bits }, destination: { address: destination, bits } };
  return { ...allIpv4, ...prefixes, protocol: UDP, destinationPort: VXLAN_PORT };
}

export function associationBetween(source: string, destination: string, spi: number): Association {
  return {
    source,
    destination,
    spi,
    mark: noMark,
    requestId: REQUEST_ID,
    mode: "transport",
    key: new KeyMaterial(randomBytes(20)),
    icvBits: 64,
    extendedSequence: false,
    replayWindow: 0,
    sequence: noSequence,
    outputMark: noMark,
    limits: noLimits,
  };
}

/** VXLAN with the mark leaves through the association with this SPI. */
export function policyBetween(source: string, destination: string, spi: number): Policy {
  const template = { source, destination, spi, requestId: REQUEST_ID, mode: "transport", optional: false } as const;
  return {
    direction: "out",
    selector: vxlanBetween(source, destination, source.includes(":") ? 128 : 32),
    mark: ESP_MARK,
    action: "allow",
    priority: 0,
    templates: [template],
    limits: noLimits,
  };
}

/** VXLAN with the mark does not leave, unless a policy with a lower number says how. */
export const blockAll: Policy = {
  direction: "out",
  selector: vxlanBetween("0.0.0.0", "0.0.0.0", 0),
  mark: ESP_MARK,
  action: "block",
  priority: 4_000_000_000,
  templates: [],
  limits: noLimits,
};
