/** Plain data of a file -> AetherConfig, or every finding at once. */
import { resolve } from "node:path";
import type { AetherConfig, FunctionConfig } from "../../protocol/config.ts";
import { checkDraft } from "./checks.ts";
import type { LineOf } from "./checks.ts";
import { draftOf } from "./draft.ts";
import type { Finding } from "./finding.ts";
import { findingsOfIssues } from "./issues.ts";
import { checkMemory, checkPortsFree, checkReclaim, checkSnapshotDir } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { lookUp, toFunctionConfig } from "./resolve.ts";
import { fileSchema } from "./schema/file.ts";

export interface BuildContext {
  /** Absolute path of the file; `null` where there is none. */
  readonly file: string | null;
  /** Where relative paths begin. */
  readonly baseDir: string;
  readonly machine: Machine;
  /** Ports the engine itself holds; `null`: do not look at ports. */
  readonly ownPorts: ReadonlySet<number> | null;
  readonly lineOf: LineOf;
}

export type BuildResult =
  | { readonly ok: true; readonly config: AetherConfig }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** Validates `data`, looks everything up, and goes on after a problem so that all are found. */
export function buildConfig(data: unknown, context: BuildContext): BuildResult {
  const parsed = fileSchema.safeParse(data);
  const draft = draftOf(data);
  const findings: Finding[] = parsed.success ? [] : findingsOfIssues(parsed.error.issues, data);
  findings.push(
    ...checkDraft(draft, context.lineOf),
    ...checkMemory(draft, context.machine),
    ...checkReclaim(draft, context.machine),
  );
  const snapshotDir =
    draft.engine.snapshot_dir === undefined ? null : resolve(context.baseDir, draft.engine.snapshot_dir);
  if (snapshotDir !== null)
    findings.push(...checkSnapshotDir(snapshotDir, hasSnapshotDir(data), context.machine));
  if (context.ownPorts !== null) findings.push(...checkPortsFree(draft, context.ownPorts));
  const lookUps = draft.functions.map((entry) =>
    lookUp(entry, context.baseDir, context.machine, (found) => findings.push(found)),
  );
  if (findings.length > 0 || !parsed.success || snapshotDir === null) return { ok: false, findings };

  const { engine } = parsed.data;
  const functions = parsed.data.functions.flatMap((input, index): FunctionConfig[] => {
    const found = lookUps[index];
    if (found === undefined || found.command === null || found.program === null || found.cwd === null)
      return [];
    return [
      toFunctionConfig(input, engine, {
        ...found,
        command: found.command,
        program: found.program,
        cwd: found.cwd,
      }),
    ];
  });
  return {
    ok: true,
    config: {
      file: context.file,
      engine: {
        name: engine.name,
        snapshotDir,
        keepSnapshots: engine.keep_snapshots,
        restoreBudgetMs: engine.restore_budget_ms,
        onViolation: engine.on_violation,
        logLevel: engine.log_level,
        dataPlane: engine.data_plane === "off" ? null : engine.data_plane,
        privateRange: engine.private_range ?? null,
        maxParallelRestores: engine.max_parallel_restores ?? Math.min(256, context.machine.cores),
        warmPool: engine.warm_pool ?? null,
        breakpoints: engine.breakpoints,
        memoryBudgetBytes: engine.memory_budget ?? null,
        metrics: engine.metrics === "off" ? null : engine.metrics.listen,
      },
      functions,
    },
  };
}

function hasSnapshotDir(data: unknown): boolean {
  const engine = (data as { engine?: unknown } | null)?.engine;
  return typeof engine === "object" && engine !== null && Object.hasOwn(engine, "snapshot_dir");
}
