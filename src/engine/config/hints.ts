/** What a misspelt key or a wrong value was probably meant to be. */
import type { ConfigPath } from "./finding.ts";
import { levels } from "./schema/levels.ts";
import { stopSignals } from "./schema/stop.ts";
import { nearest } from "./suggest.ts";

/** What other tools call our fields. */
const synonyms: Readonly<Record<string, string>> = {
  name: "id",
  cmd: "command",
  exec: "command",
  entrypoint: "command",
  port: "trigger_port",
  environment: "env",
  dir: "cwd",
  workdir: "cwd",
  working_dir: "cwd",
  memory: "memory_limit",
  mem_limit: "memory_limit",
  readiness: "ready",
  health_check: "ready",
  healthcheck: "ready",
  services: "functions",
  function: "functions",
  budget: "restore_budget_ms",
  restore_budget: "restore_budget_ms",
};

const prefixOf = (path: ConfigPath): string =>
  path
    .map((part) => (typeof part === "number" ? "[]" : part))
    .join(".")
    .replaceAll(".[]", "[]") + (path.length === 0 ? "" : ".");

/** The hint for a key that the mapping at `path` does not know. */
export function keyHint(path: ConfigPath, key: string): string {
  const here = prefixOf(path);
  const allowed = levels.find((level) => level.prefix === here)?.keys ?? [];
  const synonym = synonyms[key.toLowerCase()];
  const elsewhere = levels.find((level) => level.prefix !== here && level.keys.includes(key));
  const meant =
    synonym !== undefined && allowed.includes(synonym)
      ? synonym
      : elsewhere === undefined
        ? nearest(key, allowed)
        : null;
  if (meant !== null) return `Did you mean ${meant}?`;
  if (elsewhere !== undefined) return `It belongs at ${elsewhere.prefix}${key}.`;
  return `Known here: ${allowed.join(", ")}.`;
}

const words: Readonly<Record<string, readonly string[]>> = {
  ready: ["handshake", "port"],
  sleep: ["keep", "golden"],
  start: ["snapshot", "running", "lazy"],
  connections: ["refuse", "close", "keep"],
  on_violation: ["fail", "serve"],
  on_restore_failure: ["fail", "cold"],
  image: ["auto", "mapped", "stock"],
  metrics: ["off"],
  protocol: ["tcp", "udp"],
  wake_on: ["connection", "syn", "data"],
  mode: ["auto", "native", "generic"],
  data_plane: ["off"],
  log_level: ["error", "warn", "info", "debug"],
  suspend_after: ["never"],
  snapshot_after: ["never"],
  stop_signal: stopSignals,
};

/** A hint for a wrong value, where the slip is a known one. */
export function valueHint(path: ConfigPath, value: unknown): string | null {
  const field = String(path.at(-1) ?? "");
  if (typeof value === "number" && /_(after|timeout)$/.test(field))
    return `Write a unit: ${value}s or ${value}ms.`;
  if (typeof value === "string" && /^\d+$/.test(value) && (field === "trigger_port" || field === "version"))
    return "Write it without quotes.";
  if (typeof value === "string" && /^\d+(\.\d+)?\s*ms$/.test(value) && field === "restore_budget_ms")
    return `Write ${Number.parseFloat(value)}.`;
  if (typeof value === "string" && field === "memory_limit" && /^\d+\s*[kmgt]i?$/i.test(value)) {
    return `Write ${value.replace(/\s*([kmgt])i?$/i, (_, unit: string) => `${unit.toUpperCase()}iB`)}.`;
  }
  if (typeof value === "object" && value !== null && field === "functions" && !Array.isArray(value))
    return 'Begin each function with "- id: NAME".';
  const known = words[field];
  if (typeof value !== "string" || known === undefined) return null;
  const meant =
    field === "stop_signal" && known.includes(`SIG${value.toUpperCase()}`)
      ? `SIG${value.toUpperCase()}`
      : nearest(value, known);
  return meant === null ? null : `Did you mean ${meant}?`;
}
