/**
 * libcriu: does it load, does it speak to its binary, what can both do on this kernel. For `aether doctor` and for
 * start-up, never for a snapshot: every call forks the process it is made in (lib/c/criu.c, swrk_connect) and waits,
 * and a fork of a process with threads copies the locks other threads held. So the calls are made in a child Node,
 * with a deadline; snapshots speak CRIU's protocol themselves (engine/snapshot).
 */
import { spawnSync } from "node:child_process";
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";

export interface LibCriuAnswer {
  /** As "4.2.1", told by the binary through the library. */
  readonly version: string;
  /** `criu check`: 0, or a negative errno. What is wrong stands in the binary's own output, not here. */
  readonly check: number;
  /** What works on this kernel and processor; `null` where the question itself failed. */
  readonly features: {
    readonly memTrack: boolean;
    readonly lazyPages: boolean;
    readonly pidfdStore: boolean;
  } | null;
}

const timeoutMs = 20_000;

/**
 * Asks a library and its binary, in a child process: the thread stands still for some 100 ms.
 * @throws AetherError AE_CRIU_UNAVAILABLE when the library does not load, the binary does not answer, or not in time
 */
export function askLibCriu(library: string, binary: string): LibCriuAnswer {
  const program = `import(${JSON.stringify(import.meta.url)}).then(({ askInThisProcess }) =>
    process.stdout.write(JSON.stringify(askInThisProcess(${JSON.stringify(library)}, ${JSON.stringify(binary)}))));`;
  const { stdout, stderr, status, signal, error } = spawnSync(process.execPath, ["--eval", program], {
    encoding: "utf8",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  if (status === 0 && stdout !== "") return JSON.parse(stdout) as LibCriuAnswer;
  throw new AetherError("AE_CRIU_UNAVAILABLE", `${library} does not work with ${binary}`, {
    why:
      error?.message ?? /^\w*Error: (.*)/m.exec(stderr)?.[1] ?? `it ended with ${signal ?? `code ${status}`}`,
    hint: "Run `npm run setup` in Aether's folder: it installs a CRIU that fits this kernel.",
    data: { library, binary },
  });
}

/** struct criu_feature_check (lib/c/criu.h): one byte each; the library is told how many of them we know. */
const featureCount = 3;

/** Forks this process several times: only for a child of `askLibCriu`. Throws when the binary does not answer. */
export function askInThisProcess(library: string, binary: string): LibCriuAnswer {
  const criu = koffi.load(library);
  const initOptions = criu.func("int criu_init_opts()");
  const setBinary = criu.func("int criu_set_service_binary(const char*)");
  const getVersion = criu.func("int criu_get_version()");
  const check = criu.func("int criu_check()");
  const featureCheck = criu.func("int criu_feature_check(void*, size_t)");
  if ((initOptions() as number) < 0 || (setBinary(binary) as number) < 0) throw new Error("no memory");
  const version = getVersion() as number;
  if (version < 0) throw new Error(`criu_get_version: ${version}`);
  const features = new Uint8Array(featureCount).fill(1); // true: asked for
  const told = featureCheck(features, featureCount) as number;
  const [memTrack, lazyPages, pidfdStore] = features;
  return {
    version: versionText(version),
    check: check() as number,
    features:
      told < 0
        ? null
        : { memTrack: memTrack === 1, lazyPages: lazyPages === 1, pidfdStore: pidfdStore === 1 },
  };
}

/** 40201 is 4.2.1 (lib/c/criu.c, criu_local_get_version). */
function versionText(version: number): string {
  const parts = [Math.floor(version / 10_000), Math.floor(version / 100) % 100, version % 100];
  return parts.join(".");
}
