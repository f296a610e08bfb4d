/** Who listens on a port, in words: an engine by its name, another program by its own. */
import { readdirSync } from "node:fs";
import { runtimeRoot } from "../protocol/paths.ts";
import { describeOwner, listeningPorts, ownerOf } from "./config/ports.ts";
import { runningEngine } from "./lock.ts";

/** The name of the engine that a process runs; `null` for any other process. */
function engineOf(pid: number | null): string | null {
  if (pid === null) return null;
  try {
    return readdirSync(runtimeRoot()).find((name) => runningEngine(name)?.pid === pid) ?? null;
  } catch {
    return null; // no folder: no engine runs
  }
}

/** `engine shop (pid 123)`, `prometheus (pid 123)`, or words for a program that cannot be seen. */
export function describeListener(port: number): string {
  const owner = ownerOf(listeningPorts("tcp").get(port) ?? []);
  const engine = engineOf(owner.pid);
  return engine === null ? describeOwner(owner) : `engine ${engine} (pid ${owner.pid})`;
}
