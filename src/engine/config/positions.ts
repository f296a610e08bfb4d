/** Path of a field -> its place in the file. */
import { isAlias, isMap, isNode, isScalar, isSeq } from "yaml";
import type { Node, Pair } from "yaml";
import type { ConfigPath } from "./finding.ts";
import type { ParsedYaml } from "./parse-yaml.ts";

/** 1-based line and column, and the text that stands there. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

const maxText = 60;

/** A piece of the file as one short line. */
export function shorten(text: string): string {
  const line = text.split(/\r?\n/, 1)[0]?.trimEnd() ?? "";
  const clipped = line.length < text.trimEnd().length;
  return line.length > maxText ? `${line.slice(0, maxText - 3)}...` : clipped ? `${line} ...` : line;
}

function pairOf(node: unknown, key: string | number): Pair | undefined {
  if (!isMap(node)) return undefined;
  // Of a key that stands twice, the later one is in force.
  return node.items.findLast((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** Finds places in one parsed document. */
export class Positions {
  readonly #source: string;
  readonly #yaml: ParsedYaml;

  /** `source` may be a masked copy of the text that was parsed. */
  constructor(source: string, yaml: ParsedYaml) {
    this.#source = source;
    this.#yaml = yaml;
  }

  /** Place of an offset. */
  at(offset: number, length: number): Place {
    const { line, col } = this.#yaml.lines.linePos(Math.min(offset, this.#source.length));
    return {
      line: Math.max(1, line),
      column: Math.max(1, col),
      text: shorten(this.#source.slice(offset, offset + length)),
    };
  }

  /** Place of the value at `path`, or of its key; where it is missing, of what should hold it. */
  of(path: ConfigPath, atKey = false): Place {
    const range = this.#range(path, atKey);
    return this.at(range[0], range[1] - range[0]);
  }

  #range(path: ConfigPath, atKey: boolean): readonly [number, number] {
    let node: unknown = this.#yaml.document.contents;
    let best: readonly [number, number] = rangeOf(node) ?? [0, 0];
    for (const [index, key] of path.entries()) {
      if (isAlias(node)) node = this.#yaml.aliases.get(node);
      const last = index === path.length - 1;
      const pair = pairOf(node, key);
      const next: unknown =
        pair !== undefined
          ? pair.value
          : isSeq(node) && typeof key === "number"
            ? node.items[key]
            : undefined;
      const keyRange = rangeOf(pair?.key);
      const valueRange = rangeOf(next);
      if (pair === undefined && next === undefined) return best;
      // An empty value has a range of no length behind the colon: the key is the better place.
      const empty = valueRange === null || valueRange[0] === valueRange[1];
      best = (last && atKey) || empty ? (keyRange ?? valueRange ?? best) : valueRange;
      node = next;
    }
    return best;
  }
}

function rangeOf(node: unknown): readonly [number, number] | null {
  const range = isNode(node) ? (node as Node).range : null;
  return range ? [range[0], range[1]] : null;
}
