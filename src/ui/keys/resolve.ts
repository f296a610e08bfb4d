/** From a key to the command it means where the focus is. */
import { bindingTable, modalScopes } from "./bindings.ts";
import type { Binding, CommandId, Scope } from "./bindings.ts";

const index = new Map<string, CommandId>();
for (const binding of bindingTable) {
  for (const scope of binding.scopes) {
    for (const key of binding.keys) index.set(`${scope}\u0000${key}`, binding.command);
  }
}

/** The command of a key; the focused scope goes before the global one, and dialogs and inputs keep all keys. */
export function resolveKey(scope: Scope, key: string): CommandId | null {
  const own = index.get(`${scope}\u0000${key}`);
  if (own !== undefined) return own;
  return modalScopes.includes(scope) ? null : (index.get(`global\u0000${key}`) ?? null);
}

export function bindingOf(command: CommandId): Binding {
  const binding = bindingTable.find((candidate) => candidate.command === command);
  if (binding === undefined) throw new Error(`no binding for ${command}`);
  return binding;
}

/** The bindings to show in the hint line of a scope, the most useful first. */
export function hintsFor(scope: Scope): readonly Binding[] {
  const inScope = bindingTable.filter(
    (binding) =>
      binding.hint !== null &&
      binding.keys.length > 0 &&
      (binding.scopes.includes(scope) || (!modalScopes.includes(scope) && binding.scopes.includes("global"))),
  );
  return inScope.toSorted((a, b) => (a.hint ?? 0) - (b.hint ?? 0));
}
