/**
 * Just enough of a scanner for TypeScript to check the house: blanks what is not code, finds imports.
 * No parser: it knows comments, strings, templates and regular expressions, and nothing about grammar.
 */

export interface Import {
  readonly specifier: string;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * `source` with comments and the contents of strings, templates and regular expressions replaced by blanks. Every
 * character keeps its place, quotes stay; code inside `${}` of a template stays too.
 */
export function blank(source: string): string {
  const out = source.split("");
  const erase = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  /** Depth of braces at which each open template continues. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  while (at < source.length) {
    const two = source.slice(at, at + 2);
    const one = source[at] ?? "";
    let end = at + 1;
    if (two === "//") {
      end = indexOrEnd(source, "\n", at);
      erase(at, end);
    } else if (two === "/*") {
      end = indexOrEnd(source, "*/", at + 2) + 2;
      erase(at, end);
    } else if (one === '"' || one === "'") {
      end = endOfQuoted(source, at + 1, one);
      erase(at + 1, end - 1);
    } else if (one === "/" && startsRegExp(source, at)) {
      end = endOfRegExp(source, at + 1);
      erase(at + 1, end - 1);
    } else if (one === "`" || (one === "}" && templates.at(-1) === depth)) {
      if (one === "}") templates.pop();
      end = endOfTemplatePart(source, at + 1);
      erase(at + 1, end - 1);
      if (source.slice(end - 2, end) === "${") templates.push(depth);
    } else if (one === "{") depth += 1;
    else if (one === "}") depth -= 1;
    at = end;
  }
  return out.join("");
}

/** Every import, re-export and dynamic import that names its module in a string, types included. */
export function importsOf(source: string): Import[] {
  const code = blank(source);
  const found: Import[] = [];
  for (const match of code.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s*)(["'`])/g)) {
    const start = match.index + match[0].length;
    const end = source.indexOf(match[1] ?? '"', start);
    found.push({ specifier: source.slice(start, end), line: lineAt(source, start) });
  }
  return found;
}

/** The line, counted from 1, of the character at `index`. */
export function lineAt(source: string, index: number): number {
  return source.slice(0, index).split("\n").length;
}

function indexOrEnd(source: string, what: string, from: number): number {
  const index = source.indexOf(what, from);
  return index < 0 ? source.length : index;
}

function endOfQuoted(source: string, from: number, quote: string): number {
  let at = from;
  while (at < source.length && source[at] !== quote && source[at] !== "\n") at += source[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** One after the closing backtick or after the next `${`. */
function endOfTemplatePart(source: string, from: number): number {
  let at = from;
  while (at < source.length) {
    if (source[at] === "`") return at + 1;
    if (source.startsWith("${", at)) return at + 2;
    at += source[at] === "\\" ? 2 : 1;
  }
  return at;
}

function endOfRegExp(source: string, from: number): number {
  let inClass = false;
  let at = from;
  while (at < source.length && source[at] !== "\n" && (inClass || source[at] !== "/")) {
    if (source[at] === "[") inClass = true;
    if (source[at] === "]") inClass = false;
    at += source[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}

/** A slash divides after a value, and starts a regular expression anywhere else. */
function startsRegExp(source: string, at: number): boolean {
  const before = source.slice(Math.max(0, at - 80), at).trimEnd();
  return before === "" || /[(,=:[!&|?{};+\-*%<>~^]$/.test(before) || /\b(?:return|typeof|case|in|of)$/.test(before);
}
