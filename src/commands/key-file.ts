/** The user's keys: $AETHER_KEYS, else aether/keys.yaml in $XDG_CONFIG_HOME or ~/.config. Wrong in any place, it is refused as a whole. */
import { readFileSync } from "node:fs";
import { parseYaml } from "../engine/config/parse-yaml.ts";
import { Positions } from "../engine/config/positions.ts";
import { nearest } from "../engine/config/suggest.ts";
import { AetherError } from "../protocol/errors.ts";
import type { ErrorCode } from "../protocol/error-codes.ts";
import type { CommandId } from "../ui/keys/bindings.ts";
import { checkOverrides } from "../ui/keys/check-overrides.ts";
import { commandIds, defaultKeymap, makeKeymap } from "../ui/keys/keymap.ts";
import type { Keymap } from "../ui/keys/keymap.ts";
import { sanitize } from "../ui/format/sanitize.ts";
import { keyFilePath } from "./key-file-path.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const maxFileBytes = 64 * 1024;
/** More than so many problems help nobody. */
const maxProblems = 20;

interface Problem {
  readonly code: ErrorCode;
  readonly place: { readonly line: number; readonly column: number };
  readonly message: string;
  readonly hint: string | null;
}

/**
 * The keys in force; the table's own where there is no file.
 * @throws AetherError AE_KEYS_INVALID, AE_KEYS_CONFLICT with line and column
 */
export function loadKeymap(env: Environment): Keymap {
  const path = keyFilePath(env);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A file that was named must be there; the one in the usual place need not.
    if (code === "ENOENT" && env["AETHER_KEYS"] === undefined) return defaultKeymap;
    throw new AetherError("AE_KEYS_INVALID", `the key file ${path} cannot be read`, {
      why: error instanceof Error ? error.message : String(error),
      data: { file: path },
    });
  }
  return parseKeys(text, path);
}

/** @throws AetherError AE_KEYS_INVALID, AE_KEYS_CONFLICT */
export function parseKeys(text: string, path: string): Keymap {
  if (Buffer.byteLength(text) > maxFileBytes)
    throw refused(path, [
      {
        code: "AE_KEYS_INVALID",
        place: { line: 1, column: 1 },
        message: `the file is larger than ${maxFileBytes / 1024} KiB`,
        hint: null,
      },
    ]);
  // Nothing but comments: nothing is changed.
  if (text.split("\n").every((line) => /^\s*(?:#.*)?$/.test(line))) return defaultKeymap;
  const yaml = parseYaml(text);
  const positions = new Positions(text, yaml);
  const invalid = (place: Problem["place"], message: string, hint: string | null = null): Problem => ({
    code: "AE_KEYS_INVALID",
    place,
    message,
    hint,
  });
  const syntax = yaml.problems.map(({ offset, length, message, hint }) =>
    invalid(positions.at(offset, length), message, hint),
  );
  if (syntax.length > 0 || yaml.data === null) throw refused(path, syntax);
  const { value } = yaml.data;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw refused(path, [invalid(positions.of([]), "this is no list of commands", "Write COMMAND: KEY.")]);

  const problems: Problem[] = [];
  const overrides = new Map<CommandId, readonly string[]>();
  for (const [name, keys] of Object.entries(value as Record<string, unknown>)) {
    const command = commandIds.find((each) => each === name);
    const list: readonly unknown[] = Array.isArray(keys) ? keys : [keys];
    const wrong = list.findIndex((key) => typeof key !== "string" && typeof key !== "number");
    if (command === undefined) {
      const meant = nearest(name, commandIds);
      const hint = meant === null ? "docs/keys.md lists all of them." : `Did you mean ${meant}?`;
      problems.push(invalid(positions.of([name], true), `there is no command ${name}`, hint));
    } else if (wrong !== -1) {
      const place = positions.of(Array.isArray(keys) ? [name, wrong] : [name]);
      problems.push(invalid(place, "a key is a text, or a list of texts", "[] takes the keys away."));
    } else {
      // Digits need no quotes.
      overrides.set(command, list.map(String));
    }
  }
  for (const { command, index, kind, message, hint } of checkOverrides(overrides)) {
    const isList = Array.isArray((value as Record<string, unknown>)[command]);
    const place = positions.of(index === null || !isList ? [command] : [command, index]);
    problems.push({
      code: kind === "conflict" ? "AE_KEYS_CONFLICT" : "AE_KEYS_INVALID",
      place,
      message,
      hint,
    });
  }
  if (problems.length > 0) throw refused(path, problems);
  return makeKeymap(overrides);
}

function refused(path: string, problems: readonly Problem[]): AetherError {
  const inOrder = problems.toSorted((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  const [first] = inOrder;
  if (first === undefined) throw new AetherError("AE_INTERNAL", "a key file was refused without a problem");
  const { line, column } = first.place;
  const lines = inOrder.slice(0, maxProblems).map((problem) => {
    const remedy = problem.hint === null ? "" : ` ${problem.hint}`;
    return sanitize(`${path}:${problem.place.line}:${problem.place.column}: ${problem.message}.${remedy}`);
  });
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return new AetherError(first.code, `the key file ${path} has ${count}`, {
    why: `line ${line}, column ${column}: ${sanitize(first.message)}`,
    hint: first.hint ?? "docs/keys.md says what may stand there.",
    data: { file: path, line, column, problems: lines },
  });
}
