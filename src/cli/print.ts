/**
 * What commands print: tables for people and for `cut`, JSON for programs.
 *
 * Tables are separated by tabs, one header line first; a cell can never hold a tab or a line end, because names come
 * from strangers. Knows no terminal: the text goes to whoever asked.
 */
import { printable } from "../base/printable.ts";

export const outputFormats = ["text", "json"] as const;
export type OutputFormat = (typeof outputFormats)[number];

export type Cell = string | number | boolean;

/** Header and rows, tab-separated, each with a line end. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [header, ...rows].map((row) => `${row.map((cell) => printable(String(cell))).join("\t")}\n`).join("");
}

/** One JSON document on one line. */
export function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** A tree of numbers as rows "a.b.c <tab> 7", in its own order. */
export function flatRows(tree: object, prefix = ""): [string, Cell][] {
  return Object.entries(tree).flatMap(([name, value]: [string, unknown]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    return typeof value === "object" && value !== null ? flatRows(value, path) : [[path, value as Cell]];
  });
}
