/** What each alias of a document stands for, found in one pass: the package looks through the whole document for each. */
import { visit } from "yaml";
import type { Alias, Document, Node, ParsedNode } from "yaml";

/** Alias -> the node with its anchor; `undefined` where there is none before it. In the order of the file. */
export type AliasTargets = ReadonlyMap<Alias, Node | undefined>;

/** Reads every alias of the document. */
export function aliasTargets(document: Document.Parsed<ParsedNode>): AliasTargets {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node | undefined>();
  visit(document, {
    Alias(_, alias) {
      targets.set(alias, anchors.get(alias.source));
    },
    Value(_, node) {
      // An anchor that is set again counts from there on, as YAML has it.
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}
