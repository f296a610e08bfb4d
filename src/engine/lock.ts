/**
 * One engine of a name at a time: `engine.json` in its runtime folder, made with O_EXCL semantics. The lock of an engine
 * that is gone is taken over; pid and start time together tell a dead engine from a process that got its pid.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { parseEngineRecord } from "../protocol/engine-record.ts";
import type { EngineRecord } from "../protocol/engine-record.ts";
import { AetherError } from "../protocol/errors.ts";
import { enginePaths, runtimeRoot } from "../protocol/paths.ts";
import { processStartTicks } from "../protocol/process-start.ts";

export interface EngineLock {
  readonly record: EngineRecord;
  /** The engine that left its lock behind, if one did: its remains are to be cleaned. */
  readonly previous: EngineRecord | null;
  /** For a deploy of another file. */
  setConfigFile(configFile: string | null): void;
  /** Gives the name free. Only a lock that is still ours is removed. */
  release(): void;
  [Symbol.dispose](): void;
}

export type LockResult =
  | { readonly ok: true; readonly lock: EngineLock }
  | { readonly ok: false; readonly error: AetherError };

export interface LockRequest {
  readonly name: string;
  readonly version: string;
  readonly configFile: string | null;
  readonly startedAtMs: number;
}

/** Takes the lock of the engine `name`, or says who holds it. Makes the runtime folder, 0700. */
export function acquireEngineLock(request: LockRequest): LockResult {
  const { runtimeDir, lockFile } = enginePaths(request.name);
  const startTicks = processStartTicks(process.pid);
  if (startTicks === null)
    throw new AetherError("AE_INTERNAL", "cannot read /proc/self/stat: is /proc mounted?");
  const record: EngineRecord = { ...request, pid: process.pid, startTicks };
  let previous: EngineRecord | null = null;
  for (let attempt = 0; attempt < 10; attempt += 1) {
    // Each time: an engine that leaves removes its folders, up to the common one when that is empty.
    if (!makeFolder(runtimeDir)) continue;
    if (place(record, lockFile)) return { ok: true, lock: makeLock(record, previous, lockFile) };
    const text = readText(lockFile);
    if (text === null) continue; // released between the two calls
    const holder = parseEngineRecord(text);
    if (holder !== null && isAlive(holder)) return { ok: false, error: alreadyRunning(holder) };
    if (removeStale(text, record, lockFile)) previous = holder ?? previous;
  }
  return {
    ok: false,
    error: new AetherError(
      "AE_ENGINE_RUNNING",
      `engine ${request.name}: other engines of this name are starting at the same time`,
    ),
  };
}

/** False when a folder above it was removed in the same moment. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Creates the lock with its whole content in one step, so that no reader sees half of it; false where there is one. */
function place(record: EngineRecord, file: string): boolean {
  const draft = `${file}.${record.pid}.${record.startTicks}`;
  try {
    writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    linkSync(draft, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENOENT: an engine of this name that leaves has removed the folder meanwhile.
    if (code === "EEXIST" || code === "ENOENT") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Removes the lock of a dead engine. Of two engines that found it at the same time only one may: the second would remove
 * the lock that the first has made since. So a claim comes first, and under it the lock is read again.
 */
function removeStale(staleText: string, record: EngineRecord, file: string): boolean {
  const claim = `${file}.claim`;
  if (!place(record, claim)) {
    const holder = parseEngineRecord(readText(claim) ?? "");
    // A claim lasts microseconds; one without a living owner was left by a crash in just these.
    if (holder === null || !isAlive(holder)) rmSync(claim, { force: true });
    return false;
  }
  try {
    if (readText(file) !== staleText) return false;
    rmSync(file, { force: true });
    return true;
  } finally {
    rmSync(claim, { force: true });
  }
}

function makeLock(first: EngineRecord, previous: EngineRecord | null, file: string): EngineLock {
  let record = first;
  const isOurs = (): boolean => {
    const found = parseEngineRecord(readText(file) ?? "");
    return found !== null && found.pid === record.pid && found.startTicks === record.startTicks;
  };
  const release = (): void => {
    if (isOurs()) rmSync(file, { force: true });
  };
  return {
    get record() {
      return record;
    },
    previous,
    setConfigFile(configFile) {
      if (!isOurs()) return;
      record = { ...record, configFile };
      const draft = `${file}.${record.pid}.${record.startTicks}`;
      writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
      renameSync(draft, file);
    },
    release,
    [Symbol.dispose]: release,
  };
}

function isAlive(record: EngineRecord): boolean {
  return processStartTicks(record.pid) === record.startTicks;
}

/** Whether an engine of another name is alive on this machine. */
export function otherEnginesRunning(name: string): boolean {
  const root = runtimeRoot();
  if (!existsSync(root)) return false;
  return readdirSync(root).some((entry) => entry !== name && runningEngine(entry) !== null);
}

/** The living engine of this name, `null` where there is none. */
export function runningEngine(name: string): EngineRecord | null {
  const record = parseEngineRecord(readText(enginePaths(name).lockFile) ?? "");
  return record !== null && isAlive(record) ? record : null;
}

export function alreadyRunning(holder: EngineRecord): AetherError {
  return new AetherError("AE_ENGINE_RUNNING", `engine ${holder.name} is already running`, {
    why: `process ${holder.pid} has held the name since ${new Date(holder.startedAtMs).toISOString()}`,
    hint: `Attach to it with \`aether --engine ${holder.name}\`, end it with \`aether --engine ${holder.name} down\`, or give this engine another name.`,
    data: {
      name: holder.name,
      pid: holder.pid,
      startedAt: new Date(holder.startedAtMs).toISOString(),
      configFile: holder.configFile,
    },
  });
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENOTDIR: an entry of the runtime folder that is no engine's.
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}
