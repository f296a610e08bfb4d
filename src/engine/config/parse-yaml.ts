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
const maxAliasCount = 10_000;
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
      return { message: "tags (!name) are not supported", hint: "Remove the tag." };
    default: {
      // The package's sentences do not quote the text, except for names of anchors and directives.
      const first = error.message.split("\n")[0] ?? "";
      return { message: first.charAt(0).toLowerCase() + first.slice(1), hint: null };
    }
  }
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
function inspect(document: Document.Parsed<ParsedNode>): YamlProblem[] {
  const problems: YamlProblem[] = [];
  const report = (node: unknown, message: string, hint: string | null): void => {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : null;
    problems.push({ offset: range?.[0] ?? 0, length: range ? range[1] - range[0] : 0, message, hint });
  };
  visit(document, {
    Pair(_, pair) {
      if (!isPair(pair)) return;
      const key = keyText(pair);
      if (key === null) report(pair.key, "a key must be a plain word", "Put it in quotes.");
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
  const problems = [...(fatal.length > 0 ? fatal.slice(0, maxSyntaxProblems) : document.errors), ...document.warnings].map((error) => ({
    offset: error.pos[0],
    length: error.pos[1] - error.pos[0],
    ...explain(error),
  }));
  if (fatal.length > 0) return { document, lines, data: null, problems };
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    const hint = 'Begin with "version: 1" and "functions:", or let `aether init` write a first one.';
    return { document, lines, data: null, problems: [...problems, { offset: 0, length: 0, message: "the file is empty", hint }] };
  }
  const found = [...problems, ...inspect(document)];
  try {
    return { document, lines, data: { value: document.toJS({ maxAliasCount }) as unknown }, problems: found };
  } catch (error) {
    // The package throws here for an alias without an anchor and for aliases that multiply without bound.
    const message = error instanceof Error && /alias count/i.test(error.message) ? "the aliases expand to too much" : "an alias cannot be resolved";
    return { document, lines, data: null, problems: [...found, { offset: 0, length: 0, message, hint: "Write the value out instead." }] };
  }
}
