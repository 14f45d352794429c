/**
 * Text from strangers, made safe for one line of a terminal or a log.
 *
 * Escapes what a terminal would obey or what would forge a line or a column: C0 controls (tab and newline too), DEL,
 * C1 controls, and the Unicode marks that end lines or reorder text.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for.
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The same text, with each such character as `\uXXXX`. */
export function printable(text: string): string {
  return text.replace(OBEYED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
