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

const notListed = new Set<string>(
  sections
    .filter(({ title }) => title === "Moving")
    .flatMap(({ bindings }) => bindings.map(({ command }) => command)),
);

/** Acts on the selected function, wherever it is asked for: the palette names it. */
const onFunction = (binding: Binding): boolean =>
  binding.scopes.includes("functions") && (binding.mutates || binding.command.startsWith("copy"));

/** What can be asked of a function that is named: actions, and to see it. */
const onNamed = (binding: Binding): boolean =>
  onFunction(binding) || binding.command === "detail" || binding.command === "logs";

/** The commands that mean something where the focus was before the palette opened; named functions once something is typed. */
export function paletteEntries(state: ConsoleState, wanted: string): readonly PaletteEntry[] {
  const words = wanted.trim().split(/\s+/);
  if (words[0] === "") return commands(state);
  const found = [...commands(state), ...commandsElsewhere(state), ...commandsOnNamed(state, words)].flatMap(
    (entry) => {
      const rank = rankOf(entry, words);
      return rank === null ? [] : [{ entry, rank }];
    },
  );
  return found
    .toSorted((a, b) => a.rank - b.rank)
    .slice(0, maxEntries)
    .map(({ entry }) => entry);
}

function commands(state: ConsoleState): readonly PaletteEntry[] {
  const before: ConsoleState = { ...state, ui: { ...state.ui, modal: null } };
  const scope = keyScope(before);
  const hit = targets(before);
  const whom = hit.length > 1 ? `${hit.length} marked` : (hit[0]?.id ?? "");
  const seen = new Set<string>(["palette", ...notListed]);
  const entries: PaletteEntry[] = [];
  for (const binding of state.ui.keymap.bindings) {
    if (seen.has(binding.command) || binding.scopes.every((each) => modalScopes.includes(each))) continue;
    const targeted = onFunction(binding);
    if (targeted ? whom === "" : !binding.scopes.includes(scope) && !binding.scopes.includes("global"))
      continue;
    seen.add(binding.command);
    entries.push(entryOf(binding, targeted ? whom : null, null));
  }
  return entries;
}

/** Every command is found by its name; where it holds is said instead of running it without effect. */
function commandsElsewhere(state: ConsoleState): readonly PaletteEntry[] {
  const here = new Set(commands(state).map(({ command }) => command));
  return state.ui.keymap.bindings.flatMap((binding) => {
    const open = binding.scopes.filter((scope) => !modalScopes.includes(scope));
    if (here.has(binding.command) || notListed.has(binding.command) || binding.command === "palette")
      return [];
    const [first] = open;
    if (first === undefined || first === "global") return [];
    const elsewhere = [...new Set(open.map((scope) => places[scope]))].join(", ");
    return [{ ...entryOf(binding, null, null), help: `(${elsewhere}) ${binding.help}`, elsewhere }];
  });
}

/** Only of functions in whose names one of the words is found: of a thousand others nobody asked. */
function commandsOnNamed(state: ConsoleState, words: readonly string[]): readonly PaletteEntry[] {
  const { keymap, table, marked } = state.ui;
  const isHit = (id: string): boolean => marked.size === 0 && id === table.selectedId;
  const named = (shownData(state).view?.functions ?? []).filter(
    ({ id }) => !isHit(id) && words.some((word) => containsText(id, word)),
  );
  const bindings = new Map(keymap.bindings.filter(onNamed).map((binding) => [binding.command, binding]));
  return named.flatMap(({ id }) => [...bindings.values()].map((binding) => entryOf(binding, id, id)));
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
 * their order, a help text. A named function comes after the selected one, and last what does not hold here. `null` where a word is not found at all.
 */
function rankOf(
  { label, help, functionId, elsewhere }: PaletteEntry,
  words: readonly string[],
): number | null {
  let rank = elsewhere !== null ? 16 : functionId === null ? 0 : 1;
  for (const word of words) {
    if (containsText(label, word)) rank += 0;
    else if (fuzzyPlaces(label, word) !== null) rank += 4;
    else if (containsText(help, word)) rank += 8;
    else return null;
  }
  return label.toLowerCase().startsWith(words.join(" ").toLowerCase()) ? rank : rank + 2;
}
