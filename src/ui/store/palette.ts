/** What the palette finds: every command by name, and what can be done to any function by the function's name. */
import { modalScopes, sections } from "../keys/bindings.ts";
import type { Binding, CommandId } from "../keys/bindings.ts";
import type { Keymap } from "../keys/keymap.ts";
import { showKey } from "../keys/key-names.ts";
import { places } from "../keys/places.ts";
import { fuzzyPlaces } from "./filter.ts";
import { containsText, keyScope, shownData, targets } from "./select.ts";
import type { ConsoleState } from "./types.ts";

export interface PaletteEntry {
  readonly command: CommandId;
  /** The function that was named; `null`: whatever is selected or marked. */
  readonly functionId: string | null;
  readonly label: string;
  readonly key: string;
  readonly help: string;
  /** It means nothing where the focus was: where it does. */
  readonly elsewhere: string | null;
}

/** More than anybody looks through; typing on narrows it. */
const maxEntries = 200;

const moving = new Set<string>(
  sections
    .filter(({ title }) => title === "Moving")
    .flatMap(({ bindings }) => bindings.map(({ command }) => command)),
);

/** Neither moves, nor belongs to a dialog, nor is the palette itself. */
const isListed = ({ command, scopes }: Binding): boolean =>
  command !== "palette" && !moving.has(command) && !scopes.every((each) => modalScopes.includes(each));

/** Acts on the selected function, wherever it is asked for: the palette names it. */
const onFunction = (binding: Binding): boolean =>
  binding.scopes.includes("functions") && (binding.mutates || binding.command.startsWith("copy"));

/** What can be asked of a function that is named: actions, and to see it. */
const onNamed = (binding: Binding): boolean =>
  onFunction(binding) || binding.command === "detail" || binding.command === "logs";

/** The commands that mean something where the focus was before the palette opened; all others and named functions once something is typed. */
export function paletteEntries(state: ConsoleState, wanted: string): readonly PaletteEntry[] {
  const words = wanted.trim().split(/\s+/);
  const here = commandsHere(state);
  if (words[0] === "") return here;
  const all = [...here, ...commandsElsewhere(state, here), ...commandsOnNamed(state, words)];
  const found = all.flatMap((entry) => {
    const rank = rankOf(entry, words);
    return rank === null ? [] : [{ entry, rank }];
  });
  return found
    .toSorted((a, b) => a.rank - b.rank)
    .slice(0, maxEntries)
    .map(({ entry }) => entry);
}

function commandsHere(state: ConsoleState): readonly PaletteEntry[] {
  const before: ConsoleState = { ...state, ui: { ...state.ui, modal: null } };
  const scope = keyScope(before);
  const hit = targets(before);
  const whom = hit.length > 1 ? `${hit.length} marked` : (hit[0]?.id ?? "");
  return state.ui.keymap.bindings.filter(isListed).flatMap((binding) => {
    if (onFunction(binding)) return whom === "" ? [] : [entryOf(binding, whom, null)];
    const holds = binding.scopes.includes(scope) || binding.scopes.includes("global");
    return holds ? [entryOf(binding, null, null)] : [];
  });
}

/** Every command is found by its name; where it holds is said instead of running it without effect. */
function commandsElsewhere(state: ConsoleState, here: readonly PaletteEntry[]): readonly PaletteEntry[] {
  const known = new Set(here.map(({ command }) => command));
  return state.ui.keymap.bindings
    .filter((binding) => isListed(binding) && !known.has(binding.command))
    .map((binding) => {
      const open = binding.scopes.filter((scope) => !modalScopes.includes(scope));
      const elsewhere = open.map((scope) => places[scope]).join(", ");
      return { ...entryOf(binding, null, null), help: `(${elsewhere}) ${binding.help}`, elsewhere };
    });
}

/** Only of functions in whose names one of the words is found: of a thousand others nobody asked. */
function commandsOnNamed(state: ConsoleState, words: readonly string[]): readonly PaletteEntry[] {
  const { keymap, table, marked } = state.ui;
  const isHit = (id: string): boolean => marked.size === 0 && id === table.selectedId;
  const named = (shownData(state).view?.functions ?? []).filter(
    ({ id }) => !isHit(id) && words.some((word) => containsText(id, word)),
  );
  const bindings = keymap.bindings.filter(onNamed);
  return named.flatMap(({ id }) => bindings.map((binding) => entryOf(binding, id, id)));
}

const entryOf = (
  binding: Keymap["bindings"][number],
  whom: string | null,
  functionId: string | null,
): PaletteEntry => ({
  command: binding.command,
  functionId,
  label: whom === null ? binding.label : `${binding.label} ${whom}`,
  key: showKey(binding.keys[0] ?? ""),
  help: binding.help,
  elsewhere: null,
});

/**
 * The smaller, the nearer to what was typed: a label that begins with it, one that has the words, one whose letters stand in
 * their order, a help text. A named function comes after the selected one, and last what does not hold here. `null` where a
 * word is not found at all.
 */
function rankOf(entry: PaletteEntry, words: readonly string[]): number | null {
  const distances = words.map((word) => distanceOf(entry, word));
  if (distances.includes(null)) return null;
  const begins = entry.label.toLowerCase().startsWith(words.join(" ").toLowerCase());
  const base = entry.elsewhere !== null ? 16 : entry.functionId === null ? 0 : 1;
  return distances.reduce<number>((sum, distance) => sum + (distance ?? 0), base + (begins ? 0 : 2));
}

function distanceOf({ label, help }: PaletteEntry, word: string): number | null {
  if (containsText(label, word)) return 0;
  if (fuzzyPlaces(label, word) !== null) return 4;
  return containsText(help, word) ? 8 : null;
}
