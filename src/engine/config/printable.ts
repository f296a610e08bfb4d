/** Control characters and direction overrides of a foreign text could act on the reader's terminal. */
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text with everything that a terminal would obey replaced; tabs and line feeds stay. */
export function printable(text: string): string {
  return text.replace(unsafe, "\ufffd");
}

/** The same on one line. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\t\n]+/g, " ");
}
