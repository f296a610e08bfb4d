/** `aether up -d`: starts an engine that outlives this process, and waits until its functions are ready. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ControlRequests } from "../client/control-requests.ts";
import { chooseConfigFile } from "../client/engine-name.ts";
import { findEngine } from "../client/find-engine.ts";
import { AetherError, isAetherError } from "../protocol/errors.ts";
import { enginePaths } from "../protocol/paths.ts";
import type { EngineView } from "../protocol/views.ts";
import { exitCodes } from "./exit-code.ts";
import type { GlobalOptions } from "./globals.ts";
import { print, printJson } from "./output/print.ts";
import { showProblems } from "./output/show-problems.ts";
import { engineNameOf } from "./with-engine.ts";

const maxLogBytes = 8 * 1024 * 1024;

export async function startDetached(globals: GlobalOptions): Promise<number> {
  const name = await engineNameOf(globals);
  const running = findEngine(name);
  if (running !== null) {
    throw new AetherError("AE_ENGINE_RUNNING", `engine ${name} is already running`, {
      why: `process ${running.pid} has held the name since ${new Date(running.startedAtMs).toISOString()}`,
      hint: `End it with \`aether --engine ${name} down\`, or apply a file to it with \`aether deploy\`.`,
      data: { name, pid: running.pid },
    });
  }
  const configFile = chooseConfigFile({ engine: globals.engine, config: globals.config });
  if (configFile === null)
    throw new AetherError("AE_CONFIG_UNREADABLE", "there is no aether.yaml here", {
      hint: "Name a file with -c, or write one with `aether init`.",
    });
  if (!(await isValid(configFile, globals))) return exitCodes.usage;

  const log = openLog(name);
  const child = spawnEngine(configFile, globals, log);
  closeSync(log.fd);
  const view = await waitUntilReady(name, child, log, globals);
  // One that did not start keeps nobody else from it; whoever started them must hear of it all the same.
  const failed = view.functions.flatMap(({ id, state, lastError }) =>
    state === "Uninitialized" && lastError !== null ? [{ id, error: lastError }] : [],
  );
  if (globals.json === true)
    printJson({
      engine: { name, pid: view.engine.pid, log: log.path },
      ready: view.engine.readyCount - failed.length,
      total: view.functions.length,
      failed: failed.map(({ id, error }) => ({ id, code: error.code })),
    });
  else {
    print(`engine ${name} runs as process ${view.engine.pid}; its log is ${log.path}`);
    for (const { id, error } of failed) print(`${id} did not start: ${error.code} ${error.what}`);
  }
  return exitCodes.ok;
}

/** Before anything is started, so that problems are shown here and not in a log. */
async function isValid(configFile: string, globals: GlobalOptions): Promise<boolean> {
  const { loadConfig } = await import("../engine/config/load.ts");
  const result = loadConfig(configFile, { checkPorts: true, ownPorts: new Set() });
  if (result.ok) return true;
  await showProblems(result.problems, configFile, globals.json === true);
  return false;
}

interface EngineLog {
  readonly path: string;
  readonly fd: number;
  /** Where this engine's part begins. */
  readonly from: number;
}

function openLog(name: string): EngineLog {
  const { logDir } = enginePaths(name);
  const path = `${logDir}/engine.log`;
  try {
    mkdirSync(logDir, { recursive: true, mode: 0o700 });
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes) renameSync(path, `${path}.1`);
    const fd = openSync(path, "a", 0o600);
    return { path, fd, from: statSync(path).size };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AetherError("AE_MACHINE_NOT_READY", `cannot write the engine's log ${path}`, {
      why,
      hint: "Run it as root, or set AETHER_STATE_DIR to a folder of yours.",
      cause: error,
    });
  }
}

function spawnEngine(configFile: string, globals: GlobalOptions, log: EngineLog): ChildProcess {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const cli = fileURLToPath(new URL(`../cli.${extension}`, import.meta.url));
  const engine = globals.engine === undefined ? [] : ["--engine", globals.engine];
  const child = spawn(
    process.execPath,
    [cli, "-c", configFile, ...engine, "up", "--foreground", "--log-file", log.path],
    {
      detached: true,
      // For what is written past the log's own writer, such as the last words of a crash.
      stdio: ["ignore", log.fd, log.fd],
    },
  );
  child.unref();
  return child;
}

/** Shows how far the start is; throws with the end of the log where the engine ended meanwhile. */
async function waitUntilReady(
  name: string,
  child: ChildProcess,
  log: EngineLog,
  globals: GlobalOptions,
): Promise<EngineView> {
  using requests = new ControlRequests(name);
  const showsProgress = globals.json !== true;
  let told = "";
  let failure: Error | null = null;
  child.on("error", (error) => (failure = error));
  for (;;) {
    if (failure !== null || child.exitCode !== null || child.signalCode !== null)
      throw ended(name, child, log, failure);
    const view = await stateOrNull(requests, child.pid);
    if (view !== null) {
      const text = `${view.engine.readyCount} of ${view.functions.length} functions ready`;
      if (showsProgress && text !== told)
        process.stderr.write(process.stderr.isTTY ? `\r${text}` : `${text}\n`);
      told = text;
    }
    if (view !== null && view.engine.phase !== "starting") {
      if (showsProgress && process.stderr.isTTY) process.stderr.write("\n");
      return view;
    }
    await sleep(100);
  }
}

/** `null` while the engine does not answer yet. */
async function stateOrNull(requests: ControlRequests, pid: number | undefined): Promise<EngineView | null> {
  try {
    const view = await requests.state();
    return view.engine.pid === pid ? view : null;
  } catch (error) {
    if (isAetherError(error) && (error.code === "AE_ENGINE_NOT_RUNNING" || error.code === "AE_ENGINE_LOST"))
      return null;
    throw error;
  }
}

function ended(name: string, child: ChildProcess, log: EngineLog, cause: Error | null): AetherError {
  const how =
    cause?.message ??
    (child.signalCode === null
      ? `it exited with code ${child.exitCode}`
      : `it was ended by ${child.signalCode}`);
  const lines = readFileSync(log.path).subarray(log.from).toString("utf8").trimEnd().split("\n").slice(-15);
  const code = child.exitCode === exitCodes.machine ? "AE_MACHINE_NOT_READY" : "AE_ENGINE_LOST";
  return new AetherError(code, `engine ${name} has not started`, {
    why: how,
    hint: `Its log is ${log.path}.`,
    data: { log: lines },
    cause,
  });
}
