import type { ErrorCode } from "../../protocol/error-codes.ts";

/** Keys and indexes from the top of the file to a field. */
export type ConfigPath = readonly (string | number)[];

/** A problem before its place in the file is known; `load.ts` turns it into a ConfigProblem. */
export interface Finding {
  readonly code: ErrorCode;
  readonly path: ConfigPath;
  /** Whether the key itself is wrong rather than its value. */
  readonly atKey: boolean;
  /** What is wrong, without the path. */
  readonly message: string;
  readonly hint: string | null;
}

/** A finding about the value at `path`. */
export function finding(
  code: ErrorCode,
  path: ConfigPath,
  message: string,
  hint: string | null = null,
): Finding {
  return { code, path, atKey: false, message, hint };
}

/** `functions[2].idle.suspend_after`; the empty path is the file. */
export function formatPath(path: ConfigPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}

/** The beginning of a variable's or header's name as far as it looks like one: `TOKEN` of `TOKEN=value`. */
export function plainName(name: string): string {
  return /^["']?[\w.-]{0,64}["']?/.exec(name)?.[0] ?? "";
}

/** A name as it may be printed: what does not look like a name may be a value in a name's place, and is cut. */
export function printableName(name: string): string {
  const plain = plainName(name);
  return plain === name ? name : `${plain}...`;
}

/** The path as it may be printed. */
export function printablePath(path: ConfigPath): ConfigPath {
  return path.map((part) => (typeof part === "number" ? part : printableName(part)));
}

/** Whether the value at `path` may be secret: an env value, a header or a body of a warm-up request. */
export function isSecretPath(path: ConfigPath): boolean {
  if (path[0] !== "functions") return false;
  if (path[2] === "env") return true;
  return path[2] === "warmup" && (path[4] === "headers" || path[4] === "body");
}
