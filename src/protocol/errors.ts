/** The one error class, and the plain data by which it crosses threads, sockets and `--json`. */
import { errorCodes } from "./error-codes.ts";
import type { ErrorCode, ErrorFamily, ErrorKind } from "./error-codes.ts";

const brand = Symbol.for("aether.error");

/** Values that survive structured clone and JSON alike. */
export type ErrorDatum = string | number | boolean | null | readonly string[];

/** An error as data: what failed on what, why, what to do. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly family: ErrorFamily;
  readonly kind: ErrorKind;
  /** What failed, on what. */
  readonly what: string;
  /** Why, where it is known. */
  readonly why: string | null;
  /** What to do about it. */
  readonly hint: string | null;
  /** The facts, by name: function, path, line, actualMs, limitMs, from, to, log ... */
  readonly data: Readonly<Record<string, ErrorDatum>>;
  /** Only for kind "system". */
  readonly stack: string | null;
}

export interface ErrorDetails {
  readonly why?: string;
  readonly hint?: string;
  readonly data?: Readonly<Record<string, ErrorDatum>>;
  readonly cause?: unknown;
}

/** Everything Aether reports on purpose. `code` is stable; `name` is the family. */
export class AetherError extends Error {
  readonly [brand] = true;
  readonly code: ErrorCode;
  readonly what: string;
  readonly why: string | null;
  readonly hint: string | null;
  readonly data: Readonly<Record<string, ErrorDatum>>;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    super(details.why === undefined ? what : `${what}: ${details.why}`, { cause: details.cause });
    this.name = errorCodes[code].family;
    this.code = code;
    this.what = what;
    this.why = details.why ?? null;
    this.hint = details.hint ?? null;
    this.data = details.data ?? {};
  }

  get family(): ErrorFamily {
    return errorCodes[this.code].family;
  }

  get kind(): ErrorKind {
    return errorCodes[this.code].kind;
  }

  toJSON(): ErrorData {
    return {
      code: this.code,
      family: this.family,
      kind: this.kind,
      what: this.what,
      why: this.why,
      hint: this.hint,
      data: this.data,
      stack: this.kind === "system" ? (this.stack ?? null) : null,
    };
  }

  /** Rebuilds an error from its data; the prototype does not survive a thread or a socket. */
  static from(data: ErrorData): AetherError {
    const error = new AetherError(data.code, data.what, {
      data: data.data,
      ...(data.why === null ? {} : { why: data.why }),
      ...(data.hint === null ? {} : { hint: data.hint }),
    });
    if (data.stack !== null) error.stack = data.stack;
    return error;
  }
}

/** Whether a value is an AetherError, of this copy of the module or another. */
export function isAetherError(value: unknown): value is AetherError {
  return typeof value === "object" && value !== null && (value as { [brand]?: unknown })[brand] === true;
}

/** Any thrown value as an AetherError; what is none of ours is a defect and says so. */
export function toAetherError(value: unknown, what = "Aether failed"): AetherError {
  if (isAetherError(value)) return value;
  const why = value instanceof Error ? value.message : String(value);
  const error = new AetherError("AE_INTERNAL", what, {
    why,
    hint: "This is a defect in Aether; please report it with the text above.",
    cause: value,
  });
  if (value instanceof Error && value.stack !== undefined) error.stack = value.stack;
  return error;
}

/** For the end of an exhaustive switch: the compiler refuses it while a case is missing. */
export function assertNever(value: never): never {
  throw new AetherError("AE_INTERNAL", `unexpected value ${JSON.stringify(value)}`);
}
