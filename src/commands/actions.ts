/** `aether snapshot|restore|suspend|wake|restart|kill ID`: one step of one function's life. */
import { Argument, Command, Option } from "commander";
import type { ControlRequests } from "../client/control-requests.ts";
import { assertNever, AetherError } from "../protocol/errors.ts";
import { functionActions } from "../protocol/control.ts";
import type { FunctionAction } from "../protocol/control.ts";
import { exitCodes } from "./exit-code.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { refuseReadOnly, withEngine } from "./with-engine.ts";

const descriptions: Readonly<Record<FunctionAction, string>> = {
  snapshot: "put a function to sleep as a snapshot",
  restore: "bring a function back from its snapshot; of a running one the memory is discarded",
  suspend: "freeze a function in memory",
  wake: "wake a function without a client",
  restart: "start a function anew from its command: its memory and its snapshot are discarded",
  kill: "end a function's processes at once; of one that sleeps the snapshot is discarded",
};

export function actionCommands(): Command[] {
  return functionActions.map((action) => {
    const command = new Command(action)
      .description(descriptions[action])
      .addArgument(new Argument("<id>", "function"));
    if (action === "restore")
      command.addOption(new Option("-y, --yes", "do not ask before memory is discarded"));
    return onRun(command, (globals, [id = ""]) =>
      run(globals, action, id, command.opts<{ yes?: true }>().yes === true),
    );
  });
}

async function run(
  globals: GlobalOptions,
  action: FunctionAction,
  id: string,
  yes: boolean,
): Promise<number> {
  refuseReadOnly(globals, action);
  return await withEngine(globals, async (requests) => {
    if (action === "restore" && !yes && !(await mayDiscard(requests, id))) {
      process.stderr.write(`${id} stays as it is\n`);
      return exitCodes.failure;
    }
    const answer = await requests.action(id, action);
    const { print, printJson } = await import("./output/print.ts");
    if (globals.json === true) {
      const { psEntry } = await import("./ps.ts");
      printJson({ action, durationMs: answer.durationMs, function: psEntry(answer.function) });
    } else {
      print(`${id}: ${done(action)} in ${answer.durationMs.toFixed(1)} ms, now ${answer.function.state}`);
    }
    return exitCodes.ok;
  });
}

/** A function that runs loses what it wrote to memory since its snapshot: that is asked, naming the id. */
async function mayDiscard(requests: ControlRequests, id: string): Promise<boolean> {
  const view = (await requests.state()).functions.find((each) => each.id === id);
  if (view === undefined || (view.state !== "Running" && view.state !== "Suspended")) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new AetherError("AE_USAGE", `restore of ${id} would discard its memory`, {
      why: `it is ${view.state}, and there is no terminal to ask on`,
      hint: "Say --yes if that is meant.",
      data: { function: id },
    });
  }
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const abort = new AbortController();
  terminal.once("close", () => abort.abort());
  try {
    const answer = await terminal.question(
      `${id} is ${view.state}: discard its memory and go back to its snapshot? [y/N] `,
      { signal: abort.signal },
    );
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false; // end of input
  } finally {
    terminal.close();
  }
}

function done(action: FunctionAction): string {
  switch (action) {
    case "snapshot":
      return "snapshot made";
    case "restore":
      return "restored";
    case "suspend":
      return "suspended";
    case "wake":
      return "woken";
    case "restart":
      return "restarted";
    case "kill":
      return "killed";
    default:
      return assertNever(action);
  }
}
