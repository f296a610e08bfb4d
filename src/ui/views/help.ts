/** The help, made from the key table. */
import { instanceStates } from "../../protocol/states.ts";
import { emptyLine, fitLine, line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { wrapWords } from "../format/width.ts";
import type { Binding } from "../keys/bindings.ts";
import type { Keymap } from "../keys/keymap.ts";
import { showKey } from "../keys/key-names.ts";
import { stateLooks } from "../theme/states.ts";

const keyWidth = 12;

const stateMeaning = {
  Running: "serves",
  Suspended: "frozen in memory, wakes in about a millisecond",
  WarmSnapshot: "sleeps as an image, takes no memory of its own, wakes in milliseconds",
  Uninitialized: "nothing but its declaration; the first wake is a cold start",
} as const;

/** All keys of a command, in as many rows as they take, beside what it does. */
function bindingLines({ keys, help }: Binding, palette: string, width: number): readonly Line[] {
  const names = keys.length === 0 ? palette : keys.map((key) => showKey(key)).join(" ");
  const left = wrapWords(names, keyWidth);
  const right = wrapWords(help, Math.max(10, width - keyWidth - 5));
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) =>
    line(span(`  ${(left[index] ?? "").padEnd(keyWidth)} `, "key"), right[index] ?? ""),
  );
}

function sectionLines(
  { title, bindings }: Keymap["sections"][number],
  palette: string,
  width: number,
): readonly Line[] {
  return [
    line("  ", span(title.toUpperCase(), "heading")),
    ...bindings.flatMap((binding) => bindingLines(binding, palette, width)),
    emptyLine,
  ];
}

export function helpLines({ sections, keyOf }: Keymap, width: number): readonly Line[] {
  const twoColumns = width >= 110;
  const column = twoColumns ? Math.floor(width / 2) : width;
  const blocks = sections.map((section) => sectionLines(section, keyOf("palette"), column));
  const states = [
    line("  ", span("STATES", "heading")),
    ...instanceStates
      .toReversed()
      .flatMap((name) =>
        wrapWords(stateMeaning[name], Math.max(10, column - 20)).map((text, index) =>
          line(
            index === 0 ? span(`  ${stateLooks[name].glyph} `, stateLooks[name].role) : "    ",
            index === 0 ? name.padEnd(14) : " ".repeat(14),
            " ",
            text,
          ),
        ),
      ),
    emptyLine,
  ];
  if (!twoColumns) return [...states, ...blocks.flat()];
  // Fill the left column up to half of all rows, the right one with the rest.
  const total = states.length + blocks.reduce((sum, block) => sum + block.length, 0);
  const left: Line[] = [...states];
  const right: Line[] = [];
  for (const block of blocks) {
    const target =
      right.length === 0 && left.length + block.length <= Math.ceil(total / 2) + 3 ? left : right;
    target.push(...block);
  }
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) =>
    line(...fitLine(left[index] ?? emptyLine, column).spans, ...(right[index] ?? emptyLine).spans),
  );
}
