/** The questions the console asks, each naming what will be hit and what it costs. */
import type { FunctionView } from "../../protocol/views.ts";
import { formatClock, plural } from "../format/units.ts";
import type { Modal } from "../store/types.ts";

type Confirm = Extract<Modal, { type: "confirm" }>;

const afterwards = (fn: FunctionView): string =>
  fn.triggerPort === null
    ? ""
    : fn.snapshot === null
      ? ` Port ${fn.triggerPort} stays open; the next connection starts it cold.`
      : ` Port ${fn.triggerPort} stays open; the next connection restores the snapshot of ${formatClock(fn.snapshot.atMs)}.`;

function processes(fn: FunctionView): string {
  const pids = fn.instances.flatMap((instance) => instance.pid ?? []);
  if (pids.length === 0) return "It has no process just now; what is under way is stopped.";
  return `${pids.length === 1 ? "Process" : "Processes"} ${pids.join(", ")} ${pids.length === 1 ? "ends" : "end"} at once, without a signal it could handle. What is in memory and not in a snapshot is lost.`;
}

export function killDialog(fn: FunctionView): Confirm {
  return {
    type: "confirm",
    title: `Kill ${fn.id}?`,
    lines: [processes(fn) + afterwards(fn)],
    yes: `Kill ${fn.id}`,
    no: "Leave it",
    chosen: "no",
    deed: { type: "action", functionId: fn.id, action: "kill" },
  };
}

/** Only for a function with a process: restoring a sleeping one costs nothing. */
export function restoreDialog(fn: FunctionView): Confirm {
  const image = fn.snapshot === null ? "its snapshot" : `its snapshot of ${formatClock(fn.snapshot.atMs)}`;
  const open =
    fn.openConnections === 0 ? "" : ` ${plural(fn.openConnections, "open connection")} will be cut.`;
  return {
    type: "confirm",
    title: `Restore ${fn.id}?`,
    lines: [`It goes back to ${image}: everything in memory since then is discarded.${open}`],
    yes: `Restore ${fn.id}`,
    no: "Leave it",
    chosen: "no",
    deed: { type: "action", functionId: fn.id, action: "restore" },
  };
}

export function quitDialog(engineName: string, awake: readonly string[]): Confirm {
  const names =
    awake.length > 5 ? `${awake.slice(0, 5).join(", ")} and ${awake.length - 5} more` : awake.join(", ");
  return {
    type: "confirm",
    title: `Quit and stop the engine ${engineName}?`,
    lines: [
      `The engine lives in this process: ${names} ${awake.length === 1 ? "is" : "are"} awake and will be stopped.`,
      "To leave functions running, start the engine with: aether up -d",
    ],
    yes: "Quit",
    no: "Stay",
    chosen: "no",
    deed: { type: "quit" },
  };
}

export function shutdownDialog(engineName: string, functions: number): Confirm {
  return {
    type: "confirm",
    title: `Stop the engine ${engineName}?`,
    lines: [
      `${plural(functions, "function")} and everything they hold in memory end; their ports are closed.`,
    ],
    yes: `Stop ${engineName}`,
    no: "Leave it",
    chosen: "no",
    deed: { type: "shutdown" },
  };
}
