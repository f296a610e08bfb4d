/** The last row: what the keys do where the focus is, the most useful ones as far as there is room. */
import { line, lineWidth, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import type { CommandId } from "../keys/bindings.ts";
import { hintsFor } from "../keys/keymap.ts";
import { showKey } from "../keys/key-names.ts";
import { focusedArea, keyScope } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import { inputSpans } from "./text-input.ts";

type Hint = readonly [key: string, label: string];

type ModalHint = readonly [command: CommandId, label: string];

const modalHints: Readonly<Record<"dialog" | "palette" | "input", readonly ModalHint[]>> = {
  dialog: [
    ["dialog-yes", "yes"],
    ["dialog-no", "no"],
    ["dialog-move", "choose"],
    ["dialog-choose", "take it"],
  ],
  palette: [
    ["palette-down", "next"],
    ["palette-up", "previous"],
    ["accept", "run"],
    ["cancel", "close"],
  ],
  input: [
    ["accept", "keep"],
    ["cancel", "undo"],
  ],
};

const searchHints: readonly ModalHint[] = [
  ["search-regex", "regex"],
  ["search-case", "exact case"],
];

function fitHints(hints: readonly Hint[], room: number, tail: readonly Hint[]): Span[] {
  const spansOf = ([key, label]: Hint): Span[] => [span(key, "key"), span(` ${label}`, "dim"), span("  ")];
  const end = tail.flatMap((hint) => spansOf(hint));
  const kept: Span[] = [];
  for (const hint of hints) {
    const next = spansOf(hint);
    if (lineWidth(line(...kept, ...next, ...end)) > room + 2) break;
    kept.push(...next);
  }
  // Without the gap after the last one, which would only make the row too long.
  return [...kept, ...end].slice(0, -1);
}

export function hintLine(state: ConsoleState): Line {
  const { ui } = state;
  const room = ui.columns - 2;
  const scope = keyScope(state);
  const toHints = (hints: readonly ModalHint[]): readonly Hint[] =>
    hints.map(([command, label]) => [ui.keymap.keyOf(command), label]);
  if (ui.modal?.type === "input") {
    const isSearch = ui.modal.target === "search";
    const name = isSearch ? " search " : " filter ";
    const hints = isSearch ? [...modalHints.input, ...searchHints] : modalHints.input;
    return line(
      span(name, "accent"),
      ...inputSpans(ui.modal.input),
      "   ",
      ...fitHints(toHints(hints), room - 24, []),
    );
  }
  if (scope === "dialog" || scope === "palette")
    return line(" ", ...fitHints(toHints(modalHints[scope]), room, []));
  const marked =
    scope === "functions" && ui.marked.size > 0 ? [span(`${ui.marked.size} marked  `, "accent")] : [];
  const all = hintsFor(ui.keymap, scope).filter(
    ({ command, mutates }) =>
      !(ui.readOnly && mutates) &&
      !(command === "next-pane" && ui.pane === null) &&
      !(command === "next-match" && ui.feeds[scope === "logs" ? "logs" : "all-logs"].search === ""),
  );
  // Help and quit are always in sight.
  const always = new Set(["help", "quit"]);
  const area = focusedArea(state);
  // What the key will do, not what is so already: the title says that.
  const follows = area.type === "feed" && ui.feeds[area.area].follow;
  const toHint = ({ command, keys, label }: (typeof all)[number]): Hint => [
    showKey(keys[0] ?? ""),
    command === "follow" && follows ? "stand still" : label,
  ];
  const isBackUseful = ui.help || ui.pane !== null || ui.history.length > 0 || ui.table.filter !== "";
  const hints = all.filter(({ command }) => !always.has(command) && (command !== "back" || isBackUseful));
  const first =
    scope === "help" || scope === "events" || scope === "all-logs"
      ? hints.toSorted((a, b) => Number(b.command === "back") - Number(a.command === "back"))
      : hints;
  return line(
    " ",
    ...marked,
    ...fitHints(
      first.map((hint) => toHint(hint)),
      room - lineWidth(line(...marked)),
      all.filter(({ command }) => always.has(command)).map((hint) => toHint(hint)),
    ),
  );
}
