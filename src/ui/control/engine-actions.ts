/** What the console asks of the engine: a mark at once, then the result or the error. */
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, assertNever } from "../../protocol/errors.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { formatBytes, formatMs } from "../format/units.ts";
import { selectedFunction } from "../store/select.ts";
import type { Deed } from "../store/types.ts";
import { killDialog, quitDialog, restoreDialog, shutdownDialog } from "./dialogs.ts";
import type { Host } from "./host.ts";
import type { Toaster } from "./toasts.ts";

const verbs: Readonly<Record<FunctionAction, string>> = {
  snapshot: "put to sleep",
  restore: "restored",
  suspend: "suspended",
  wake: "awake",
  kill: "killed",
};

/** Restoring and killing what has a process destroy something. */
const hasProcess = (fn: FunctionView): boolean =>
  fn.state === "Running" ||
  fn.state === "Suspended" ||
  fn.instances.some((instance) => instance.pid !== null);

function doneText(id: string, action: FunctionAction, fn: FunctionView, durationMs: number): string {
  const size =
    action === "snapshot" && fn.snapshot !== null ? `, image ${formatBytes(fn.snapshot.sizeBytes)}` : "";
  return `${id} ${verbs[action]} in ${formatMs(durationMs)}${size}`;
}

export interface EngineActions {
  /** Acts on the selected function, after a question where it destroys something. */
  readonly onSelected: (action: FunctionAction) => void;
  readonly reload: () => void;
  readonly quit: () => void;
  readonly shutdown: () => void;
  /** Does what a dialog asked about. */
  readonly perform: (deed: Deed) => void;
}

export function createEngineActions(host: Host, toaster: Toaster): EngineActions {
  const { store, connection, leave } = host;
  const leaving = (): void => leave(connection.mode === "attached" ? "detach" : "quit");

  const run = async (functionId: string, action: FunctionAction): Promise<void> => {
    store.dispatch({ type: "asked", functionId, action });
    try {
      const { function: fn, durationMs } = await connection.action(functionId, action);
      toaster.say("good", doneText(functionId, action, fn, durationMs));
    } catch (error) {
      toaster.fail(error, `${action} of ${functionId} failed`);
    } finally {
      store.dispatch({ type: "answered", functionId, action });
    }
  };

  const reload = async (): Promise<void> => {
    toaster.say("info", "reading the configuration …");
    try {
      const { added, changed, removed } = await connection.reload();
      const nothing = added.length + changed.length + removed.length === 0;
      const text = nothing
        ? "nothing had changed"
        : `${added.length} added, ${changed.length} changed, ${removed.length} removed`;
      toaster.say("good", `configuration read: ${text}`);
    } catch (error) {
      toaster.fail(error, "the configuration was not applied; 6 shows where");
    }
  };

  const shutdown = async (): Promise<void> => {
    toaster.say("info", `stopping the engine ${connection.engineName} …`);
    try {
      await connection.shutdown();
    } catch (error) {
      toaster.fail(error, "the engine was not stopped");
    }
  };

  const onSelected = (action: FunctionAction): void => {
    const fn = selectedFunction(store.getState());
    if (fn === null) {
      toaster.say("info", "no function is selected");
    } else if (action === "kill") {
      store.dispatch({ type: "ask", modal: killDialog(fn) });
    } else if (action === "restore" && hasProcess(fn)) {
      store.dispatch({ type: "ask", modal: restoreDialog(fn) });
    } else {
      void run(fn.id, action);
    }
  };

  const quit = (): void => {
    const functions = store.getState().data.view?.functions ?? [];
    const awake = functions.filter((fn) => hasProcess(fn)).map((fn) => fn.id);
    if (connection.mode === "attached" || awake.length === 0) leaving();
    else store.dispatch({ type: "ask", modal: quitDialog(connection.engineName, awake) });
  };

  const askShutdown = (): void => {
    const count = store.getState().data.view?.functions.length ?? 0;
    store.dispatch({ type: "ask", modal: shutdownDialog(connection.engineName, count) });
  };

  return {
    onSelected,
    reload: () => void reload(),
    quit,
    // An engine in this process ends by leaving; its owner stops it in order.
    shutdown: connection.mode === "in-process" ? quit : askShutdown,
    perform: (deed) => {
      switch (deed.type) {
        case "action":
          void run(deed.functionId, deed.action);
          return;
        case "quit":
          leaving();
          return;
        case "shutdown":
          void shutdown();
          return;
        default:
          assertNever(deed);
      }
    },
  };
}

/** For a read-only console. */
export function readOnlyError(label: string): AetherError {
  return new AetherError("AE_USAGE", `${label} is not possible here`, {
    why: "this console is read-only",
    hint: "Open one without --read-only to change anything.",
  });
}
