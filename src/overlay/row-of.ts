/** A wanted row with its key. */
import type { Row, Subject, WantedRow } from "./effects.ts";
import { keyOf } from "./row-key.ts";

export function rowOf(row: Row, subject: Subject, needs: readonly string[] = []): WantedRow {
  return { row, key: keyOf(row), needs, subject };
}
