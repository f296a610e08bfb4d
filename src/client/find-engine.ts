/** Which engines run on this machine. */
import { readFileSync, readdirSync } from "node:fs";
import { parseEngineRecord } from "../protocol/engine-record.ts";
import type { EngineRecord } from "../protocol/engine-record.ts";
import { enginePaths, runtimeRoot } from "../protocol/paths.ts";
import { processStartTicks } from "../protocol/process-start.ts";

/** The running engine of that name; a lock that a dead engine left does not count. */
export function findEngine(name: string): EngineRecord | null {
  const record = parseEngineRecord(readText(enginePaths(name).lockFile) ?? "");
  return record !== null && isAlive(record) ? record : null;
}

/** All running engines, by name. */
export function listEngines(): readonly EngineRecord[] {
  let names: string[];
  try {
    names = readdirSync(runtimeRoot());
  } catch {
    return []; // no folder: no engine has ever run since boot
  }
  return names
    .map(findEngine)
    .filter((record) => record !== null)
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** By pid and start time, so that a process that got the pid of a dead engine is not mistaken for it. */
function isAlive(record: EngineRecord): boolean {
  return processStartTicks(record.pid) === record.startTicks;
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null; // missing or not ours to read: no engine that this user could reach
  }
}
