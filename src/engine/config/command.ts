/** Splits a command line into words without a shell, and finds its program. */
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { checkExecutable } from "./access.ts";
import type { Identity } from "./access.ts";

export type SplitResult =
  | {
      readonly ok: true;
      readonly words: readonly string[];
      /** The first thing that only a shell would act upon (`&&`, `|`, `$PORT`), outside quotes; `null` where there is none. */
      readonly shellSyntax: string | null;
    }
  | { readonly ok: false; readonly reason: string };

const operators = new Set(["&&", "||", "|", ";", "&", "<", ">", ">>", "<<", "2>&1", "2>", "&>", "|&"]);
const variable = /^\$(?:[A-Za-z_]\w*|\{[^}]*\}|\()/;

/**
 * Words as a POSIX shell would see them: blanks separate, '...' is literal, "..." keeps blanks and knows the escapes
 * \" \\ \$ \`, a backslash elsewhere takes the next character literally. Nothing is expanded.
 */
export function splitCommand(text: string): SplitResult {
  const words: string[] = [];
  let shellSyntax: string | null = null;
  let word = "";
  let inWord = false;
  let plain = true;
  const finish = (): void => {
    if (!inWord) return;
    if (plain && (operators.has(word) || word.endsWith(";"))) shellSyntax ??= word;
    words.push(word);
    word = "";
    inWord = false;
    plain = true;
  };
  let quote: "'" | '"' | null = null;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (quote === "'") {
      if (char === "'") quote = null;
      else word += char;
      continue;
    }
    if (char === "\\") {
      const next = text.charAt(i + 1);
      if (next === "") return { ok: false, reason: "ends in a backslash" };
      inWord = true;
      plain = false;
      i += 1;
      // A backslash before a line break joins the lines; in double quotes it is literal before most characters.
      if (next === "\n") continue;
      word += quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next;
      continue;
    }
    if (char === "$") shellSyntax ??= variable.exec(text.slice(i, i + 128))?.[0] ?? null;
    if (char === '"' || (char === "'" && quote === null)) {
      quote = quote === null ? char : null;
      inWord = true;
      plain = false;
      continue;
    }
    if (quote === null && /[ \t\r\n]/.test(char)) {
      finish();
      continue;
    }
    word += char;
    inWord = true;
  }
  if (quote !== null)
    return { ok: false, reason: `has an unbalanced ${quote === '"' ? "double" : "single"} quote` };
  finish();
  return { ok: true, words, shellSyntax };
}

export type ProgramResult =
  | { readonly ok: true; readonly program: string }
  | { readonly ok: false; readonly reason: string };

/** Where and as whom a program is looked up. */
export interface ProgramLookup {
  readonly cwd: string;
  /** The PATH to search: the function's own, else the engine's. */
  readonly path: string | undefined;
  /** Who must be able to execute it. */
  readonly identity: Identity;
}

/** The absolute path of the program as execvp would find it: a name through PATH, a path with a slash against cwd. */
export function findProgram(name: string, lookup: ProgramLookup): ProgramResult {
  if (name.includes("/")) {
    const program = isAbsolute(name) ? name : resolve(lookup.cwd, name);
    const problem = checkExecutable(program, lookup.identity);
    return problem === null ? { ok: true, program } : { ok: false, reason: `${program} ${problem}` };
  }
  // What execvp does: an entry that may not be executed is passed over, and told only when nothing else is found.
  let blocked: string | null = null;
  for (const entry of (lookup.path ?? "/usr/local/bin:/usr/bin:/bin").split(delimiter)) {
    const program = resolve(lookup.cwd, join(entry === "" ? "." : entry, name));
    const problem = checkExecutable(program, lookup.identity);
    if (problem === null) return { ok: true, program };
    if (problem !== "does not exist") blocked ??= `${program} ${problem}`;
  }
  return { ok: false, reason: blocked ?? `no program "${name}" in PATH` };
}
