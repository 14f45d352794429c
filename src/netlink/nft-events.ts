/**
 * What the kernel reports about changes of the packet filter, to sockets that joined the group: for us, whether
 * somebody else touched our table.
 *
 * Each batch is reported as its changes and then the new generation with the program that made it, so that our own can
 * be told from a foreign flush. Reports are lost when the socket's buffer overflows; the generation shows that.
 * Source: net/netfilter/nf_tables_api.c of Linux.
 */

import type { Message } from "./message.ts";
import { decodeGeneration, type Generation } from "./nft-batch.ts";
import { type NftMessage, openNft, tableIn } from "./nft-fields.ts";
import type { Table } from "./nft-values.ts";

/** Number of the group (NFNLGRP_NFTABLES), to join. */
export const NFT_GROUP = 7;

export type NftThing = "table" | "chain" | "rule" | "set" | "elements";

export type NftEvent =
  | { readonly what: "changed"; readonly thing: NftThing; readonly table: Table }
  | { readonly what: "deleted"; readonly thing: NftThing; readonly table: Table }
  /** Ends the reports of one batch. */
  | { readonly what: "generation"; readonly generation: Generation };

const things: Readonly<Partial<Record<NftMessage, { what: "changed" | "deleted"; thing: NftThing }>>> = {
  newTable: { what: "changed", thing: "table" },
  deleteTable: { what: "deleted", thing: "table" },
  newChain: { what: "changed", thing: "chain" },
  deleteChain: { what: "deleted", thing: "chain" },
  newRule: { what: "changed", thing: "rule" },
  deleteRule: { what: "deleted", thing: "rule" },
  newSet: { what: "changed", thing: "set" },
  deleteSet: { what: "deleted", thing: "set" },
  newElements: { what: "changed", thing: "elements" },
  deleteElements: { what: "deleted", thing: "elements" },
};

/** `undefined` for other subsystems, families and things. Throws `Fault` (`truncated`, `malformed`). */
export function decodeNftEvent(message: Pick<Message, "type" | "body">): NftEvent | undefined {
  const generation = decodeGeneration(message);
  if (generation !== undefined) return { what: "generation", generation };
  const open = openNft(message);
  if (open?.family === undefined) return undefined;
  const thing = things[open.what];
  return thing === undefined ? undefined : { ...thing, table: tableIn(open.family, open.attributes) };
}
