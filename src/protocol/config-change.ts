/** One field that a reload changed. Values are texts; secret ones are not told. */
export interface FieldChange {
  /** `null`: of the engine. */
  readonly functionId: string | null;
  /** As in the file, `restore_budget_ms` or `idle.suspend_after_ms`. */
  readonly field: string;
  readonly from: string;
  readonly to: string;
  /** `at-once`: the running process keeps its life; `replaced`: it gave way to a new one; `next-start`: not in force yet. */
  readonly effect: "at-once" | "replaced" | "next-start";
}

/** GET /v1/config: the file as it is on disk now, everything secret masked. */
export interface ConfigSource {
  /** `null`: the engine runs without one. */
  readonly file: string | null;
  /** `null`: it cannot be read. */
  readonly text: string | null;
  /** Why it cannot be read. */
  readonly why: string | null;
}
