/** The keys in force: the table, with what the user's key file puts in its place. */
import { bindingTable, modalScopes, sections } from "./bindings.ts";
import type { Binding, CommandId, Scope } from "./bindings.ts";
import { showKey } from "./key-names.ts";

export type BoundCommand = Binding & { readonly command: CommandId };

/** Keys by command; an empty list takes a command's keys away. */
export type KeyOverrides = ReadonlyMap<CommandId, readonly string[]>;

export interface Keymap {
  /** The table under its headings. */
  readonly sections: readonly { readonly title: string; readonly bindings: readonly BoundCommand[] }[];
  readonly bindings: readonly BoundCommand[];
  /** The command of a key; the focused scope goes before the global one, and dialogs and inputs keep all keys. */
  resolve(scope: Scope, key: string): CommandId | null;
  bindingOf(command: CommandId): BoundCommand;
  /** The first key of a command as people see it; the palette's way to it where it has none. */
  readonly keyOf: (command: CommandId) => string;
}

const slot = (scope: Scope, key: string): string => `${scope}\u0000${key}`;

export function makeKeymap(overrides: KeyOverrides): Keymap {
  const withKeys = (binding: BoundCommand): BoundCommand => ({
    ...binding,
    keys: overrides.get(binding.command) ?? binding.keys,
  });
  const effective = sections.map(({ title, bindings }) => ({ title, bindings: bindings.map(withKeys) }));
  const bindings = effective.flatMap((section) => section.bindings);
  const index = new Map<string, CommandId>();
  for (const binding of bindings) {
    for (const scope of binding.scopes) {
      for (const key of binding.keys) index.set(slot(scope, key), binding.command);
    }
  }
  const bindingOf = (command: CommandId): BoundCommand => {
    const binding = bindings.find((candidate) => candidate.command === command);
    if (binding === undefined) throw new Error(`no binding for ${command}`);
    return binding;
  };
  const firstKey = (command: CommandId): string | null => {
    const [first] = bindingOf(command).keys;
    return first === undefined ? null : showKey(first);
  };
  /** A sign runs into the name, as in `:theme`; the name of a key stands apart from it. */
  const byPalette = (command: CommandId): string => {
    const key = firstKey("palette") ?? "";
    return `${key}${key.length > 1 ? " " : ""}${bindingOf(command).label}`;
  };
  return {
    sections: effective,
    bindings,
    resolve: (scope, key) =>
      index.get(slot(scope, key)) ??
      (modalScopes.includes(scope) ? null : (index.get(slot("global", key)) ?? null)),
    bindingOf,
    keyOf: (command) => firstKey(command) ?? byPalette(command),
  };
}

/** Without a key file. */
export const defaultKeymap: Keymap = makeKeymap(new Map());

/** The bindings to show in the hint line of a scope, the most useful first. */
export function hintsFor(keymap: Keymap, scope: Scope): readonly BoundCommand[] {
  const inScope = keymap.bindings.filter(
    (binding) =>
      binding.hint !== null &&
      binding.keys.length > 0 &&
      (binding.scopes.includes(scope) || (!modalScopes.includes(scope) && binding.scopes.includes("global"))),
  );
  return inScope.toSorted((a, b) => (a.hint ?? 0) - (b.hint ?? 0));
}

export const commandIds: readonly CommandId[] = bindingTable.map(({ command }) => command);
