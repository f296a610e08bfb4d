/** What may stand in a key file: real commands, keys that every terminal delivers, and no key that means two things in one place. */
import { bindingTable, modalScopes, scopes } from "./bindings.ts";
import type { CommandId, Scope } from "./bindings.ts";
import { makeKeymap } from "./keymap.ts";
import type { BoundCommand, KeyOverrides, Keymap } from "./keymap.ts";

export interface KeyProblem {
  readonly command: CommandId;
  /** Which of its keys; `null`: all of them. */
  readonly index: number | null;
  readonly kind: "invalid" | "conflict";
  readonly message: string;
  readonly hint: string | null;
}

const namedKeys = [
  "up",
  "down",
  "left",
  "right",
  "pgup",
  "pgdn",
  "home",
  "end",
  "enter",
  "esc",
  "tab",
  "S-tab",
  "space",
  "backspace",
  "delete",
  "C-space",
] as const;

/** A key as the table writes it: one character, a name, or C- with a small letter. */
export const keyPattern = new RegExp(`^(?:[!-~]|C-[a-z]|${namedKeys.join("|")})$`);

const sameOnTerminals: Readonly<Record<string, string>> = {
  "C-h": "backspace",
  "C-i": "tab",
  "C-j": "enter",
  "C-m": "enter",
};

/** Where what is typed is text. */
const typing: readonly Scope[] = ["form", "palette", "input"];

const hasDefault = (keymap: Keymap, a: BoundCommand, b: BoundCommand, key: string): boolean =>
  keymap.bindingOf(a.command).keys.includes(key) && keymap.bindingOf(b.command).keys.includes(key);

function keyProblem(binding: BoundCommand, key: string): Pick<KeyProblem, "message" | "hint"> | null {
  if (/^f\d{1,2}$/i.test(key))
    return {
      message: `${key} is a function key`,
      hint: "Terminals do not agree on them; choose another key.",
    };
  const same = sameOnTerminals[key];
  if (same !== undefined)
    return {
      message: `terminals send the same for ${key} and ${same}`,
      hint: `Write ${same} if that is meant.`,
    };
  if (!keyPattern.test(key))
    return {
      message: `${JSON.stringify(key)} is no key`,
      hint: `Write one character, C- and a small letter, or one of ${namedKeys.join(", ")}.`,
    };
  const isText = key.length === 1 || key === "space";
  if (isText && binding.scopes.some((scope) => typing.includes(scope)))
    return { message: `${key} could not be typed any more`, hint: "Choose a key that is no text, as C-t." };
  return null;
}

/** Without these nobody gets out of a dialog, or of the console. */
function mustHaveKey({ command, scopes: where }: BoundCommand): boolean {
  return (
    command === "interrupt" || command === "palette" || where.every((scope) => modalScopes.includes(scope))
  );
}

/** Keys of one command that another one has where both hold; a key that the focused place takes from a global one too. */
function conflicts(own: BoundCommand, keymap: Keymap, defaults: Keymap): readonly KeyProblem[] {
  return own.keys.flatMap((key, index) => {
    const other = keymap.bindings.find(
      (binding) =>
        binding.command !== own.command &&
        binding.keys.includes(key) &&
        meet(own.scopes, binding.scopes) &&
        !hasDefault(defaults, own, binding, key),
    );
    if (other === undefined) return [];
    return [
      {
        command: own.command,
        index,
        kind: "conflict",
        message: `${key} is also the key of ${other.command}`,
        hint: `Give ${other.command} another key in this file, or choose one that is free.`,
      } as const,
    ];
  });
}

/** Whether two commands hold in one place. */
function meet(a: readonly Scope[], b: readonly Scope[]): boolean {
  return scopes.some((scope) => {
    const isModal = modalScopes.includes(scope);
    const holds = (where: readonly Scope[]): boolean =>
      where.includes(scope) || (!isModal && where.includes("global"));
    return holds(a) && holds(b);
  });
}

/** Everything that is wrong with overrides, in their order. */
export function checkOverrides(overrides: KeyOverrides): readonly KeyProblem[] {
  const defaults = makeKeymap(new Map());
  const keymap = makeKeymap(overrides);
  return [...overrides].flatMap(([command, keys]) => {
    const binding = keymap.bindingOf(command);
    const invalid = keys.flatMap((key, index) => {
      const problem = keyProblem(binding, key);
      return problem === null ? [] : [{ command, index, kind: "invalid", ...problem } as const];
    });
    if (keys.length === 0 && mustHaveKey(binding)) {
      const hint = "Leave it out to keep its keys.";
      return [{ command, index: null, kind: "invalid", message: `${command} needs a key`, hint } as const];
    }
    return invalid.length > 0 ? invalid : conflicts(binding, keymap, defaults);
  });
}

/** JSON schema of the key file, for editors. */
export function keysJsonSchema(): object {
  const key = { type: "string", pattern: keyPattern.source };
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Aether keys.yaml",
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(
      bindingTable.map(({ command, help, keys }) => [
        command,
        { description: help, default: [...keys], anyOf: [key, { type: "array", items: key }] },
      ]),
    ),
  };
}
