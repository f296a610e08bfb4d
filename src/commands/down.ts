/** `aether down`: end the running engine in order. */
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { AetherError } from "../protocol/errors.ts";
import type { EngineRecord } from "../protocol/engine-record.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { engineNameOf, refuseReadOnly, withEngine } from "./with-engine.ts";

const deadlineMs = 30_000;

export function downCommand(): Command {
  return onRun(new Command("down").description("end the running engine and its functions"), run);
}

async function run(globals: GlobalOptions): Promise<number> {
  refuseReadOnly(globals, "down");
  const name = await engineNameOf(globals);
  const { findEngine } = await import("../client/find-engine.ts");
  const { notRunning } = await import("../client/control-errors.ts");
  const record = findEngine(name);
  if (record === null) throw notRunning(name);
  await order(globals, record);
  const giveUpAt = performance.now() + deadlineMs;
  while (findEngine(name)?.pid === record.pid) {
    if (performance.now() > giveUpAt) throw stillThere(record);
    await sleep(25);
  }
  const { print, printJson } = await import("./output/print.ts");
  if (globals.json === true) printJson({ stopped: name, pid: record.pid });
  else print(`engine ${name} (process ${record.pid}) has ended`);
  return 0;
}

/** Over the control socket; by signal where that does not answer. */
async function order(globals: GlobalOptions, record: EngineRecord): Promise<void> {
  try {
    await withEngine({ ...globals, engine: record.name }, (requests) => requests.shutdown());
  } catch (error) {
    if (
      !(error instanceof AetherError) ||
      (error.code !== "AE_ENGINE_LOST" && error.code !== "AE_ENGINE_NOT_RUNNING")
    )
      throw error;
    try {
      process.kill(record.pid, "SIGTERM");
    } catch (failure) {
      if ((failure as NodeJS.ErrnoException).code !== "ESRCH") throw error; // gone meanwhile: that is what was wanted
    }
  }
}

function stillThere(record: EngineRecord): AetherError {
  return new AetherError(
    "AE_ENGINE_LOST",
    `engine ${record.name} has not ended within ${deadlineMs / 1000} s`,
    {
      why: `process ${record.pid} is still there`,
      hint: `End it with \`kill -9 ${record.pid}\`: the launcher ends its functions, and the next start cleans up.`,
      data: { pid: record.pid },
    },
  );
}
