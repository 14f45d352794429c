import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogFormat, type LogLevel, openLog } from "../../../src/os/log.ts";

function capture(level: LogLevel, format: LogFormat) {
  const lines: string[] = [];
  return { lines, log: openLog({ level, format, write: (line) => lines.push(line) }) };
}

test("JSON lines carry time, level, message and the fields of every parent", () => {
  const { lines, log } = capture("info", "json");
  log.child({ node: "a" }).child({ part: "gossip" }).warn("suspected", { by: "b", count: 3, gone: undefined });
  assert.equal(lines.length, 1);
  const { time, ...rest } = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(rest, { level: "warn", node: "a", part: "gossip", by: "b", count: 3, msg: "suspected" });
  assert.ok(lines[0]?.endsWith("}\n"));
});

test("the level can be changed while running, for children too", () => {
  const { lines, log } = capture("warn", "json");
  const child = log.child({ part: "x" });
  child.info("unheard");
  log.debug("unheard");
  log.setLevel("debug");
  child.debug("heard");
  log.setLevel("error");
  child.warn("unheard");
  child.error("heard");
  assert.equal(lines.length, 2);
});

test("human lines are one line each, whatever peers put into the fields", () => {
  const { lines, log } = capture("debug", "human");
  log.info("member joined", {
    member: "evil\n2026 ERROR forged",
    shell: "\u001b[2J\u009b",
    text: "a b",
    bidi: "\u202ex",
    plain: "10.0.0.1:1",
  });
  const line = lines[0] ?? "";
  assert.equal(line.split("\n").length, 2);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test is about them.
  assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(line), JSON.stringify(line));
  assert.match(line, /^\S+Z INFO {2}member joined member="evil\\n2026 ERROR forged"/);
  assert.match(line, / text="a b" .* plain=10\.0\.0\.1:1\n$/);
});
