/**
 * Orders and reports of ESP lanes as values that pass between threads: key material and faults are instances of
 * classes, which structured cloning takes apart.
 *
 * Key bytes move with the message instead of being copied, and are overwritten where they arrive.
 */
import { Fault, type FaultCode } from "../base/fault.ts";
import type { EspEffect, EspInput, LaneOrder, LaneReport } from "../esp/effects.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { SecurityAssociation } from "../model/security-association.ts";

type PlainAssociation = Omit<SecurityAssociation, "material"> & { readonly material: Uint8Array };
type PlainInput =
  | Exclude<EspInput, { on: "install" }>
  | { readonly on: "install"; readonly association: PlainAssociation };
export type PlainOrder = Omit<LaneOrder, "inputs"> & { readonly inputs: readonly PlainInput[] };

type PlainEffect =
  | Exclude<EspEffect, { do: "refused" }>
  | { readonly do: "refused"; readonly code: FaultCode; readonly message: string };
export type PlainReport =
  | Extract<LaneReport, { say: "counted" }>
  | (Omit<Extract<LaneReport, { say: "done" }>, "effects"> & { readonly effects: readonly PlainEffect[] })
  | (Omit<Extract<LaneReport, { say: "told" }>, "effects"> & { readonly effects: readonly PlainEffect[] });

/** `secrets` belongs into the list of what is moved. */
export function plainOrder(order: LaneOrder): { readonly plain: PlainOrder; readonly secrets: ArrayBuffer[] } {
  const secrets: ArrayBuffer[] = [];
  const inputs = order.inputs.map((input): PlainInput => {
    if (input.on !== "install") return input;
    const material = input.association.material.withBytes((bytes) => new Uint8Array(bytes));
    secrets.push(material.buffer);
    return { on: "install", association: { ...input.association, material } };
  });
  return { plain: { ...order, inputs }, secrets };
}

export function orderOf(plain: PlainOrder): LaneOrder {
  const inputs = plain.inputs.map((input): EspInput => {
    if (input.on !== "install") return input;
    const material = new KeyMaterial(input.association.material);
    input.association.material.fill(0);
    return { on: "install", association: { ...input.association, material } };
  });
  return { ...plain, inputs };
}

export function plainReport(report: LaneReport): PlainReport {
  return report.say === "counted" ? report : { ...report, effects: report.effects.map(plainEffect) };
}

export function reportOf(plain: PlainReport): LaneReport {
  return plain.say === "counted" ? plain : { ...plain, effects: plain.effects.map(effectOf) };
}

function plainEffect(effect: EspEffect): PlainEffect {
  if (effect.do !== "refused") return effect;
  return { do: "refused", code: effect.fault.code, message: effect.fault.message };
}

function effectOf(plain: PlainEffect): EspEffect {
  return plain.do === "refused" ? { do: "refused", fault: new Fault(plain.code, plain.message) } : plain;
}
