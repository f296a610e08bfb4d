/** Finds CRIU: the one set-up put beside the package, else the machine's own when it is new enough. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { AetherError } from "../../protocol/errors.ts";
import { packagePaths } from "../package-paths.ts";
import type { EngineConfig } from "../../protocol/config.ts";
import type { CriuTools } from "../sandbox/context.ts";

/** 4.1 cannot dump inet sockets from Linux 6.16 on (SO_PASSCRED), 3.17 does not start from 6.13 on (vdso). */
const neededVersion = [4, 2] as const;

/** See rootfs/criu-limits.c. */
const limitsLibrary = `${packagePaths.programs}/aether-criu-limits.so`;
/** See rootfs/criu-restore.c. */
const restoreLibrary = `${packagePaths.programs}/aether-criu-restore.so`;
/** FI_NO_BREAKPOINTS of CRIU's fault-injection.h: restored threads are stopped by ptrace alone. */
export const noBreakpoints = { CRIU_FAULT: "130" } as const;

/** The tools as the engine's settings want them. Dumps are left as they are: nobody waits for them. */
export function tunedCriu(criu: CriuTools, engine: Pick<EngineConfig, "breakpoints">): CriuTools {
  return engine.breakpoints === "none"
    ? { ...criu, restoreEnv: { ...criu.restoreEnv, ...noBreakpoints } }
    : criu;
}

/** CAP_SYS_RESOURCE: without it a dump of another user's process needs that library. */
const sysResource = 1n << 24n;

function mayReadLimits(): boolean {
  const held = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return held !== undefined && (BigInt(`0x${held}`) & sysResource) !== 0n;
}

function versionOf(binary: string): string | null {
  const result = spawnSync(binary, ["--version"], { encoding: "utf8", timeout: 5_000 });
  return /^Version: (\S+)$/m.exec(result.stdout ?? "")?.[1] ?? null;
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > neededVersion[0] || (major === neededVersion[0] && minor >= neededVersion[1]);
}

/** It answers a question that CRIU asks in a certain order: a version whose source has been read. */
function restoreLibraryFits(version: string): boolean {
  return /^4\.2(?:\.|$)/.test(version);
}

/**
 * @param toolsDirectory the package's own tools
 * @throws AetherError AE_CRIU_UNAVAILABLE
 */
export function findCriu(toolsDirectory: string): CriuTools {
  const candidates = [
    `${toolsDirectory}/criu/bin/criu`,
    "/usr/sbin/criu",
    "/usr/local/sbin/criu",
    "/usr/bin/criu",
  ];
  const seen: string[] = [];
  for (const binary of candidates) {
    if (!existsSync(binary)) continue;
    const version = versionOf(binary);
    if (version !== null && isNewEnough(version)) {
      const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
      return {
        binary,
        version,
        env,
        restoreEnv: restoreLibraryFits(version) ? { ...env, LD_PRELOAD: restoreLibrary } : env,
        dumpEnv: mayReadLimits() ? env : { ...env, LD_PRELOAD: limitsLibrary },
      };
    }
    seen.push(`${binary} is ${version ?? "not executable"}`);
  }
  throw new AetherError("AE_CRIU_UNAVAILABLE", "no usable CRIU was found", {
    why:
      seen.length === 0
        ? "it is not installed"
        : `${seen.join("; ")}; ${neededVersion.join(".")} or newer is needed`,
    hint: "Run `npm run setup` in Aether's folder; it installs CRIU into a prefix of its own.",
  });
}
