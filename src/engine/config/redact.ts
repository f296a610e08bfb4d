/**
 * The source of a file with everything masked that may be secret: env values, headers and bodies of warm-up requests, and
 * what stands under a key we do not know (it may be a misspelt `env`). Same length, so that offsets stay true; whatever
 * is printed of a file is cut from this text.
 */
import { isAlias, isMap, isNode, isScalar, visit } from "yaml";
import type { Node } from "yaml";
import { plainName } from "./finding.ts";
import { behindColon } from "./parse-yaml.ts";
import type { ParsedYaml } from "./parse-yaml.ts";
import { levels } from "./schema/levels.ts";
import { nearest } from "./suggest.ts";

const secretKeys = ["env", "headers", "body"];
const openKeys = new Set(levels.flatMap(({ keys }) => keys).filter((key) => !secretKeys.includes(key)));
const knownKeys = [...secretKeys, ...openKeys];

/** Whether what stands under the key may be secret: it is one of the three, or no misspelling of any other. */
function hidesValue(key: string): boolean {
  if (openKeys.has(key)) return false;
  // One or two letters are near to anything.
  const meant = key.length < 3 ? null : nearest(key, knownKeys);
  return meant === null || secretKeys.includes(meant);
}

type Mask = (from: number, to: number) => void;

/**
 * Masks from `from` to the end of a value: anchors, tags and comments too, since a password may begin with & or *. Of a
 * mapping the names of its entries stay, as far as they look like names.
 */
function maskValue(value: unknown, from: number, source: string, mask: Mask): void {
  if (!isNode(value) || !value.range) return;
  const end = value.range[2];
  let at = from;
  if (isMap(value)) {
    for (const { key } of value.items) {
      const next = behindColon(key, source);
      if (next === null || !isScalar(key) || !key.range) continue;
      const name = plainName(source.slice(key.range[0], key.range[1]));
      mask(at, key.range[0]);
      mask(key.range[0] + name.length, key.range[1]);
      at = next;
    }
  }
  mask(at, end);
}

/**
 * For a file that is not YAML: only lines that begin with a key of ours are shown, apart from those of three. Everything
 * else is hidden, rather too much than too little: lines of a pasted private key may stand at any depth.
 */
function maskLines(source: string, mask: Mask): void {
  let offset = 0;
  let secretIndent: number | null = null;
  for (const line of source.split("\n")) {
    // A list item's dash counts as indentation of its keys.
    const indent = line.search(/[^\s-]/);
    const keys = [...line.matchAll(/["']?([\w.-]+)["']?\s*:(?=\s|$)/g)];
    const opens = openKeys.has(keys[0]?.[1] ?? "") && /^[\s{"'-]*$/.test(line.slice(0, keys[0]?.index));
    if (opens && secretIndent !== null && indent <= secretIndent) secretIndent = null;
    // The words alone count as well: their colon may be what is missing.
    const word = /\b(?:env|headers|body)\b/.exec(line);
    const key = keys.find((match) => hidesValue(match[1] ?? ""));
    const secret = word !== null && (key === undefined || word.index < key.index) ? word : key;
    if (secretIndent !== null || !opens) {
      const name = secretIndent === null ? "" : (/^\s*[\w.-]+\s*:/.exec(line)?.[0] ?? "");
      mask(offset + name.length, offset + line.length);
    } else if (secret !== undefined) {
      mask(offset + secret.index + secret[0].length, offset + line.length);
    }
    if (secret !== undefined) secretIndent ??= indent;
    offset += line.length + 1;
  }
}

/** Masks what may be secret. */
export function redactSource(source: string, { document, aliases, wellFormed }: ParsedYaml): string {
  const hidden: [number, number][] = [];
  const mask: Mask = (from, to) => {
    if (to > from) hidden.push([from, to]);
  };
  // An anchor that env refers to may stand anywhere.
  const hideTarget = (target: Node | undefined): void => {
    if (target?.range) maskValue(target, target.range[0], source, mask);
  };
  if (!wellFormed) maskLines(source, mask);
  visit(document, {
    Pair(_, pair) {
      if (!hidesValue(isScalar(pair.key) ? String(pair.key.value) : "")) return undefined;
      if (isNode(pair.key) && pair.key.range) {
        const [from, to] = pair.key.range;
        const value = behindColon(pair.key, source);
        maskValue(pair.value, value ?? to, source, mask);
        // A key without a colon, or that is no plain name, may have swallowed its value: `body 'text'`.
        mask(value === null ? from : from + plainName(source.slice(from, to)).length, to);
      }
      if (isAlias(pair.value)) hideTarget(aliases.get(pair.value));
      return visit.SKIP;
    },
  });
  hidden.sort((a, b) => a[0] - b[0]);
  let text = "";
  let at = 0;
  for (const [from, to] of hidden) {
    if (to <= at) continue;
    const start = Math.max(from, at);
    text += source.slice(at, start) + source.slice(start, to).replace(/[^\s{}[\],]/g, "*");
    at = to;
  }
  return text + source.slice(at);
}
