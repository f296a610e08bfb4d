/** Issues of zod -> findings: codes, plain words, and what a misspelt key was meant to be. */
import type { z } from "zod";
import type { ErrorCode } from "../../protocol/error-codes.ts";
import { finding, printableName } from "./finding.ts";
import type { ConfigPath, Finding } from "./finding.ts";
import { engineSchema, fileSchema, functionSchema, idleSchema, stopSignals, warmupSchema } from "./schema.ts";
import { nearest } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

/** Where each key belongs, for a key that stands at the wrong level. */
const places: readonly { readonly prefix: string; readonly keys: readonly string[] }[] = [
  { prefix: "", keys: Object.keys(fileSchema.shape) },
  { prefix: "engine.", keys: Object.keys(engineSchema.shape) },
  { prefix: "functions[].", keys: Object.keys(functionSchema.shape) },
  { prefix: "functions[].idle.", keys: Object.keys(idleSchema.shape) },
  { prefix: "functions[].warmup[].", keys: Object.keys(warmupSchema.shape) },
];

/** A mapping with more unknown keys than this is something else, not misspelt. */
const maxKeys = 100;

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
  path.map((part) => (typeof part === "number" ? "[]" : part)).join(".").replaceAll(".[]", "[]") + (path.length === 0 ? "" : ".");

function unknownKey(path: ConfigPath, key: string): Finding {
  const here = prefixOf(path);
  const allowed = places.find((place) => place.prefix === here)?.keys ?? ["http"];
  const synonym = synonyms[key.toLowerCase()];
  const elsewhere = places.find((place) => place.prefix !== here && place.keys.includes(key));
  const meant = synonym !== undefined && allowed.includes(synonym) ? synonym : elsewhere === undefined ? nearest(key, allowed) : null;
  const hint =
    meant !== null
      ? `Did you mean ${meant}?`
      : elsewhere !== undefined
        ? `It belongs at ${elsewhere.prefix}${key}.`
        : `Known here: ${allowed.join(", ")}.`;
  return { code: "AE_CONFIG_UNKNOWN_FIELD", path: [...path, key], atKey: true, message: `unknown key "${printableName(key)}"`, hint };
}

/** The code that a wrong value of a field has. */
function codeOf(path: ConfigPath): ErrorCode {
  const field = path.at(-1);
  if (field === "trigger_port") return "AE_CONFIG_INVALID_PORT";
  if (path.length === 3 && field === "id") return "AE_CONFIG_INVALID_ID";
  if (path.length === 2 && path[0] === "engine" && field === "name") return "AE_CONFIG_INVALID_ID";
  return "AE_CONFIG_INVALID_VALUE";
}

function valueAt(data: unknown, path: ConfigPath): unknown {
  let value = data;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

const words: Readonly<Record<string, readonly string[]>> = {
  ready: ["handshake", "port"],
  sleep: ["keep", "golden"],
  start: ["snapshot", "running", "lazy"],
  connections: ["refuse", "close", "keep"],
  on_violation: ["fail", "serve"],
  on_restore_failure: ["fail", "cold"],
  log_level: ["error", "warn", "info", "debug"],
  suspend_after: ["never"],
  snapshot_after: ["never"],
  stop_signal: stopSignals,
};

/** A hint for a wrong value, where the slip is a known one. */
function valueHint(path: ConfigPath, value: unknown): string | null {
  const field = String(path.at(-1) ?? "");
  if (typeof value === "number" && /_(after|timeout)$/.test(field)) return `Write a unit: ${value}s or ${value}ms.`;
  if (typeof value === "string" && /^\d+$/.test(value) && (field === "trigger_port" || field === "version")) return "Write it without quotes.";
  if (typeof value === "string" && /^\d+(\.\d+)?\s*ms$/.test(value) && field === "restore_budget_ms") return `Write ${Number.parseFloat(value)}.`;
  if (typeof value === "string" && field === "memory_limit" && /^\d+\s*[kmgt]i?$/i.test(value)) {
    return `Write ${value.replace(/\s*([kmgt])i?$/i, (_, unit: string) => `${unit.toUpperCase()}iB`)}.`;
  }
  if (typeof value === "object" && value !== null && field === "functions" && !Array.isArray(value)) return "Begin each function with \"- id: NAME\".";
  const known = words[field];
  if (typeof value !== "string" || known === undefined) return null;
  const meant = field === "stop_signal" && known.includes(`SIG${value.toUpperCase()}`) ? `SIG${value.toUpperCase()}` : nearest(value, known);
  return meant === null ? null : `Did you mean ${meant}?`;
}

function oneIssue(issue: Issue, path: ConfigPath, data: unknown): Finding {
  const value = valueAt(data, path);
  const field = path.length === 0 ? "the file" : printableName(String(path.at(-1)));
  if (value === undefined) {
    const example = field === "version" ? "Add the line: version: 1" : null;
    return finding("AE_CONFIG_MISSING_FIELD", path, `${field} is missing`, example);
  }
  if (value === null) return finding("AE_CONFIG_INVALID_VALUE", path, `${field} has no value`, "Give it one, or remove the line.");
  if (issue.code === "invalid_key") return { ...finding("AE_CONFIG_INVALID_VALUE", path, `this name ${issue.issues[0]?.message ?? "is not allowed"}`), atKey: true };
  return finding(codeOf(path), path, `${typeof path.at(-1) === "number" ? "this entry" : field} ${issue.message}`, valueHint(path, value));
}

/** Every issue of the schema as findings. `data` is what was validated. */
export function findingsOfIssues(issues: readonly Issue[], data: unknown): Finding[] {
  return issues.flatMap((issue) => {
    const path = issue.path.filter((part) => typeof part !== "symbol");
    if (issue.code === "unrecognized_keys") return issue.keys.slice(0, maxKeys).map((key) => unknownKey(path, key));
    // A union reports one issue for all of its branches; inside a branch that fits in kind lies the real slip.
    if (issue.code === "invalid_union") {
      const value = valueAt(data, path);
      const inner = typeof value === "object" && value !== null ? issue.errors.find((branch) => branch.every((one) => one.path.length > 0 || one.code === "unrecognized_keys")) : undefined;
      if (inner !== undefined && inner.length > 0) {
        return findingsOfIssues(inner.map((one) => ({ ...one, path: [...issue.path, ...one.path] })), data);
      }
    }
    return [oneIssue(issue, path, data)];
  });
}
