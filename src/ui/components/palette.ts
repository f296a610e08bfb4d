/** Every command by name. */
import { emptyLine, line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { keepVisible } from "../format/window.ts";
import { fit } from "../format/width.ts";
import { modalScopes, sections } from "../keys/bindings.ts";
import type { Binding, CommandId } from "../keys/bindings.ts";
import { showKey } from "../keys/key-names.ts";
import { containsText, keyScope, targets } from "../store/select.ts";
import type { ConsoleState, Modal } from "../store/types.ts";
import { inputSpans } from "./text-input.ts";
import { ruleLine } from "./rule.ts";

type PaletteModal = Extract<Modal, { type: "palette" }>;

export interface PaletteEntry {
  readonly command: CommandId;
  readonly label: string;
  readonly key: string;
  readonly help: string;
}

const listRows = 8;
const notListed = new Set<string>(
  sections
    .filter(({ title }) => title === "Moving")
    .flatMap(({ bindings }) => bindings.map(({ command }) => command)),
);

/** Acts on the selected function, wherever it is asked for: the palette names it. */
const onFunction = (binding: Binding): boolean =>
  binding.scopes.includes("functions") && (binding.mutates || binding.command.startsWith("copy"));

/** The commands that mean something where the focus was before the palette opened. */
export function paletteEntries(state: ConsoleState, wanted: string): readonly PaletteEntry[] {
  const scope = keyScope({ ...state, ui: { ...state.ui, modal: null } });
  const hit = targets({ ...state, ui: { ...state.ui, modal: null } });
  const whom = hit.length > 1 ? `${hit.length} marked` : (hit[0]?.id ?? "");
  const seen = new Set<string>(["palette", ...notListed]);
  const entries: PaletteEntry[] = [];
  for (const binding of state.ui.keymap.bindings) {
    if (seen.has(binding.command) || binding.scopes.every((each) => modalScopes.includes(each))) continue;
    const targeted = onFunction(binding);
    if (targeted ? whom === "" : !binding.scopes.includes(scope) && !binding.scopes.includes("global"))
      continue;
    seen.add(binding.command);
    const label = targeted ? `${binding.label} ${whom}` : binding.label;
    entries.push({
      command: binding.command,
      label,
      key: showKey(binding.keys[0] ?? ""),
      help: binding.help,
    });
  }
  const words = wanted.trim().split(/\s+/);
  const found = entries.filter((entry) =>
    words.every((word) => containsText(`${entry.label} ${entry.help}`, word)),
  );
  const byLabel = (entry: PaletteEntry): number =>
    entry.label.toLowerCase().startsWith(wanted.trim().toLowerCase()) ? 0 : 1;
  return found.toSorted((a, b) => byLabel(a) - byLabel(b));
}

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
