/** Issues of zod -> findings: codes, plain words, and what a misspelt key was meant to be. */
import type { z } from "zod";
import type { ErrorCode } from "../../protocol/error-codes.ts";
import { finding, printableName } from "./finding.ts";
import type { ConfigPath, Finding } from "./finding.ts";
import { keyHint, valueHint } from "./hints.ts";

type Issue = z.core.$ZodIssue;

/** A mapping with more unknown keys than this is something else, not misspelt. */
const maxKeys = 100;

function unknownKey(path: ConfigPath, key: string): Finding {
  const message = `unknown key "${printableName(key)}"`;
  return {
    code: "AE_CONFIG_UNKNOWN_FIELD",
    path: [...path, key],
    atKey: true,
    message,
    hint: keyHint(path, key),
  };
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

function oneIssue(issue: Issue, path: ConfigPath, data: unknown): Finding {
  const value = valueAt(data, path);
  const field = path.length === 0 ? "the file" : printableName(String(path.at(-1)));
  if (value === undefined) {
    const example = field === "version" ? "Add the line: version: 1" : null;
    return finding("AE_CONFIG_MISSING_FIELD", path, `${field} is missing`, example);
  }
  if (value === null)
    return finding(
      "AE_CONFIG_INVALID_VALUE",
      path,
      `${field} has no value`,
      "Give it one, or remove the line.",
    );
  if (issue.code === "invalid_key")
    return {
      ...finding(
        "AE_CONFIG_INVALID_VALUE",
        path,
        `this name ${issue.issues[0]?.message ?? "is not allowed"}`,
      ),
      atKey: true,
    };
  return finding(
    codeOf(path),
    path,
    `${typeof path.at(-1) === "number" ? "this entry" : field} ${issue.message}`,
    valueHint(path, value),
  );
}

/** Every issue of the schema as findings. `data` is what was validated. */
export function findingsOfIssues(issues: readonly Issue[], data: unknown): Finding[] {
  return issues.flatMap((issue) => {
    const path = issue.path.filter((part) => typeof part !== "symbol");
    if (issue.code === "unrecognized_keys")
      return issue.keys.slice(0, maxKeys).map((key) => unknownKey(path, key));
    // A union reports one issue for all of its branches; inside a branch that fits in kind lies the real slip.
    if (issue.code === "invalid_union") {
      const value = valueAt(data, path);
      const inner =
        typeof value === "object" && value !== null
          ? issue.errors.find((branch) =>
              branch.every((one) => one.path.length > 0 || one.code === "unrecognized_keys"),
            )
          : undefined;
      if (inner !== undefined && inner.length > 0) {
        return findingsOfIssues(
          inner.map((one) => ({ ...one, path: [...issue.path, ...one.path] })),
          data,
        );
      }
    }
    return [oneIssue(issue, path, data)];
  });
}
