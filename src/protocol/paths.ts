/** Where an engine keeps what: derived from its name, so that verbs find a running engine and the next start finds leftovers. */

/** Engine and function ids: what may stand in a path, a cgroup, a shared-memory name and a socket path (108 bytes). */
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
export const maxFunctionIdLength = 48;
export const maxEngineNameLength = 24;

const runtimeBase = process.env["AETHER_RUNTIME_DIR"] ?? "/run/aether";
const sharedMemoryBase = process.env["AETHER_SHM_DIR"] ?? "/dev/shm";
const stateBase = process.env["AETHER_STATE_DIR"] ?? "/var/lib/aether";

/** Paths of the engine `name`; nothing is created. */
export function enginePaths(name: string): {
  readonly runtimeDir: string;
  readonly lockFile: string;
  readonly controlSocket: string;
  readonly stateDir: string;
  readonly logDir: string;
  readonly invocationsFile: string;
  readonly cgroupName: string;
  /** The stats region (stats-layout.ts). */
  readonly statsFile: string;
} {
  const runtimeDir = `${runtimeBase}/${name}`;
  const stateDir = `${stateBase}/${name}`;
  return {
    runtimeDir,
    lockFile: `${runtimeDir}/engine.json`,
    controlSocket: `${runtimeDir}/control.sock`,
    stateDir,
    logDir: `${stateDir}/logs`,
    invocationsFile: `${stateDir}/invocations.db`,
    cgroupName: `aether-${name}`,
    statsFile: `${sharedMemoryBase}/aether-${name}.stats`,
  };
}

/** Base of all engines' runtime folders. */
export function runtimeRoot(): string {
  return runtimeBase;
}
