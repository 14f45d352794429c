/** Reads the repository as a tree of texts, for house-rules.ts and house.ts. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Tree } from "./house-rules.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** What is not ours or not for reading. */
const SKIPPED = new Set(["node_modules", ".git", "dist", "vectors", "LICENSE"]);
const TEXT = /\.(?:ts|md|json|sh|txt|yml|yaml|html|css)$|(?:^|\/)(?:skep|run|\.npmrc|\.gitignore)$/;

/** Every text file under `under`, by its path from the root. */
export function readTree(under = ""): Tree {
  const tree = new Map<string, string>();
  const entries = readdirSync(join(root, under), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (SKIPPED.has(entry.name)) continue;
    const path = under === "" ? entry.name : `${under}/${entry.name}`;
    if (entry.isDirectory()) for (const [name, text] of readTree(path)) tree.set(name, text);
    else if (TEXT.test(path)) tree.set(path, readFileSync(join(root, path), "utf8"));
  }
  return tree;
}
