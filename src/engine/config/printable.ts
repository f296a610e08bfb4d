/** Control characters and direction overrides of a foreign text could act on the reader's terminal. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text with everything that a terminal would obey replaced; tabs and line feeds stay. */
export function printable(text: string): string {
  return text.replace(unsafe, "\ufffd");
}

const maxLine = 400;

/** The same as one line of bounded length: a message may quote a name of any length. */
export function printableLine(text: string): string {
  const line = printable(text.slice(0, maxLine)).replace(/[\t\n]+/g, " ");
  return text.length > maxLine ? `${line}...` : line;
}
