/**
 * The house is in order, and the rules that say so do find faults: every rule is tried on a small tree in which
 * exactly that rule is broken.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHouse, type Problem, type Tree } from "../tools/house-rules.ts";
import { blank, importsOf } from "../tools/house-scan.ts";
import { readTree } from "../tools/house-tree.ts";

const HEAD = "/** What this is. */\n";

/** A tree without faults, to plant one in. */
const sound: Record<string, string> = {
  "package.json": '{ "dependencies": { "pino": "10.4.0", "left": "1.2.3" } }',
  "package-lock.json": '{ "lockfileVersion": 3 }',
  "docs/decisions/0001-first.md": "# First\n",
  "src/base/heap.ts": `${HEAD}export const heap = 1;\n`,
  "src/port/clock.ts": `${HEAD}export interface Clock {\n  now(): number;\n}\n`,
  "src/os/clock.ts": `${HEAD}import { hrtime } from "node:process";\nexport const now = (): number => Date.now();\n`,
  "src/gossip/messages.ts": `${HEAD}export interface Ping {\n  readonly seqNo: number;\n}\n`,
  "src/gossip/queue.ts": `${HEAD}import type { Ping } from "./messages.ts";\nexport type Queue = Ping[];\n`,
  "src/gossip/engine.ts": `${HEAD}import type { Queue } from "./queue.ts";\nexport type Engine = Queue;\n`,
  "src/gossip/service.ts": `${HEAD}import type { Engine } from "./engine.ts";\nexport async function run(): Promise<void> {}\n`,
  "src/main/cli.ts": `${HEAD}import { now } from "../os/clock.ts";\nimport { run } from "../gossip/service.ts";\n`,
};

function planted(changes: Record<string, string>): Problem[] {
  const tree: Tree = new Map(Object.entries({ ...sound, ...changes }));
  return checkHouse(tree);
}

/** Exactly one problem, in `path`, whose text matches. */
function assertFound(changes: Record<string, string>, path: string, text: RegExp): void {
  const problems = planted(changes);
  assert.equal(problems.length, 1, JSON.stringify(problems));
  assert.equal(problems[0]?.path, path);
  assert.match(problems[0]?.text ?? "", text);
}

test("the house is in order", () => {
  const problems = checkHouse(readTree());
  const lines = problems.map(({ path, line, text }) => `${path}${line > 0 ? `:${line}` : ""} ${text}`);
  assert.equal(lines.length, 0, `\n${lines.join("\n")}`);
});

test("the tree that is checked is this repository", () => {
  const tree = readTree();
  for (const path of ["src/base/fault.ts", "test/house.test.ts", "package.json", "skep", ".ci/run", "README.md"]) {
    assert.ok(tree.has(path), path);
  }
});

test("a sound tree has no problems", () => {
  assert.deepEqual(planted({}), []);
});

test("imports go down", () => {
  const up = `${HEAD}import type { Queue } from "../gossip/queue.ts";\nexport type Heap = Queue;\n`;
  assertFound({ "src/wire/bytes.ts": up }, "src/wire/bytes.ts", /on floor 3; wire\/ may use floor 0/);
  const neighbour = `${HEAD}export * from "../gossip/messages.ts";\n`;
  assertFound({ "src/dns/zone.ts": neighbour }, "src/dns/zone.ts", /on floor 3/);
});

test("the adapters of the system use only the lowest floors", () => {
  const text = `${HEAD}import type { Queue } from "../gossip/queue.ts";\nexport type Udp = Queue;\n`;
  assertFound({ "src/os/udp.ts": text }, "src/os/udp.ts", /os\/ may use floor 2/);
});

test("only main opens the wing", () => {
  const text = `${HEAD}export { now } from "../os/clock.ts";\n`;
  assertFound({ "src/cli/table.ts": text }, "src/cli/table.ts", /only main\/ opens the wing/);
  assertFound({ "src/sim/world.ts": text }, "src/sim/world.ts", /only main\/ opens the wing/);
});

test("src imports nothing outside of src", () => {
  const changes = { "src/base/a.ts": `${HEAD}import "../../tools/b.ts";\n`, "tools/b.ts": "export const b = 1;\n" };
  assertFound(changes, "src/base/a.ts", /outside of src/);
});

test("a protocol's rooms know only the rooms before them", () => {
  const engine = `${HEAD}import type { run } from "./service.ts";\nexport type Engine = typeof run;\n`;
  assertFound({ "src/gossip/awareness.ts": engine }, "src/gossip/awareness.ts", /the noun may not know the service/);
  const noun = `${HEAD}import type { Queue } from "./queue.ts";\nexport type Limits = Queue;\n`;
  assertFound({ "src/gossip/limits.ts": noun }, "src/gossip/limits.ts", /the contract may not know the noun/);
  const shell = `${HEAD}import type { Shell } from "./udp-shell.ts";\nexport type Probe = Shell;\n`;
  const changes = {
    "src/gossip/engine-probe.ts": shell,
    "src/gossip/udp-shell.ts": `${HEAD}export type Shell = 1;\n`,
  };
  assertFound(changes, "src/gossip/engine-probe.ts", /the engine may not know the service/);
});

test("imports name a file that is there", () => {
  const text = `${HEAD}export * from "./heap";\n`;
  assertFound({ "src/base/a.ts": text }, "src/base/a.ts", /which is no file/);
});

test("nothing imports itself in a circle", () => {
  const changes = {
    "src/base/a.ts": `${HEAD}import type { B } from "./b.ts";\nexport type A = B;\n`,
    "src/base/b.ts": `${HEAD}import type { A } from "./a.ts";\nexport type B = A;\n`,
  };
  assertFound(changes, "src/base/a.ts", /a\.ts -> src\/base\/b\.ts -> src\/base\/a\.ts/);
});

test("Node's modules are for those who meet the system", () => {
  const text = (name: string): string => `${HEAD}import "${name}";\n`;
  assertFound({ "src/gossip/service-tcp.ts": text("node:net") }, "src/gossip/service-tcp.ts", /node:net/);
  assertFound({ "src/crypt/file.ts": text("node:fs") }, "src/crypt/file.ts", /node:fs/);
  assert.deepEqual(planted({ "src/crypt/aead.ts": text("node:crypto") }), []);
});

test("packages are for the folders that they belong to, and are declared", () => {
  const text = (name: string): string => `${HEAD}import "${name}";\n`;
  assertFound({ "src/cli/print.ts": text("pino") }, "src/cli/print.ts", /belongs to os\//);
  assertFound({ "src/cli/print.ts": text("@some/thing/part") }, "src/cli/print.ts", /@some\/thing, which is not in/);
  assert.deepEqual(planted({ "src/cli/print.ts": text("left/part") }), []);
});

test("ports hold types only", () => {
  const text = `${HEAD}import type { Clock } from "./clock.ts";\nexport const zero = 0;\n`;
  assertFound({ "src/port/zero.ts": text }, "src/port/zero.ts", /ports hold no code/);
});

test("pure rooms neither wait nor look at the clock nor throw dice", () => {
  const faults: [code: string, word: RegExp][] = [
    ["const at = Date.now();", /says Date;/],
    ["const at = performance.now();", /says performance;/],
    ["const at = globalThis.performance;", /says performance;/],
    ["setTimeout(run, 1);", /says setTimeout;/],
    ["setInterval(run, 1);", /says setInterval;/],
    ["setImmediate(run);", /says setImmediate;/],
    ["queueMicrotask(run);", /says queueMicrotask;/],
    ["const where = process.pid;", /says process;/],
    ["const dice = Math.random();", /says Math\.random;/],
    ["async function late() {}", /says async;/],
    ["await later;", /says await;/],
    ["const now: Promise<void> = later;", /says Promise;/],
  ];
  for (const [code, word] of faults) {
    for (const path of ["src/base/a.ts", "src/gossip/engine.ts", "src/gossip/queue.ts"]) {
      assertFound({ [path]: `${HEAD}${code}\n` }, path, word);
    }
  }
});

test("services wait, but look at the clock through a port", () => {
  const path = "src/gossip/service.ts";
  assertFound({ [path]: `${HEAD}export const later = async () => setTimeout(go, 1);\n` }, path, /says setTimeout/);
  assert.deepEqual(planted({ [path]: `${HEAD}export const later = async () => await clock.wait();\n` }), []);
});

test("a simulated world has dates, but none of today", () => {
  const path = "src/sim/clock.ts";
  assert.deepEqual(planted({ [path]: `${HEAD}export const wall = (at: number): Date => new Date(at);\n` }), []);
  assertFound({ [path]: `${HEAD}export const wall = new Date();\n` }, path, /says new Date\(\)/);
  assertFound({ [path]: `${HEAD}export const wall = Date.now();\n` }, path, /says Date\.now/);
});

test("comments, strings and names that contain a banned word are no fault", () => {
  const text = `${HEAD}// Date.now() and await\nexport const a = { process: 1, text: "async \${Date}" };\na.process += 1;\n`;
  assert.deepEqual(planted({ "src/base/a.ts": text }), []);
});

test("files are short, say what they are, and export names", () => {
  const path = "src/base/a.ts";
  assertFound({ [path]: `${HEAD}${"\n".repeat(600)}` }, path, /has 601 lines/);
  assertFound({ [path]: "export const a = 1;\n" }, path, /does not begin with a comment/);
  assertFound({ [path]: "/** */\nexport const a = 1;\n" }, path, /does not begin with a comment/);
  assertFound({ [path]: `${HEAD}export default 1;\n` }, path, /exports a default/);
  assertFound({ [path]: `${HEAD}export const enum A {}\n` }, path, /declares an enum/);
  assertFound({ "src/base/index.ts": HEAD }, "src/base/index.ts", /barrel/);
});

test("every folder of src has a place in the plan", () => {
  assertFound({ "src/attic/a.ts": HEAD }, "src/attic/a.ts", /has no place/);
  assertFound({ "src/a.ts": HEAD }, "src/a.ts", /in no folder/);
});

test("the project speaks of itself alone", () => {
  const faults = [
    ["see is", "sue 12"],
    ["/wo", "rk/main"],
    ["a sub", "agent did it"],
    ["https://registry.npm", "js.org/pino"],
  ];
  for (const parts of faults) assertFound({ "README.md": `# Title\n${parts.join("")}\n` }, "README.md", /^names /);
});

test("packages come in exact versions from no named place", () => {
  assertFound({ "package.json": '{ "dependencies": { "a": "^1.2.3" } }' }, "package.json", /wants a \^1\.2\.3/);
  assertFound({ "package.json": '{ "devDependencies": { "a": "latest" } }' }, "package.json", /wants a latest/);
  assertFound({ "package-lock.json": '{ "a": { "resolved": "x" } }' }, "package-lock.json", /place a package came/);
});

test("decisions are numbered without gaps", () => {
  assertFound({ "docs/decisions/0003-third.md": "" }, "docs/decisions/0003-third.md", /0002-title/);
  assertFound({ "docs/decisions/0002_Second.md": "" }, "docs/decisions/0002_Second.md", /0002-title/);
});

test("blanking keeps code in its place and removes everything else", () => {
  const cases: [source: string, code: string][] = [
    ['a = "b" + c; // d', 'a = " " + c;     '],
    ["a /* b\nc */ d", "a     \n     d"],
    ["a = `b\x24{c + `d\x24{e}f`}g`;", "a = `  {c + `  {e} `} `;"],
    ['if (/[/"]/.test(a)) b = c / d;', "if (/    /.test(a)) b = c / d;"],
    ["a = '\\'b'; c", "a = '   '; c"],
    ["`a\x24{{ b: 1 }.b}c` + d", "`  {{ b: 1 }.b} ` + d"],
  ];
  for (const [source, code] of cases) assert.equal(blank(source), code);
});

test("all forms of import are found", () => {
  const source = [
    'import a from "./a.ts";',
    'import type { B,\n  C } from "./b.ts";',
    'import "./c.ts";',
    'export { d } from "./d.ts";',
    'const e = await import("./e.ts");',
    '// import f from "./f.ts";',
    "const g = 'import h from \"./h.ts\"';",
  ].join("\n");
  assert.deepEqual(
    importsOf(source).map(({ specifier, line }) => `${line} ${specifier}`),
    ["1 ./a.ts", "3 ./b.ts", "4 ./c.ts", "5 ./d.ts", "6 ./e.ts"],
  );
});
