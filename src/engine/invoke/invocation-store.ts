/** The invocations of an engine, kept on disk: bounded, and whole after a crash (SQLite, write-ahead log). */
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import { AetherError } from "../../protocol/errors.ts";
import { invocationStatuses } from "../../protocol/invocations.ts";
import type { InvocationRecord } from "../../protocol/invocations.ts";
import type { WakeTier } from "../../protocol/states.ts";

/** The oldest beyond these are removed. */
const maxRecords = 10_000;
/** How many inserts go by between two removals. */
const pruneEvery = 256;

const layout = `
  CREATE TABLE IF NOT EXISTS invocations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    function TEXT NOT NULL,
    started_ms REAL NOT NULL,
    duration_ms REAL,
    tier TEXT,
    via TEXT,
    status TEXT NOT NULL,
    error_code TEXT,
    error_message TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS of_function ON invocations (function, number);
`;

/** What is known of an invocation at its end. */
export type InvocationEnd = Pick<InvocationRecord, "durationMs" | "tier" | "via" | "error"> & {
  readonly status: "ok" | "error";
};

export class InvocationStore implements Disposable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #prune: StatementSync;
  readonly #all: StatementSync;
  readonly #ofFunction: StatementSync;
  readonly #byId: StatementSync;
  #inserts = 0;

  /** Opens or makes the file, 0600. What was running when an engine was killed is `lost`. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      this.#database = new DatabaseSync(path, { timeout: 2_000 });
      chmodSync(path, 0o600);
      // After a power cut the last records may be missing, never wrong (sqlite.org/pragma.html#pragma_synchronous).
      this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
      this.#database.exec(layout);
      this.#database.exec("UPDATE invocations SET status = 'lost' WHERE status = 'running'");
    } catch (error) {
      throw new AetherError("AE_STORE_FAILED", "the record of invocations cannot be opened", {
        why: error instanceof Error ? error.message : String(error),
        hint: `Move ${path} away; a new one is made then.`,
        data: { path },
        cause: error,
      });
    }
    this.#insert = this.#database.prepare(
      "INSERT INTO invocations (id, function, started_ms, status) VALUES (?, ?, ?, 'running')",
    );
    this.#update = this.#database.prepare(
      "UPDATE invocations SET duration_ms = ?, tier = ?, via = ?, status = ?, error_code = ?, error_message = ? WHERE id = ?",
    );
    this.#prune = this.#database.prepare(
      "DELETE FROM invocations WHERE number <= (SELECT MAX(number) FROM invocations) - ?",
    );
    this.#all = this.#database.prepare("SELECT * FROM invocations ORDER BY number DESC LIMIT ?");
    this.#ofFunction = this.#database.prepare(
      "SELECT * FROM invocations WHERE function = ? ORDER BY number DESC LIMIT ?",
    );
    this.#byId = this.#database.prepare("SELECT * FROM invocations WHERE id = ?");
  }

  begin(id: string, functionId: string, startedAtMs: number): void {
    this.#insert.run(id, functionId, startedAtMs);
    this.#inserts += 1;
    if (this.#inserts % pruneEvery === 0) this.#prune.run(maxRecords);
  }

  end(id: string, end: InvocationEnd): void {
    const { durationMs, tier, via, status, error } = end;
    this.#update.run(durationMs, tier, via, status, error?.code ?? null, error?.message ?? null, id);
  }

  /** The last records of a function, of all for `null`; oldest first. */
  tail(functionId: string | null, count: number): InvocationRecord[] {
    const rows = functionId === null ? this.#all.all(count) : this.#ofFunction.all(functionId, count);
    return rows.map(recordOf).toReversed();
  }

  /** One record; `null` when there is none (any more). */
  find(id: string): InvocationRecord | null {
    const row = this.#byId.get(id);
    return row === undefined ? null : recordOf(row);
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/** Rows are ours, but the file lies on a disk: what it holds is looked at. */
function recordOf(row: Record<string, unknown>): InvocationRecord {
  const text = (name: string): string | null => {
    const value = row[name];
    return typeof value === "string" ? value : null;
  };
  const number = (name: string): number | null => {
    const value = row[name];
    return typeof value === "number" ? value : null;
  };
  const tiers: readonly WakeTier[] = ["suspended", "snapshot", "cold"];
  const code = text("error_code");
  return {
    id: text("id") ?? "",
    functionId: text("function") ?? "",
    startedAtMs: number("started_ms") ?? 0,
    durationMs: number("duration_ms"),
    tier: tiers.find((tier) => tier === row["tier"]) ?? null,
    via: row["via"] === "ring" ? "ring" : row["via"] === "http" ? "http" : null,
    status: invocationStatuses.find((status) => status === row["status"]) ?? "lost",
    error:
      code === null
        ? null
        : {
            code: code as NonNullable<InvocationRecord["error"]>["code"],
            message: text("error_message") ?? "",
          },
  };
}
