/** Other programs on the terminal: the user's editor and pager. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AetherError } from "../../protocol/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const firstOf = (env: Environment, names: readonly string[], otherwise: string): string =>
  names.map((name) => env[name]).find((value) => value !== undefined && value.trim() !== "") ?? otherwise;

/** As git and others choose it; may hold arguments. */
export const editorOf = (env: Environment): string => firstOf(env, ["VISUAL", "EDITOR"], "vi");
export const pagerOf = (env: Environment): string => firstOf(env, ["PAGER"], "less");

/**
 * Runs a command of the user's on a file, on the terminal that was lent. In the console's own process group: with another one
 * in the foreground, the read that Node has under way on the terminal would stop the console (SIGTTIN).
 * @throws AetherError AE_USAGE where there is no such program, or it failed
 */
export async function runOnTerminal(command: string, file: string): Promise<void> {
  const ended = Promise.withResolvers<number | null>();
  // A shell that C-c reaches dies of it when the program has ended in order; with a trap it does not, nor does the program inherit that.
  const child = spawn("/bin/sh", ["-c", `trap : INT; ${command} "$@"`, "aether", file], {
    stdio: "inherit",
  });
  child.once("error", ended.reject);
  child.once("exit", (code) => ended.resolve(code));
  const code = await ended.promise;
  if (code === 0) return;
  throw new AetherError("AE_USAGE", `${command} could not show ${file}`, {
    why:
      code === 127
        ? "there is no such program"
        : `it ended with ${code === null ? "a signal" : `code ${code}`}`,
    hint: "Set $EDITOR and $PAGER to programs that are there.",
  });
}

/** Has a text edited in a file of our own, 0600, and returns it. */
export async function editText(command: string, text: string, name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "aether-edit-"));
  try {
    const file = join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    await runOnTerminal(command, file);
    return await readFile(file, "utf8");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
