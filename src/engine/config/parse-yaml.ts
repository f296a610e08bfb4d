/** YAML text -> plain data, or every reason why it is none. */
import { LineCounter, isAlias, isMap, isPair, isScalar, isSeq, parseDocument, visit } from "yaml";
import type { Document, Pair, ParsedNode, YAMLError } from "yaml";

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
  /** `null` where there is nothing to look at after the problems. */
  readonly data: { readonly value: unknown } | null;
  readonly problems: readonly YamlProblem[];
}

/** Uses of aliases, multiplied by what they expand to. Enough for any real file, far below what hurts. */
const maxAliasCount = 2000;
/** One slip makes a parser stumble again and again; more than so many are its echo. */
const maxSyntaxProblems = 5;

/** What an error code of the yaml package means to someone who writes a configuration. */
function explain(error: YAMLError): { message: string; hint: string | null } {
  switch (error.code) {
    case "DUPLICATE_KEY":
      return { message: "the same key stands twice in one mapping", hint: "Remove one of them." };
    case "TAB_AS_INDENT":
      return { message: "YAML does not allow tabs as indentation", hint: "Use blanks." };
    case "MULTIPLE_DOCS":
      return { message: "more than one YAML document in the file", hint: 'Remove the line "---" and what follows, or make it a file of its own.' };
    case "TAG_RESOLVE_FAILED":
      return { message: "tags (!name) are not supported", hint: "Remove the tag; a text that begins with ! needs quotes." };
    case "MISSING_CHAR":
      if (/quote/.test(error.message)) return { message: "this quote is not closed", hint: "In double quotes a \" is written \\\", in single quotes a ' is written ''." };
      return { message: firstLine(error), hint: null };
    case "BAD_DQ_ESCAPE":
      return { message: "this escape does not exist in double quotes", hint: "Write \\\\ for a backslash, or use single quotes." };
    case "BAD_ALIAS":
      return { message: "this anchor or alias is not valid", hint: "A text that begins with & or * needs quotes." };
    case "BAD_SCALAR_START":
      return { message: "a value without quotes cannot begin with this character", hint: "Put the value in quotes." };
    default:
      return { message: firstLine(error), hint: null };
  }
}

/** The package's own sentence, without the piece of text that some quote behind a colon: it may be an env value. */
function firstLine(error: YAMLError): string {
  const first = error.message.split(/\n|: /, 1)[0] ?? "";
  return first.charAt(0).toLowerCase() + first.slice(1);
}

/** Where an error is shown: an open quote at its beginning, not at the end of the file where it was missed. */
function rangeOf(error: YAMLError, document: Document.Parsed<ParsedNode>): readonly [number, number] {
  let range: readonly [number, number] = error.pos;
  if (error.code === "MISSING_CHAR" && /quote/.test(error.message)) {
    visit(document, {
      Scalar(_, scalar) {
        if (scalar.type?.startsWith("QUOTE") && scalar.range && scalar.range[0] < error.pos[0] && scalar.range[1] >= error.pos[0]) range = [scalar.range[0], scalar.range[0] + 1];
      },
    });
  }
  return range;
}

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
    if (isScalar(item) && (typeof item.value === "number" || typeof item.value === "boolean" || typeof item.value === "bigint")) {
      item.value = item.source ?? String(item.value);
    }
  }
}

/** What YAML allows and this format does not; also notes which scalars are text. */
function inspect(document: Document.Parsed<ParsedNode>, source: string): YamlProblem[] {
  const problems: YamlProblem[] = [];
  const report = (node: unknown, message: string, hint: string | null): void => {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : null;
    problems.push({ offset: range?.[0] ?? 0, length: range ? range[1] - range[0] : 0, message, hint });
  };
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) report(alias, "this alias has no anchor before it", "A text that begins with * needs quotes.");
    },
    Pair(_, pair) {
      if (!isPair(pair)) return;
      const key = keyText(pair);
      if (key === null) report(pair.key, "a key must be a plain word", "Put it in quotes.");
      else if (behindColon(pair.key, source) === null) report(pair.key, "a colon and a value are missing here", "Write NAME: VALUE.");
      else if (key === "<<") report(pair.key, "merge keys (<<) are not supported", "Write the fields out, or share a value with an anchor (&name) and an alias (*name).");
      else if (key === "__proto__") report(pair.key, "__proto__ cannot be a key", null);
      else if (key === "env" || key === "command") keepAsWritten(isAlias(pair.value) ? pair.value.resolve(document) : pair.value);
    },
  });
  return problems;
}

/** Parses one document. Never throws. */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true, uniqueKeys: true, merge: false, version: "1.2" });
  const fatal = document.errors.filter((error) => error.code !== "DUPLICATE_KEY");
  const problems = [...(fatal.length > 0 ? fatal.slice(0, maxSyntaxProblems) : document.errors), ...document.warnings].map((error) => {
    const [from, to] = rangeOf(error, document);
    return { offset: from, length: to - from, ...explain(error) };
  });
  if (fatal.length > 0) return { document, lines, data: null, problems };
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    const hint = 'Begin with "version: 1" and "functions:", or let `aether init` write a first one.';
    return { document, lines, data: null, problems: [...problems, { offset: 0, length: 0, message: "the file is empty", hint }] };
  }
  const found = [...problems, ...inspect(document, text)];
  try {
    return { document, lines, data: { value: document.toJS({ maxAliasCount }) as unknown }, problems: found };
  } catch (error) {
    // The package throws here for aliases that multiply without bound, and for one without an anchor, which `inspect` told.
    if (found.length > 0 || !(error instanceof Error)) return { document, lines, data: null, problems: found };
    const range = firstAlias(document);
    const problem = { offset: range[0], length: range[1] - range[0], message: "the aliases expand to too much", hint: "Write the values out instead." };
    return { document, lines, data: null, problems: [problem] };
  }
}

function firstAlias(document: Document.Parsed<ParsedNode>): readonly [number, number] {
  let range: readonly [number, number] = [0, 0];
  visit(document, {
    Alias(_, alias) {
      if (alias.range) range = [alias.range[0], alias.range[1]];
      return visit.BREAK;
    },
  });
  return range;
}
