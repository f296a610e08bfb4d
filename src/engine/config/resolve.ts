/** A function of the file -> the function as the engine runs it: program, folder and user looked up. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type {
  FunctionConfig,
  HandlerConfig,
  IdleConfig,
  ReadyRule,
  UserConfig,
} from "../../protocol/config.ts";
import { checkFolder } from "./access.ts";
import { findProgram, splitCommand } from "./command.ts";
import type { FunctionDraft } from "./draft.ts";
import { finding } from "./finding.ts";
import { entryFiles, handlerCommand } from "./handler.ts";
import type { Finding } from "./finding.ts";
import type { Machine } from "./machine.ts";
import type { EngineInput } from "./schema/engine.ts";
import type { FunctionInput } from "./schema/function.ts";
import { nearest } from "./suggest.ts";
import { findUser } from "./users.ts";

/** Whether a function that leaves it to the engine can be restored ahead (checks.ts has the reasons). */
function canRestoreAhead({ protocol, connections }: FunctionInput): boolean {
  return protocol === "tcp" && connections !== "keep";
}

const defaultSuspendMs = 30_000;
const defaultSnapshotMs = 300_000;

/** What a look-up on the machine found, as far as the fields are valid. */
export interface Resolved {
  readonly command: readonly string[] | null;
  readonly program: string | null;
  readonly cwd: string | null;
  readonly user: UserConfig | null;
}

/** The words of the command; reports what is wrong with it. */
function readCommand(entry: FunctionDraft, report: (found: Finding) => void): readonly string[] | null {
  const { command, handler } = entry.fields;
  if (handler !== undefined) return handlerCommand(handler.runtime, handler.entry);
  if (command === undefined) return null;
  const path = ["functions", entry.index, "command"];
  const refuse = (message: string, hint: string | null): null => {
    report(finding("AE_CONFIG_INVALID_VALUE", path, message, hint));
    return null;
  };
  let words: readonly string[] = [];
  if (typeof command === "string") {
    const split = splitCommand(command);
    if (!split.ok)
      return refuse(`command ${split.reason}`, "Quotes work as in a shell; a list of words needs none.");
    if (split.shellSyntax !== null) {
      return refuse(
        `command uses ${split.shellSyntax}, but no shell reads it`,
        `Write [sh, -c, "..."] for a shell, or put it in single quotes if it is meant literally.`,
      );
    }
    words = split.words;
  } else {
    words = command;
  }
  if (words.length === 0 || words[0] === "")
    return refuse("command is empty", "Name a program, such as python3 handler.py.");
  return words;
}

/** The file that holds a handler; reports when there is none. */
function checkEntry(entry: FunctionDraft, cwd: string, report: (found: Finding) => void): void {
  const { handler } = entry.fields;
  if (handler === undefined) return;
  const files = entryFiles(handler.runtime, handler.entry);
  if (files.some((file) => existsSync(resolve(cwd, file)))) return;
  const path = ["functions", entry.index, "handler", "entry"];
  report(
    finding(
      "AE_CONFIG_PROGRAM_NOT_FOUND",
      path,
      `there is no ${files.join(" or ")} in ${cwd}`,
      "The entry is file and function, relative to cwd: app.handle is the function handle of the file app.",
    ),
  );
}

/** Looks up user, folder and program of a function; `report` is told what cannot be found. */
export function lookUp(
  entry: FunctionDraft,
  baseDir: string,
  machine: Machine,
  report: (found: Finding) => void,
): Resolved {
  const { fields, index, written } = entry;
  let user: UserConfig | null = null;
  let userValid = !written.has("user") || fields.user !== undefined;
  if (fields.user !== undefined) {
    const text = String(fields.user);
    const result = findUser(text, machine.users);
    if (result.ok) user = result.user;
    else {
      userValid = false;
      const meant = nearest(text.split(":")[0] ?? "", result.candidates);
      report(
        finding(
          "AE_CONFIG_UNKNOWN_USER",
          ["functions", index, "user"],
          `user "${text}" ${result.reason}`,
          meant === null ? null : `Did you mean ${meant}?`,
        ),
      );
    }
  }
  const identity = user ?? machine.self;
  const cwd = written.has("cwd") && fields.cwd === undefined ? null : resolve(baseDir, fields.cwd ?? ".");
  const folderProblem = cwd === null || !userValid ? null : checkFolder(cwd, identity);
  if (folderProblem !== null) {
    const path = ["functions", index, ...(written.has("cwd") ? ["cwd"] : [])];
    report(
      finding(
        "AE_CONFIG_FOLDER_NOT_FOUND",
        path,
        `working folder ${cwd} ${folderProblem}`,
        "A relative cwd begins at the file's folder.",
      ),
    );
  }
  const command = readCommand(entry, report);
  if (cwd !== null && folderProblem === null) checkEntry(entry, cwd, report);
  let program: string | null = null;
  if (command !== null && cwd !== null && userValid && folderProblem === null) {
    const path = fields.env?.["PATH"] ?? machine.path;
    const found = findProgram(command[0] ?? "", { cwd, path, identity });
    if (found.ok) program = found.program;
    else {
      const place =
        fields.handler === undefined
          ? ["functions", index, "command", ...(typeof fields.command === "string" ? [] : [0])]
          : ["functions", index, "handler", "runtime"];
      report(finding("AE_CONFIG_PROGRAM_NOT_FOUND", place, found.reason, programHint(command[0] ?? "")));
    }
  }
  return { command, program, cwd, user };
}

function programHint(name: string): string | null {
  if (name.startsWith("/")) return null;
  return name.includes("/")
    ? "A relative program begins at cwd."
    : "Install it, or give its path. PATH is that of the function's env, else the engine's.";
}

function readyRule(ready: FunctionInput["ready"]): ReadyRule {
  return typeof ready === "string" ? { kind: ready } : { kind: "http", path: ready.http };
}

function handlerConfig(handler: FunctionInput["handler"]): HandlerConfig | null {
  if (handler === undefined) return null;
  const { runtime, entry, timeout, body_limit: bodyLimitBytes, concurrency } = handler;
  return { runtime, entry, timeoutMs: timeout, bodyLimitBytes, concurrency };
}

/** Idle times with their defaults. A time that was left out never contradicts the one that was written. */
function idleConfig(idle: FunctionInput["idle"]): IdleConfig {
  const { suspend_after: suspend, snapshot_after: snapshot } = idle;
  return {
    suspendAfterMs:
      suspend !== undefined ? suspend : Math.min(defaultSuspendMs, snapshot ?? defaultSuspendMs),
    snapshotAfterMs: snapshot !== undefined ? snapshot : Math.max(defaultSnapshotMs, suspend ?? 0),
    ignoreOpen: idle.ignore_open,
    reclaim: idle.reclaim,
  };
}

/** The function as the engine runs it. Only for a function in which nothing was found wrong. */
export function toFunctionConfig(
  input: FunctionInput,
  engine: EngineInput,
  found: {
    readonly command: readonly string[];
    readonly program: string;
    readonly cwd: string;
    readonly user: UserConfig | null;
  },
): FunctionConfig {
  return {
    id: input.id,
    ...found,
    triggerPort: input.trigger_port ?? null,
    protocol: input.protocol,
    network: input.network,
    instances: input.instances,
    ready: readyRule(input.ready),
    readyTimeoutMs: input.ready_timeout,
    env: input.env,
    memoryLimitBytes: input.memory_limit ?? null,
    privileged: input.privileged,
    ring: input.ring || input.handler !== undefined,
    handler: handlerConfig(input.handler),
    sleep: input.sleep,
    start: input.start,
    idle: idleConfig(input.idle),
    connections: input.connections,
    wakeOn: input.wake_on,
    maxConnectionsPerSecond: input.max_connections_per_second ?? null,
    restoreBudgetMs: input.restore_budget_ms ?? engine.restore_budget_ms,
    onViolation: input.on_violation ?? engine.on_violation,
    onRestoreFailure: input.on_restore_failure,
    image: input.image,
    warmPool: input.warm_pool ?? null,
    restoreAhead: canRestoreAhead(input) ? (input.restore_ahead ?? engine.restore_ahead) : "never",
    warmup: input.warmup.map(({ ignore_headers: ignored, ...request }) => ({
      ...request,
      body: request.body ?? null,
      ignoreHeaders: ignored.map((name) => name.toLowerCase()),
    })),
    proveDeploy: input.prove_deploy,
    stopSignal: input.stop_signal,
    stopTimeoutMs: input.stop_timeout,
  };
}
