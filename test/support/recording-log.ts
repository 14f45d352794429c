/** A log that remembers its lines, for tests. */
import type { Log, LogFields } from "../../src/port/log.ts";

export interface RecordedLine extends LogFields {
  readonly level: string;
  readonly message: string;
}

export function recordingLog(): { readonly log: Log; readonly lines: RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ ...fields, level, message });
    };
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child: () => log };
  return { log, lines };
}
