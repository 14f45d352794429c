/**
 * Logging for real: pino behind `port/log.ts`. One JSON object a line, or one readable line for people at a terminal.
 *
 * Lines are written in the background; when the reader is slow, lines beyond `UNWRITTEN_BYTES_MAX` are dropped rather
 * than stopping the node. What comes from peers (names, reasons) cannot forge lines or move the cursor: control
 * characters are escaped in both forms.
 */
import { pino } from "pino";
import { printable } from "../base/printable.ts";
import { MiB } from "../base/units.ts";
import type { Log, LogFields } from "../port/log.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFormat = "json" | "human";

/** Lines that may wait for a slow reader. */
const UNWRITTEN_BYTES_MAX = 4 * MiB;

export interface SystemLog extends Log {
  /** From now on, on this log and all its children, nothing below `level`. */
  setLevel(level: LogLevel): void;
  /** Write what waits, before the process ends. */
  flush(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Takes each line, with its newline. Default: standard error. */
  readonly write?: (line: string) => void;
}

export function openLog({ level, format, write }: LogOptions): SystemLog {
  const stderr =
    write === undefined ? pino.destination({ dest: 2, sync: false, maxLength: UNWRITTEN_BYTES_MAX }) : null;
  // A reader that went away must not take the node with it.
  stderr?.on("error", () => undefined);
  const out = write ?? ((line: string) => void stderr?.write(line));
  const toLine = format === "json" ? (line: string) => line : humanLine;
  const base = pino(
    {
      level: "debug",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => out(toLine(line)) },
  );
  const threshold = { rank: logLevels.indexOf(level) };
  return {
    ...wrap(base, threshold),
    setLevel: (next) => {
      threshold.rank = logLevels.indexOf(next);
    },
    flush: () => stderr?.flushSync(),
  };
}

/** The threshold is ours, because pino's children do not follow their parent's level. */
function wrap(logger: pino.Logger, threshold: { readonly rank: number }): Log {
  const at = (level: LogLevel) => {
    const rank = logLevels.indexOf(level);
    return (message: string, fields: LogFields = {}): void => {
      if (rank >= threshold.rank) logger[level](fields, message);
    };
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(logger.child(fields), threshold),
  };
}

function humanLine(json: string): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${plainValue(value)}`);
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${printable(String(msg))}${pairs.join("")}\n`;
}

function plainValue(value: unknown): string {
  const text = String(value);
  return /^[\w./:@+[\]-]+$/.test(text) ? text : printable(JSON.stringify(text));
}
