/** Every command by name. */
import { emptyLine, line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { keepVisible } from "../format/window.ts";
import { fit } from "../format/width.ts";
import { paletteEntries } from "../store/palette.ts";
import type { ConsoleState, Modal } from "../store/types.ts";
import { inputSpans } from "./text-input.ts";
import { ruleLine } from "./rule.ts";

type PaletteModal = Extract<Modal, { type: "palette" }>;

const listRows = 8;

export function paletteLines(state: ConsoleState, modal: PaletteModal, width: number): readonly Line[] {
  const entries = paletteEntries(state, modal.input.text);
  const rows = Math.max(1, Math.min(listRows, state.ui.rows - 10));
  const offset = keepVisible(0, modal.selected, rows, entries.length);
  const shown = entries.slice(offset, offset + rows).map((entry, index): Line => {
    const selected = offset + index === modal.selected;
    const row = line(
      span(selected ? "▌ " : "  ", "accent"),
      span(fit(entry.label, 26), "strong"),
      span(fit(entry.key, 6), "key"),
      span(entry.help, "dim"),
    );
    return { ...row, selected };
  });
  const list = entries.length === 0 ? [line("  ", span("No command of that name.", "dim"))] : shown;
  return [
    ruleLine(line(span("command", "strong"), span(`  ${entries.length}`, "dim")), line(), width, "accent"),
    line(span("  : ", "accent"), ...inputSpans(modal.input)),
    ...list,
    ...Array.from({ length: Math.max(0, rows - list.length) }, () => emptyLine),
  ];
}
