/**
 * Draws the house: `node --import tsx tools/house.ts`. Floors from roof to ground, each folder with its files and
 * their lines, and below each folder what it imports and how often. Ends with the problems, and 1 if there are any.
 */
import { posix } from "node:path";
import * as plan from "./house-plan.ts";
import { checkHouse, type Tree } from "./house-rules.ts";
import { importsOf } from "./house-scan.ts";
import { readTree } from "./house-tree.ts";

const WIDTH = 110;
const INDENT = " ".repeat(15);

const tree = readTree();
for (let floor = plan.ROOF; floor >= 0; floor--) {
  console.log(`${String(floor).padStart(2)} ${"-".repeat(WIDTH - 3)}`);
  for (const folder of plan.floors[floor] ?? []) draw(tree, folder);
}
console.log(`   wing ${"-".repeat(WIDTH - 8)}`);
for (const folder of Object.keys(plan.wing)) draw(tree, folder);

const problems = checkHouse(tree);
for (const { path, line, text } of problems) console.log(`${path}${line > 0 ? `:${line}` : ""} ${text}`);
console.log(
  problems.length === 0
    ? "The house is in order."
    : `${problems.length} ${problems.length === 1 ? "problem" : "problems"}.`,
);
process.exitCode = problems.length === 0 ? 0 : 1;

/** One folder; nothing for a folder that is planned but not built. */
function draw(tree: Tree, folder: string): void {
  const files = [...tree].filter(([path]) => path.startsWith(`src/${folder}/`) && path.endsWith(".ts"));
  if (files.length === 0) return;
  const lines = files.map(([, text]) => text.split("\n").length - 1);
  const total = lines.reduce((sum, count) => sum + count, 0);
  console.log(`   ${folder.padEnd(12)}${files.length} files, ${total} lines`);
  const names = files.map(([path], i) => `${path.slice(`src/${folder}/`.length).replace(/\.ts$/, "")} ${lines[i]}`);
  console.log(wrap(names.join(", ")));
  const arrows = [...countImports(files)].sort(([, a], [, b]) => b - a).map(([to, count]) => `${to} ${count}`);
  if (arrows.length > 0) console.log(wrap(`-> ${arrows.join(", ")}`));
}

/** How many imports lead to each other folder or package. */
function countImports(files: readonly (readonly [path: string, text: string])[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [path, text] of files) {
    for (const { specifier } of importsOf(text)) {
      const inside = specifier.startsWith(".");
      const to = inside ? plan.folderOf(posix.join(posix.dirname(path), specifier)) : specifier;
      if (to !== undefined && to !== plan.folderOf(path)) counts.set(to, (counts.get(to) ?? 0) + 1);
    }
  }
  return counts;
}

function wrap(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(/(?<=,) /)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH - INDENT.length)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => INDENT + line).join("\n");
}
