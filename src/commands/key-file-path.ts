/** Where the key file is, apart from what reads it: most have none, and reading YAML takes its time to load. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the key file is looked for. */
export function keyFilePath(env: Environment): string {
  const named = env["AETHER_KEYS"];
  if (named !== undefined && named !== "") return named;
  const base = env["XDG_CONFIG_HOME"];
  return join(base === undefined || base === "" ? join(homedir(), ".config") : base, "aether", "keys.yaml");
}

/** Whether there is a file to read. One that was named must be there: reading it says so. */
export function hasKeyFile(env: Environment): boolean {
  return env["AETHER_KEYS"] !== undefined || existsSync(keyFilePath(env));
}
