/**
 * The source of a file with everything masked that may be secret: env values, headers and bodies of warm-up requests, and
 * what stands under a key we do not know (it may be a misspelt `env`). Same length, so that offsets stay true; whatever
 * is printed of a file is cut from this text.
 */
import { isAlias, isCollection, isMap, isPair, isScalar, visit } from "yaml";
import type { Document, ParsedNode } from "yaml";
import { engineSchema, fileSchema, functionSchema, idleSchema, warmupSchema } from "./schema.ts";
import { nearest } from "./suggest.ts";

const secretKeys = ["env", "headers", "body"];
const openKeys = [fileSchema, engineSchema, functionSchema, idleSchema, warmupSchema]
  .flatMap((schema) => Object.keys(schema.shape))
  .concat("http")
  .filter((key) => !secretKeys.includes(key));

/** Whether what stands under the key may be secret: it is one of the three, or no misspelling of any other. */
function hidesValue(key: string): boolean {
  if (openKeys.includes(key)) return false;
  const meant = nearest(key, [...secretKeys, ...openKeys]);
  return meant === null || secretKeys.includes(meant);
}

type Mask = (from: number, to: number) => void;

/** Masks the values of a node; names of variables and headers stay. */
function maskNode(node: unknown, document: Document.Parsed<ParsedNode>, mask: Mask, depth = 0): void {
  if (depth > 8) return;
  if (isAlias(node)) return maskNode(node.resolve(document), document, mask, depth + 1);
  if (isMap(node)) {
    for (const pair of node.items) maskNode(pair.value, document, mask, depth + 1);
  } else if (isCollection(node)) {
    for (const item of node.items) maskNode(isPair(item) ? item.value : item, document, mask, depth + 1);
  } else if (isScalar(node) && node.range) {
    mask(node.range[0], node.range[1]);
  }
}

/** For a file that is not YAML: by lines and indentation, hiding rather too much. */
function maskLines(source: string, mask: Mask): void {
  let offset = 0;
  let secretIndent: number | null = null;
  for (const line of source.split("\n")) {
    const indent = line.search(/\S/);
    if (secretIndent !== null && indent !== -1 && indent <= secretIndent) secretIndent = null;
    if (secretIndent !== null) {
      // Names of variables stay, as they do in a file that can be parsed.
      mask(offset + (/^\s*[\w.-]+\s*:/.exec(line)?.[0].length ?? 0), offset + line.length);
    } else {
      const secret = [...line.matchAll(/["']?([\w.-]+)["']?\s*:(?=\s|$)/g)].find((match) => hidesValue(match[1] ?? ""));
      if (secret !== undefined) {
        // A list item's dash counts as indentation of its keys.
        secretIndent = line.search(/[^\s-]/);
        mask(offset + secret.index + secret[0].length, offset + line.length);
      }
    }
    offset += line.length + 1;
  }
}

/** Masks what may be secret. */
export function redactSource(source: string, document: Document.Parsed<ParsedNode>): string {
  const hidden: [number, number][] = [];
  const mask: Mask = (from, to) => {
    if (to > from) hidden.push([from, to]);
  };
  if (document.errors.some((error) => error.code !== "DUPLICATE_KEY")) maskLines(source, mask);
  visit(document, {
    Pair(_, pair) {
      if (!hidesValue(isScalar(pair.key) ? String(pair.key.value) : "")) return undefined;
      maskNode(pair.value, document, mask);
      return visit.SKIP;
    },
  });
  hidden.sort((a, b) => a[0] - b[0]);
  let text = "";
  let at = 0;
  for (const [from, to] of hidden) {
    if (to <= at) continue;
    const start = Math.max(from, at);
    text += source.slice(at, start) + source.slice(start, to).replace(/[^\s]/g, "*");
    at = to;
  }
  return text + source.slice(at);
}
