/**
 * The rows that make VXLAN to other nodes leave in ESP, and those that keep it from leaving otherwise.
 *
 * A clash of SPIs (two peers whose packets to us name the same association) is told: under one key it means that two
 * pairs of nodes share key and salt, and only their random IVs keep nonces apart; under two keys one peer cannot be
 * understood, and is blocked.
 */
import { faultOf } from "../base/fault.ts";
import type { RingKey } from "../model/ring-key.ts";
import { checkAssociation, peerOf, type SecurityAssociation } from "../model/security-association.ts";
import { allIpv4, allIpv6, noLimits, noMark, type Policy, type Selector } from "../netlink/xfrm-values.ts";
import type { Problem } from "./check-wanted.ts";
import type { OverlayConfig } from "./config.ts";
import type { Subject, WantedRow } from "./effects.ts";
import { BLOCK_PRIORITY, ENCRYPTED_SOURCE_PORTS } from "./limits.ts";
import { familyOf } from "./prefix.ts";
import { ringAssociations } from "./ring-source.ts";
import { keyOf } from "./row-key.ts";
import { rowOf } from "./row-of.ts";
import type { SpiForm } from "./spi.ts";

export interface EncryptionRows {
  readonly rows: readonly WantedRow[];
  /** Nodes that cannot be talked to, with the reason. */
  readonly blocked: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

const UDP = 17;

/** VXLAN of encrypted networks does not leave, unless a policy with a lower number says how: one row for each family. */
export function blockRows(config: OverlayConfig): WantedRow[] {
  return [allIpv4, allIpv6].map((all) => {
    const selector: Selector = { ...all, ...encryptedVxlan(config) };
    const rest = { action: "block", priority: BLOCK_PRIORITY, templates: [], limits: noLimits } as const;
    return rowOf({ kind: "policy", policy: { direction: "out", selector, mark: noMark, ...rest } }, {});
  });
}

function encryptedVxlan({ dataPath }: OverlayConfig): Omit<Selector, "source" | "destination" | "interfaceIndex"> {
  const { from, mask } = ENCRYPTED_SOURCE_PORTS;
  return { protocol: UDP, sourcePort: from, sourcePortMask: mask, destinationPort: dataPath.port };
}

/** For every node that takes part in an encrypted network. `blocks`: keys of the rows that have to be there first. */
export function peerRows(
  vteps: readonly string[],
  keys: readonly RingKey[],
  forms: ReadonlyMap<string, SpiForm>,
  blocks: readonly string[],
  config: OverlayConfig,
): EncryptionRows {
  const rows = new Map<string, WantedRow>();
  const blocked = new Map<string, string>();
  const problems: Problem[] = [];
  for (const peer of vteps) {
    try {
      const { inbound, outbound } = ringAssociations(keys, config.dataPath, peer, forms.get(peer) ?? "mapped");
      const clash = clashOf([...inbound, outbound], rows);
      if (clash?.serious === true) {
        blocked.set(peer, clash.why);
        continue;
      }
      if (clash !== undefined) problems.push({ subject: { peer }, why: clash.why });
      for (const row of rowsOf(inbound, outbound, peer, blocks, config)) {
        if (!rows.has(row.key)) rows.set(row.key, row);
      }
    } catch (error) {
      blocked.set(peer, faultOf(error).message);
    }
  }
  return { rows: [...rows.values()], blocked, problems };
}

function rowsOf(
  inbound: readonly SecurityAssociation[],
  outbound: SecurityAssociation,
  peer: string,
  blocks: readonly string[],
  config: OverlayConfig,
): WantedRow[] {
  const subject: Subject = { peer };
  const associations = [...inbound, outbound].map((association) => {
    checkAssociation(association);
    return rowOf({ kind: "association", association }, subject);
  });
  const needs = [...blocks, keyOf({ kind: "association", association: outbound })];
  return [...associations, rowOf({ kind: "policy", policy: policyOf(outbound, config) }, subject, needs)];
}

/** VXLAN of encrypted networks to this peer leaves through this association. */
function policyOf(outbound: SecurityAssociation, config: OverlayConfig): Policy {
  const { requestId } = config;
  const { source, destination, spi } = outbound;
  const bits = familyOf(destination) === 4 ? 32 : 128;
  const all = bits === 32 ? allIpv4 : allIpv6;
  return {
    direction: "out",
    selector: {
      ...all,
      source: { address: source, bits },
      destination: { address: destination, bits },
      ...encryptedVxlan(config),
    },
    mark: noMark,
    action: "allow",
    priority: 0,
    templates: [{ source, destination, spi, requestId, mode: "transport", optional: false }],
    limits: noLimits,
  };
}

function clashOf(
  associations: readonly SecurityAssociation[],
  rows: ReadonlyMap<string, WantedRow>,
): { readonly serious: boolean; readonly why: string } | undefined {
  const clashes = associations.flatMap((association) => {
    const row = rows.get(keyOf({ kind: "association", association }))?.row;
    if (row?.kind !== "association") return [];
    const serious = !row.association.material.equals(association.material);
    const spi = `0x${association.spi.toString(16)}`;
    const other = peerOf(row.association);
    return [
      serious
        ? { serious, why: `its SPI ${spi} is already that of ${other}, under another key` }
        : { serious, why: `SPI clash: it shares SPI ${spi}, key and salt with ${other}` },
    ];
  });
  return clashes.find(({ serious }) => serious) ?? clashes[0];
}
