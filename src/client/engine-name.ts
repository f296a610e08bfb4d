/** Which engine a verb means. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { AetherError } from "../protocol/errors.ts";
import { idPattern, maxEngineNameLength } from "../protocol/paths.ts";

export const defaultConfigFile = "aether.yaml";
export const defaultEngineName = "default";

export interface EngineChoice {
  /** `--engine NAME`. */
  readonly engine: string | undefined;
  /** `-c FILE`. */
  readonly config: string | undefined;
  readonly cwd?: string;
}

/** The configuration file that is meant: `-c FILE`, else ./aether.yaml where it exists, else `null`. Absolute. */
export function chooseConfigFile(choice: EngineChoice): string | null {
  const cwd = choice.cwd ?? process.cwd();
  if (choice.config !== undefined) return resolve(cwd, choice.config);
  const here = resolve(cwd, defaultConfigFile);
  return existsSync(here) ? here : null;
}

/** `--engine NAME`, else the name in the configuration file that is meant, else "default". */
export async function chooseEngineName(choice: EngineChoice): Promise<string> {
  if (choice.engine !== undefined) return checkName(choice.engine);
  const file = chooseConfigFile(choice);
  if (file === null) return defaultEngineName;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (choice.config === undefined) return defaultEngineName;
    const why = error instanceof Error ? error.message : String(error);
    throw new AetherError("AE_CONFIG_UNREADABLE", `cannot read ${file}`, {
      why,
      hint: "Name another file with -c.",
      data: { file },
    });
  }
  return (await nameInFile(text)) ?? defaultEngineName;
}

/** Only the name is of interest: whatever else is wrong in the file must not keep `aether ps` from its engine. */
async function nameInFile(text: string): Promise<string | null> {
  if (!/^\s*["']?name["']?\s*:|[{,]\s*["']?name["']?\s*:/m.test(text)) return null;
  const { parseDocument } = await import("yaml");
  try {
    const name: unknown = parseDocument(text, { logLevel: "silent" }).getIn(["engine", "name"]);
    return typeof name === "string" && isEngineName(name) ? name : null;
  } catch {
    return null; // not a mapping where one is expected: `aether validate` tells
  }
}

function isEngineName(name: string): boolean {
  return name.length <= maxEngineNameLength && idPattern.test(name);
}

function checkName(name: string): string {
  if (isEngineName(name)) return name;
  throw new AetherError("AE_USAGE", `${JSON.stringify(name.slice(0, 80))} cannot be the name of an engine`, {
    why: `a name has letters, digits, - and _, at most ${maxEngineNameLength}`,
  });
}
