/** The questions the console asks, each naming what will be hit and what it costs. */
import type { FunctionAction } from "../../protocol/control.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { formatClock, formatDeclaredMs, plural } from "../format/units.ts";
import type { Modal } from "../store/types.ts";

type Confirm = Extract<Modal, { type: "confirm" }>;

/** Restoring, restarting and killing what has a process destroy something. */
export const hasProcess = (fn: FunctionView): boolean =>
  fn.state === "Running" ||
  fn.state === "Suspended" ||
  fn.instances.some((instance) => instance.pid !== null);

const afterwards = (fn: FunctionView): string =>
  fn.triggerPort === null
    ? ""
    : fn.snapshot === null
      ? ` Port ${fn.triggerPort} stays open; the next connection starts it cold.`
      : ` Port ${fn.triggerPort} stays open; the next connection restores the snapshot of ${formatClock(fn.snapshot.atMs)}.`;

const pidsOf = (fns: readonly FunctionView[]): readonly number[] =>
  fns.flatMap((fn) => fn.instances.flatMap((instance) => instance.pid ?? []));

const cutConnections = (fns: readonly FunctionView[]): string => {
  const open = fns.reduce((sum, fn) => sum + fn.openConnections, 0);
  return open === 0 ? "" : ` ${plural(open, "open connection")} will be cut.`;
};

/** At most so many names are spelled out; the rest are counted. */
const maxNames = 12;

function namesOf(fns: readonly FunctionView[]): string {
  const names = fns.slice(0, maxNames).map(({ id }) => id);
  return fns.length > maxNames ? `${names.join(", ")} and ${fns.length - maxNames} more` : names.join(", ");
}

function killText(fn: FunctionView): string {
  const pids = pidsOf([fn]);
  if (pids.length === 0 && fn.snapshot !== null && fn.activity === null)
    return "It sleeps: its snapshot is discarded, and its next start is a cold one.";
  if (pids.length === 0) return "It has no process just now; what is under way is stopped.";
  return `${pids.length === 1 ? "Process" : "Processes"} ${pids.join(", ")} ${pids.length === 1 ? "ends" : "end"} at once, without a signal it could handle. What is in memory and not in a snapshot is lost.${afterwards(fn)}`;
}

function restoreText(fn: FunctionView): string {
  const image = fn.snapshot === null ? "its snapshot" : `its snapshot of ${formatClock(fn.snapshot.atMs)}`;
  return `It goes back to ${image}: everything in memory since then is discarded.${cutConnections([fn])}`;
}

function restartText(fn: FunctionView): string {
  const pids = pidsOf([fn]);
  const { stopSignal, stopTimeoutMs } = fn.config;
  const end =
    pids.length === 0
      ? "Its snapshot is discarded."
      : `Process ${pids.join(", ")} gets ${stopSignal}, and is killed after ${formatDeclaredMs(stopTimeoutMs)}. What is in memory and its snapshot are discarded.`;
  const port = fn.triggerPort === null ? "" : ` Port ${fn.triggerPort} stays open; clients wait.`;
  return `${end} Then its command is started anew.${port}`;
}

type Destructive = Extract<FunctionAction, "kill" | "restore" | "restart">;

const manyTexts: Readonly<Record<Destructive, (fns: readonly FunctionView[]) => string>> = {
  kill: (fns) =>
    `Those with a process (${pidsOf(fns).length}) end at once, and what is in memory and not in a snapshot is lost; of those that sleep the snapshot is discarded.`,
  restore: (fns) =>
    `Those that run go back to their snapshots: everything in memory since then is discarded.${cutConnections(fns)}`,
  restart: () =>
    "Their processes are asked to stop, memory and snapshots are discarded, and their commands are started anew.",
};

const oneTexts: Readonly<Record<Destructive, (fn: FunctionView) => string>> = {
  kill: killText,
  restore: restoreText,
  restart: restartText,
};

/** What an action loses where it loses something; `null`: it is done without a question. */
function isDestructive(action: FunctionAction, fns: readonly FunctionView[]): action is Destructive {
  switch (action) {
    case "kill":
      return true;
    case "restore":
      // Restoring a sleeping one costs nothing.
      return fns.some((fn) => hasProcess(fn));
    case "restart":
      return fns.some((fn) => hasProcess(fn) || fn.snapshot !== null);
    case "snapshot":
    case "suspend":
    case "wake":
      return false;
    default:
      return assertNever(action);
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The question before an action; `null` where nothing is lost by it. Bound to the functions as they are named in it. */
export function actionDialog(action: FunctionAction, fns: readonly FunctionView[]): Confirm | null {
  if (!isDestructive(action, fns)) return null;
  const [first] = fns;
  if (first === undefined) return null;
  const verb = capital(action);
  const whom = fns.length === 1 ? first.id : `${fns.length} functions`;
  return {
    type: "confirm",
    title: `${verb} ${whom}?`,
    lines: fns.length === 1 ? [oneTexts[action](first)] : [`${namesOf(fns)}.`, manyTexts[action](fns)],
    yes: `${verb} ${whom}`,
    no: "Leave it",
    chosen: "no",
    deed: { type: "action", functionIds: fns.map(({ id }) => id), action },
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
