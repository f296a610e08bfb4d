/** Below the least size: one sentence, at any size, down to nothing. */
import { line } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { wrapWords } from "../format/width.ts";
import { leastColumns, leastRows } from "../store/layout.ts";
import type { ConsoleState } from "../store/types.ts";

export function tooSmallLines({ ui }: ConsoleState): readonly Line[] {
  const text =
    ui.modal?.type === "confirm"
      ? `${ui.modal.title} ${ui.keymap.keyOf("dialog-yes")} or ${ui.keymap.keyOf("dialog-no")}`
      : `Aether needs ${leastColumns}x${leastRows}; this terminal has ${ui.columns}x${ui.rows}.`;
  return wrapWords(text, ui.columns)
    .slice(0, Math.max(0, ui.rows))
    .map((part) => line(part));
}
