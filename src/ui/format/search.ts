/** Finding text in lines: plain words or a regular expression, in either case or exactly. */
import { runInContext, createContext } from "node:vm";

export interface SearchOptions {
  readonly regex: boolean;
  /** Only the case that was typed; else lower case finds both, and a capital letter only itself. */
  readonly exactCase: boolean;
}

/** First and last index (exclusive) of a place found. */
export type Range = readonly [from: number, to: number];

export interface Search {
  readonly test: (text: string) => boolean;
  /** The places found, in order, none empty. */
  readonly ranges: (text: string) => readonly Range[];
  /** Why nothing can be found with it, in words; `null`: it works. */
  readonly error: string | null;
}

/** A pattern that backtracks without end must not stop the console: text of functions can be made for that. */
const budgetMs = 150;
const maxRanges = 500;

/** A context only for its time limit: V8 ends what runs in it, in the middle of a regular expression too. */
const limited = createContext({ run: (): unknown => null });

/** The result of `run`, or `null` when it took longer than the budget. `run` must only compute. */
function withinBudget<T>(run: () => T): T | null {
  limited["run"] = run;
  try {
    return runInContext("run()", limited, { timeout: budgetMs }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return null;
    throw error;
  }
}

const nothing = (error: string | null): Search => ({ test: () => false, ranges: () => [], error });

function plainSearch(wanted: string, sensitive: boolean): Search {
  const needle = sensitive ? wanted : wanted.toLowerCase();
  const ranges = (text: string): readonly Range[] => {
    const haystack = sensitive ? text : text.toLowerCase();
    // A few letters change their length in lower case; positions would be wrong then.
    if (haystack.length !== text.length) return [];
    const found: Range[] = [];
    for (let at = haystack.indexOf(needle); at !== -1; at = haystack.indexOf(needle, at + needle.length)) {
      found.push([at, at + needle.length]);
    }
    return found;
  };
  return {
    test: (text) => (sensitive ? text : text.toLowerCase()).includes(needle),
    ranges,
    error: null,
  };
}

function regexRanges(pattern: RegExp, text: string): readonly Range[] {
  const found: Range[] = [];
  for (const match of text.matchAll(pattern)) {
    if (match[0] !== "") found.push([match.index, match.index + match[0].length]);
    if (found.length >= maxRanges) break;
  }
  return found;
}

function regexSearch(wanted: string, sensitive: boolean): Search {
  let pattern: RegExp;
  try {
    pattern = new RegExp(wanted, sensitive ? "g" : "gi");
  } catch (error) {
    // V8 repeats the pattern before it says what is wrong with it.
    const text = error instanceof Error ? error.message : String(error);
    return nothing(text.slice(text.lastIndexOf(": ") + 2).toLowerCase());
  }
  const test = (text: string): boolean => {
    pattern.lastIndex = 0;
    return pattern.test(text);
  };
  return { test, ranges: (text) => regexRanges(pattern, text), error: null };
}

const hasCapital = (text: string): boolean => text !== text.toLowerCase();

/** Compiles what was typed; a wrong pattern is told in `error` and finds nothing. */
export function compileSearch(wanted: string, { regex, exactCase }: SearchOptions): Search {
  if (wanted === "") return nothing(null);
  if (!regex) return plainSearch(wanted, exactCase || hasCapital(wanted));
  // The capital of `\S` is no letter that was meant.
  return regexSearch(wanted, exactCase || hasCapital(wanted.replaceAll(/\\./g, "")));
}

/** Which of the texts match, by index; `null` when a regular expression takes too long. */
export function matchingIndexes(
  search: Search,
  texts: readonly string[],
  regex: boolean,
): readonly number[] | null {
  const run = (): readonly number[] => {
    const found: number[] = [];
    texts.forEach((text, index) => {
      if (search.test(text)) found.push(index);
    });
    return found;
  };
  return regex ? withinBudget(run) : run();
}

/** The places found in one text; none when a regular expression takes too long. */
export function rangesIn(search: Search, text: string, regex: boolean): readonly Range[] {
  if (search.error !== null) return [];
  return regex ? (withinBudget(() => search.ranges(text)) ?? []) : search.ranges(text);
}
