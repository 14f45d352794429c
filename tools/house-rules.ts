/**
 * The rules of the house, checked on a tree given as text, so that they can be tried on planted faults.
 * The plan they check against is house-plan.ts; STYLE.md gives the reasons. What Biome and tsc can check is theirs.
 */
import { posix } from "node:path";
import * as plan from "./house-plan.ts";
import { blank, importsOf, lineAt } from "./house-scan.ts";

/** Every text file of the repository by its path from the root, with forward slashes. */
export type Tree = ReadonlyMap<string, string>;

export interface Problem {
  readonly path: string;
  /** Counted from 1; 0 for the file as a whole. */
  readonly line: number;
  readonly text: string;
}

/** Everything that is wrong with a tree; empty if nothing is. */
export function checkHouse(tree: Tree): Problem[] {
  const problems: Problem[] = [];
  for (const [path, text] of tree) {
    const report = (line: number, problem: string): void => void problems.push({ path, line, text: problem });
    if (path !== "package-lock.json") checkWords(text, report);
    if (path === "package-lock.json") checkLock(text, report);
    if (path === "package.json") checkPins(text, report);
    if (path.endsWith(".ts")) {
      checkForm(path, text, report);
      checkImports(tree, path, text, report);
      if (plan.folderOf(path) !== undefined) checkPurity(path, text, report);
    }
  }
  return [...problems, ...checkCycles(tree), ...checkDecisions(tree)];
}

type Report = (line: number, problem: string) => void;

const FILE_LINES_MAX = 600;
/** A documentation comment with at least one word. */
const HEAD_COMMENT = /^\/\*\*[^/]*?\w/;

function checkForm(path: string, text: string, report: Report): void {
  const lines = text.split("\n").length - 1;
  if (lines > FILE_LINES_MAX) report(0, `has ${lines} lines; cut it at ${FILE_LINES_MAX} or earlier`);
  if (/(?:^|\/)index\.ts$/.test(path)) report(0, "is a barrel by its name; import the file that you mean");
  const code = blank(text);
  eachMatch(code, /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s/gm, (at) =>
    report(lineAt(code, at + 1), "declares an enum; use a union or a constant object"),
  );
  if (path.startsWith("src/")) checkSource(path, text, code, report);
}

function checkSource(path: string, text: string, code: string, report: Report): void {
  eachMatch(code, /\bexport\s+default\b/g, (at) => report(lineAt(text, at), "exports a default; give it a name"));
  if (!HEAD_COMMENT.test(text)) report(1, "does not begin with a comment that says what it is");
  const folder = plan.folderOf(path);
  if (folder === undefined) report(0, "is in no folder of src/");
  else if (plan.floorOf(folder) === undefined && !(folder in plan.wing)) {
    report(0, `is in src/${folder}, which has no place in tools/house-plan.ts`);
  }
  if (folder === "port") checkTypesOnly(text, code, report);
}

/** Formatted code starts its statements in the first column. */
function checkTypesOnly(text: string, code: string, report: Report): void {
  eachMatch(code, /^[A-Za-z@].*$/gm, (at, [line]) => {
    if (!/^(?:import type|export type|export interface|type|interface)\b/.test(line)) {
      report(lineAt(text, at), "is more than a type; ports hold no code");
    }
  });
}

function checkImports(tree: Tree, path: string, text: string, report: Report): void {
  const folder = plan.folderOf(path);
  for (const { specifier, line } of importsOf(text)) {
    if (specifier.startsWith(".")) {
      const target = posix.join(posix.dirname(path), specifier);
      if (!tree.has(target)) report(line, `imports ${specifier}, which is no file`);
      else if (folder !== undefined) checkWay(path, target, (problem) => report(line, problem));
    } else if (folder !== undefined) {
      checkPackage(tree, folder, specifier, (problem) => report(line, problem));
    }
  }
}

/** May `path` (in src/) import `target`? */
function checkWay(path: string, target: string, report: (problem: string) => void): void {
  const from = plan.folderOf(path) ?? "";
  const to = plan.folderOf(target);
  if (to === undefined) report(`imports ${target}, which is outside of src/`);
  else if (from === to) checkRooms(path, target, report);
  else if (to in plan.wing) {
    if (from !== "main") report(`imports ${target}; only main/ opens the wing`);
  } else {
    const floor = plan.floorOf(to) ?? 0;
    const highest = plan.wing[from] ?? (plan.floorOf(from) ?? 0) - 1;
    if (floor > highest) report(`imports ${target} on floor ${floor}; ${from}/ may use floor ${highest} and lower`);
  }
}

function checkRooms(path: string, target: string, report: (problem: string) => void): void {
  const from = plan.roomOf(path);
  const to = plan.roomOf(target);
  if (from === undefined || to === undefined || plan.rooms.indexOf(to) <= plan.rooms.indexOf(from)) return;
  report(`imports ${target}: the ${from} may not know the ${to}`);
}

function checkPackage(tree: Tree, folder: string, specifier: string, report: (problem: string) => void): void {
  if (specifier.startsWith("node:")) {
    const allowed = plan.builtins[folder] ?? [];
    if (allowed !== "any" && !allowed.includes(specifier)) report(`imports ${specifier}, which ${folder}/ may not`);
    return;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const allowed = plan.packages[name];
  if (allowed !== undefined && !allowed.includes(folder)) {
    report(`imports ${name}, which belongs to ${allowed.map((home) => `${home}/`).join(", ")}`);
  }
  const manifest = JSON.parse(tree.get("package.json") ?? "{}") as Manifest;
  if (manifest.dependencies?.[name] === undefined) report(`imports ${name}, which is not in "dependencies"`);
}

/** Engines step and never wait; everybody below main/ and beside os/ gets time and chance from outside. */
function checkPurity(path: string, text: string, report: Report): void {
  const folder = plan.folderOf(path) ?? "";
  if (["os", "lab", "main", "port"].includes(folder)) return;
  const room = plan.roomOf(path);
  const pure = plan.pureFolders.includes(folder) || (room !== undefined && room !== "service");
  // A world makes its own dates, and lets promises settle between two events.
  const allowed = folder === "sim" ? ["Date", "setImmediate"] : [];
  const banned = [...plan.ambientWords, ...(pure ? plan.waitingWords : [])].filter((word) => !allowed.includes(word));
  const code = blank(text);
  const bannedWord = new RegExp(`(?<![.\\w$#])(?:globalThis\\s*\\.\\s*)?\\b(${banned.join("|")})\\b(?!\\s*\\??:)`, "g");
  eachMatch(code, bannedWord, (at, [, word]) => {
    report(lineAt(text, at), `says ${word}; ${pure ? "this room is pure" : "time and chance come through ports"}`);
  });
  eachMatch(code, /\bMath\s*\.\s*random\b|\bDate\s*\.\s*now\b|\bnew\s+Date\s*(?:\(\s*\)|;)/g, (at, [what]) => {
    if (!/^Math/.test(what) && banned.includes("Date")) return;
    report(lineAt(text, at), `says ${what}; time and chance come through ports`);
  });
}

/** Words of the workshop, which say nothing to a reader of the project. */
const foreignWords: readonly [pattern: RegExp, what: string][] = [
  [/\bissue\s+#?\d/i, "the number of an issue"],
  [/(?<![\w.])\/work\//, "a path of the workshop"],
  [/\bsub-?agents?\b/i, "a word of the workshop"],
  [/\b(?:registry\.[\w-]+|npmjs|crates|pypi|proxy\.golang|deb\.debian)\.(?:org|com|io)\b/i, "the host of a registry"],
];

function checkWords(text: string, report: Report): void {
  for (const [pattern, what] of foreignWords) {
    eachMatch(text, new RegExp(pattern, "gi"), (at, [word]) => report(lineAt(text, at), `names ${what}: ${word}`));
  }
}

function checkLock(text: string, report: Report): void {
  eachMatch(text, /"resolved":/g, (at) => report(lineAt(text, at), "names the place a package came from"));
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function checkPins(text: string, report: Report): void {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(text) as Manifest;
  for (const [name, version] of [...Object.entries(dependencies), ...Object.entries(devDependencies)]) {
    if (!/^\d+\.\d+\.\d+$/.test(version)) report(0, `wants ${name} ${version}; name one exact version`);
  }
}

/** Each cycle of imports once, reported at its first file. Types count: who reads them has to go around as well. */
function checkCycles(tree: Tree): Problem[] {
  const state = new Map<string, "open" | "done">();
  const problems: Problem[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (state.get(path) === "open") {
      const cycle = [...way.slice(way.indexOf(path)), path].join(" -> ");
      problems.push({ path, line: 0, text: `imports itself in a circle: ${cycle}` });
    }
    if (state.has(path)) return;
    state.set(path, "open");
    for (const { specifier } of importsOf(tree.get(path) ?? "")) {
      const target = posix.join(posix.dirname(path), specifier);
      if (specifier.startsWith(".") && tree.has(target)) visit(target, [...way, path]);
    }
    state.set(path, "done");
  };
  for (const path of tree.keys()) if (path.endsWith(".ts")) visit(path, []);
  return problems;
}

/** docs/decisions/NNNN-title.md, numbered from 0001 without gaps, never twice. */
function checkDecisions(tree: Tree): Problem[] {
  const paths = [...tree.keys()].filter((path) => path.startsWith("docs/decisions/")).sort();
  return paths.flatMap((path, index) => {
    const number = String(index + 1).padStart(4, "0");
    if (new RegExp(`^docs/decisions/${number}-[a-z0-9-]+\\.md$`).test(path)) return [];
    return [{ path, line: 0, text: `should be named ${number}-title.md` }];
  });
}

function eachMatch(text: string, pattern: RegExp, found: (at: number, match: RegExpExecArray) => void): void {
  for (const match of text.matchAll(pattern)) found(match.index, match);
}
