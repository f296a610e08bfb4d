/**
 * The one kernel setting the wake path needs: net.ipv4.tcp_migrate_req (ip-sysctl.rst). Without it the kernel resets
 * every queued client when a held listener is closed. It is set for the network namespace, and put back by the last
 * engine that leaves; a record in the runtime folder tells later engines the value that was there before.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { AetherError } from "../../protocol/errors.ts";

const settingPath = "/proc/sys/net/ipv4/tcp_migrate_req";
const settingName = "net.ipv4.tcp_migrate_req";

function recordPath(runtimeRoot: string): string {
  return `${runtimeRoot}/host-settings.json`;
}

function readRecord(runtimeRoot: string): string | null {
  try {
    const record: unknown = JSON.parse(readFileSync(recordPath(runtimeRoot), "utf8"));
    const value =
      typeof record === "object" && record !== null && settingName in record ? record[settingName] : null;
    return typeof value === "string" ? value : null;
  } catch {
    return null; // None yet, or not ours: then the present value counts as the original one.
  }
}

/**
 * Switches request migration on.
 * @returns what was changed, in words. @throws AetherError AE_MACHINE_NOT_READY
 */
export function enableMigration(runtimeRoot: string): string[] {
  let present: string;
  try {
    present = readFileSync(settingPath, "utf8").trim();
    if (present !== "1") writeFileSync(settingPath, "1");
  } catch (error) {
    throw new AetherError("AE_MACHINE_NOT_READY", `${settingName} cannot be set`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "Linux 5.14 or newer and CAP_NET_ADMIN are needed; in a container, run with its own network namespace and --privileged.",
      cause: error,
    });
  }
  const original = readRecord(runtimeRoot) ?? present;
  if (original === "1") return [];
  writeFileSync(recordPath(runtimeRoot), JSON.stringify({ [settingName]: original }), { mode: 0o600 });
  return [`${settingName} ${original} -> 1`];
}

/** Puts the setting back; to be called by the last engine of this machine. */
export function restoreSettings(runtimeRoot: string): void {
  const original = readRecord(runtimeRoot);
  if (original === null) return;
  try {
    writeFileSync(settingPath, original);
  } finally {
    rmSync(recordPath(runtimeRoot), { force: true });
  }
}
