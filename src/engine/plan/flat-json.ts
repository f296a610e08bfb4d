/**
 * One JSON object without nested values, with the column of everything in it. JSON.parse tells no place for a short text,
 * and a line of a traffic profile is short.
 */

export type FlatValue = string | number | boolean | null;

export interface FlatField {
  readonly value: FlatValue;
  /** 1-based column of the value. */
  readonly column: number;
  /** 1-based column of its key. */
  readonly keyColumn: number;
}

/** A line that cannot be read, with the 1-based column where that shows. */
export class LineRefused extends Error {
  readonly column: number;

  constructor(column: number, message: string) {
    super(message);
    this.column = column;
  }
}

/** JSON's own grammar (RFC 8259), from a given place on. */
const blank = /[ \t\r\n]*/y;
const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// oxlint-disable-next-line no-control-regex -- JSON forbids them inside a text
const stringPattern = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const wordPattern = /true|false|null/y;

class Scanner {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  skipBlanks(): void {
    this.#take(blank);
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return null;
    this.at += found.length;
    return found;
  }

  /** Whether the next character is that one; it is taken then. */
  takes(char: string): boolean {
    if (this.#text[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  expect(char: string): void {
    if (!this.takes(char)) this.refuse(`expected ${char}`);
  }

  text(): string {
    const found = this.#take(stringPattern);
    if (found === null) return this.refuse("expected a text in double quotes");
    return JSON.parse(found) as string;
  }

  value(): FlatValue {
    const next = this.#text[this.at];
    if (next === '"') return this.text();
    if (next === "{" || next === "[") return this.refuse("a value is a number or a text, nothing nested");
    const word = this.#take(wordPattern);
    if (word !== null) return JSON.parse(word) as boolean | null;
    const number = this.#take(numberPattern);
    if (number === null) return this.refuse("expected a value");
    return Number(number);
  }

  get isAtEnd(): boolean {
    return this.at >= this.#text.length;
  }

  refuse(message: string): never {
    throw new LineRefused(this.at + 1, this.isAtEnd ? `${message}, and the line ends here` : message);
  }
}

/**
 * Reads one object; blanks are allowed where JSON allows them, and nothing else stands around it.
 * @throws LineRefused
 */
export function readFlatObject(text: string): ReadonlyMap<string, FlatField> {
  const scanner = new Scanner(text);
  const fields = new Map<string, FlatField>();
  scanner.skipBlanks();
  scanner.expect("{");
  scanner.skipBlanks();
  if (!scanner.takes("}")) {
    for (;;) {
      scanner.skipBlanks();
      const keyAt = scanner.at;
      const key = scanner.text();
      if (fields.has(key)) {
        scanner.at = keyAt;
        scanner.refuse("the key stands here a second time");
      }
      scanner.skipBlanks();
      scanner.expect(":");
      scanner.skipBlanks();
      const column = scanner.at + 1;
      fields.set(key, { value: scanner.value(), column, keyColumn: keyAt + 1 });
      scanner.skipBlanks();
      if (scanner.takes("}")) break;
      scanner.expect(",");
    }
  }
  scanner.skipBlanks();
  if (!scanner.isAtEnd) scanner.refuse("the line goes on after the object");
  return fields;
}
