/** The configuration file as consoles may see it: what may be secret is masked. */
import type { ConfigSource } from "../../protocol/config-change.ts";
import { parseYaml } from "./parse-yaml.ts";
import { readConfigFile } from "./read-file.ts";
import { redactSource } from "./redact.ts";

/** Reads it as it is now, whether it is in force or not. Never throws for what the file is. */
export function configSource(file: string | null): ConfigSource {
  if (file === null) return { file, text: null, why: "this engine was started by `aether run`" };
  const read = readConfigFile(file);
  if (!read.ok) return { file, text: null, why: read.message };
  return { file, text: redactSource(read.text, parseYaml(read.text)), why: null };
}
