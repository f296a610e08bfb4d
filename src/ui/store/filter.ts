/**
 * The filter of the table: words match fuzzily, `/` begins a regular expression, `!` before either shows the rest.
 * A word matches where its letters stand in the name in their order, or where it is part of what else is known.
 */

export type Filter =
  | { readonly kind: "none" }
  | { readonly kind: "fuzzy"; readonly words: readonly string[]; readonly inverse: boolean }
  | { readonly kind: "regex"; readonly pattern: RegExp; readonly inverse: boolean }
  /** Not a regular expression: nothing matches, and this says why. */
  | { readonly kind: "broken"; readonly why: string };

/** What a row is found by. */
export interface Findable {
  readonly name: string;
  /** State, port, error code and the like. */
  readonly rest: string;
}

/** Longer patterns are no filters; they could only be made to take long. */
const maxPattern = 200;

export function parseFilter(text: string): Filter {
  const trimmed = text.trim();
  const inverse = trimmed.startsWith("!");
  const body = inverse ? trimmed.slice(1).trim() : trimmed;
  if (body === "" || body === "/") return { kind: "none" };
  if (!body.startsWith("/")) return { kind: "fuzzy", words: body.split(/\s+/), inverse };
  const source = body.slice(1);
  if (source.length > maxPattern)
    return { kind: "broken", why: `it is longer than ${maxPattern} characters` };
  try {
    // As everywhere in the console: small letters find both.
    return {
      kind: "regex",
      pattern: new RegExp(source, source === source.toLowerCase() ? "iu" : "u"),
      inverse,
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: "broken", why: message.replace(/^Invalid regular expression: /, "") };
  }
}

const fold = (text: string, wanted: string): string =>
  wanted === wanted.toLowerCase() ? text.toLowerCase() : text;

/**
 * Places of the letters of `wanted` in `text`, in their order, as close together as a single pass finds them; `null`
 * where they are not all there. A piece in one run goes before scattered letters.
 */
export function fuzzyPlaces(text: string, wanted: string): readonly number[] | null {
  const haystack = fold(text, wanted);
  const run = haystack.indexOf(wanted);
  if (run !== -1) return Array.from(wanted, (_, index) => run + index);
  const places: number[] = [];
  let at = 0;
  for (const letter of wanted) {
    at = haystack.indexOf(letter, at);
    if (at === -1) return null;
    places.push(at);
    at += letter.length;
  }
  return places;
}

export function matchesFilter(filter: Filter, { name, rest }: Findable): boolean {
  switch (filter.kind) {
    case "none":
      return true;
    case "broken":
      return false;
    case "regex":
      return filter.pattern.test(`${name} ${rest}`) !== filter.inverse;
    case "fuzzy": {
      const found = filter.words.every(
        (word) => fold(rest, word).includes(word) || fuzzyPlaces(name, word) !== null,
      );
      return found !== filter.inverse;
    }
  }
}

/** Places in the name that a filter matched, to be marked. */
export function markedPlaces(filter: Filter, name: string): ReadonlySet<number> {
  if (filter.kind === "regex" && !filter.inverse) {
    const found = filter.pattern.exec(name);
    return found === null
      ? new Set()
      : new Set(Array.from({ length: found[0].length }, (_, index) => found.index + index));
  }
  if (filter.kind !== "fuzzy" || filter.inverse) return new Set();
  return new Set(filter.words.flatMap((word) => fuzzyPlaces(name, word) ?? []));
}
