/** YAML text -> plain data, or every reason why it is none. */
import { LineCounter, isAlias, isMap, isNode, isPair, isScalar, isSeq, parseDocument, visit } from "yaml";
import type { Document, Pair, ParsedNode, YAMLMap } from "yaml";
import { aliasTargets } from "./aliases.ts";
import type { AliasTargets } from "./aliases.ts";
import { explainYamlError, placeOfYamlError, tooDeep } from "./yaml-errors.ts";

export interface YamlProblem {
  /** Place in the text; the length of the offending text after it. */
  readonly offset: number;
  readonly length: number;
  readonly message: string;
  readonly hint: string | null;
}

export interface ParsedYaml {
  readonly document: Document.Parsed<ParsedNode>;
  readonly lines: LineCounter;
  readonly aliases: AliasTargets;
  /** Whether the text is YAML at all, so that `document` says what stands where. */
  readonly wellFormed: boolean;
  /** `null` where there is nothing to look at after the problems. */
  readonly data: { readonly value: unknown } | null;
  readonly problems: readonly YamlProblem[];
}

/** Uses of aliases, multiplied by what they expand to. Enough for any real file, far below what hurts. */
const maxAliasCount = 2000;
/** One slip makes a parser stumble again and again; more than so many are its echo. */
const maxSyntaxProblems = 5;

/** Where what follows a key begins: behind its colon. `null` for a key without one, such as `{TOKEN=value}`. */
export function behindColon(key: unknown, source: string): number | null {
  if (!isScalar(key) || !key.range) return null;
  const end = key.range[1];
  const colon = /^\s*:/.exec(source.slice(end, end + 64));
  return colon === null ? null : end + colon[0].length;
}

function keyText(pair: Pair): string | null {
  return isScalar(pair.key) && typeof pair.key.value === "string" ? pair.key.value : null;
}

/** Plain numbers and true/false under env and command are meant as text: `1.10` stays `1.10`. */
function keepAsWritten(node: unknown): void {
  const items: unknown[] = isMap(node) ? node.items.map((pair) => pair.value) : isSeq(node) ? node.items : [];
  for (const item of items) {
    if (
      isScalar(item) &&
      (typeof item.value === "number" || typeof item.value === "boolean" || typeof item.value === "bigint")
    ) {
      item.value = item.source ?? String(item.value);
    }
  }
}

type Report = (node: unknown, message: string, hint: string | null) => void;

/** Keys that stand twice. Not left to the package: it compares each key with each. */
function inspectKeys(map: YAMLMap, report: Report): void {
  const seen = new Set<unknown>();
  for (const { key } of map.items) {
    if (!isScalar(key)) continue;
    if (seen.has(key.value)) report(key, "the same key stands twice in one mapping", "Remove one of them.");
    seen.add(key.value);
  }
}

function inspectPair(pair: Pair, source: string, aliases: AliasTargets, report: Report): void {
  const key = keyText(pair);
  if (key === null) report(pair.key, "a key must be a plain word", "Put it in quotes.");
  else if (behindColon(pair.key, source) === null) {
    report(pair.key, "a colon and a value are missing here", "Write NAME: VALUE.");
  } else if (key === "<<") {
    const hint = "Write the fields out, or share a value with an anchor (&name) and an alias (*name).";
    report(pair.key, "merge keys (<<) are not supported", hint);
  } else if (key === "__proto__") report(pair.key, "__proto__ cannot be a key", null);
  else if (key === "env" || key === "command") {
    keepAsWritten(isAlias(pair.value) ? aliases.get(pair.value) : pair.value);
  }
}

/** What YAML allows and this format does not; also notes which scalars are text. */
function inspect(
  document: Document.Parsed<ParsedNode>,
  source: string,
  aliases: AliasTargets,
): YamlProblem[] {
  const problems: YamlProblem[] = [];
  const report: Report = (node, message, hint) => {
    const range = isNode(node) ? node.range : null;
    problems.push({ offset: range?.[0] ?? 0, length: range ? range[1] - range[0] : 0, message, hint });
  };
  for (const [alias, target] of aliases) {
    if (target !== undefined) continue;
    report(alias, "this alias has no anchor before it", "A text that begins with * needs quotes.");
  }
  visit(document, {
    Map(_, map) {
      inspectKeys(map, report);
    },
    Pair(_, pair) {
      if (isPair(pair)) inspectPair(pair, source, aliases, report);
    },
  });
  return problems;
}

/** The data of a document, or the problem that its aliases make it too large. */
function expand(
  document: Document.Parsed<ParsedNode>,
  aliases: AliasTargets,
): { value: unknown } | YamlProblem {
  if (aliases.size <= maxAliasCount) {
    try {
      return { value: document.toJS({ maxAliasCount }) as unknown };
    } catch (error) {
      // The only reason left: that an alias is not resolved was told before.
      if (!(error instanceof ReferenceError)) throw error;
    }
  }
  const range = aliases.keys().next().value?.range;
  const [offset, length] = range ? [range[0], range[1] - range[0]] : [0, 0];
  return { offset, length, message: "the aliases expand to too much", hint: "Write the values out instead." };
}

function parse(text: string): ParsedYaml {
  const lines = new LineCounter();
  const options = {
    prettyErrors: false,
    strict: true,
    uniqueKeys: false,
    merge: false,
    version: "1.2",
  } as const;
  const document = parseDocument(text, { ...options, lineCounter: lines });
  const wellFormed = document.errors.length === 0;
  const aliases = aliasTargets(document);
  const told = [...document.errors.slice(0, maxSyntaxProblems), ...document.warnings].map((error) => {
    const [from, to] = placeOfYamlError(error, document);
    return { offset: from, length: to - from, ...explainYamlError(error) };
  });
  if (!wellFormed) return { document, lines, aliases, wellFormed, data: null, problems: told };
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    const hint = 'Begin with "version: 1" and "functions:", or let `aether init` write a first one.';
    const empty = { offset: 0, length: 0, message: "the file is empty", hint };
    return { document, lines, aliases, wellFormed, data: null, problems: [...told, empty] };
  }
  const problems = [...told, ...inspect(document, text, aliases)];
  if ([...aliases.values()].includes(undefined))
    return { document, lines, aliases, wellFormed, data: null, problems };
  const data = expand(document, aliases);
  if ("value" in data) return { document, lines, aliases, wellFormed, data, problems };
  return { document, lines, aliases, wellFormed, data: null, problems: [...problems, data] };
}

/** Parses one document. Never throws. */
export function parseYaml(text: string): ParsedYaml {
  try {
    return parse(text);
  } catch (error) {
    // The package follows nesting by recursion.
    if (!(error instanceof RangeError)) throw error;
    const document = parseDocument("");
    const problem = { offset: 0, length: 0, message: tooDeep, hint: null };
    const nothing = { document, lines: new LineCounter(), aliases: new Map(), wellFormed: false, data: null };
    return { ...nothing, problems: [problem] };
  }
}
