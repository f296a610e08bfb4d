/** What the console asks of the engine: a mark at once, then the result or the error. */
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError, assertNever, toAetherError } from "../../protocol/errors.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { sanitizeDeep } from "../format/sanitize.ts";
import { formatBytes, formatMs } from "../format/units.ts";
import type { Failure } from "../store/failures.ts";
import { targets } from "../store/select.ts";
import type { Deed } from "../store/types.ts";
import { actionDialog, hasProcess, quitDialog, shutdownDialog } from "./dialogs.ts";
import type { Host } from "./host.ts";
import type { Outside } from "./outside.ts";
import type { Toaster } from "./toasts.ts";

const verbs: Readonly<Record<FunctionAction, string>> = {
  snapshot: "put to sleep",
  restore: "restored",
  suspend: "suspended",
  wake: "awake",
  restart: "restarted",
  kill: "killed",
};

/** It was asked for a state in which it is: nothing went wrong. */
const isThere = ({ code, data }: AetherError): boolean =>
  code === "AE_INVALID_STATE_TRANSITION" && data["from"] === data["to"];

function doneText(id: string, action: FunctionAction, fn: FunctionView, durationMs: number): string {
  const size =
    action === "snapshot" && fn.snapshot !== null ? `, image ${formatBytes(fn.snapshot.sizeBytes)}` : "";
  return `${id} ${verbs[action]} in ${formatMs(durationMs)}${size}`;
}

export interface EngineActions {
  /** Acts on the marked functions or the selected one, after a question where it destroys something. */
  readonly onTargets: (action: FunctionAction) => void;
  readonly reload: () => void;
  readonly quit: () => void;
  readonly shutdown: () => void;
  /** Does what a dialog asked about. */
  readonly perform: (deed: Deed) => void;
}

export function createEngineActions(host: Host, toaster: Toaster, outside: Outside): EngineActions {
  const { store, connection, leave } = host;
  const leaving = (): void => leave(connection.mode === "attached" ? "detach" : "quit");

  /** Into the dialog; where something is being typed or asked, as a message, and `failures` has it. */
  const tell = (failures: readonly Failure[]): void => {
    store.dispatch({ type: "failed", failures });
    if (store.getState().ui.modal?.type === "report") return;
    for (const { error, what } of failures) toaster.fail(AetherError.from(error), `${what} failed`);
  };

  /** One function's part; what went well as text, or the failure. */
  const attempt = async (functionId: string, action: FunctionAction): Promise<string | Failure> => {
    store.dispatch({ type: "asked", functionId, action });
    try {
      const { function: fn, durationMs } = await connection.action(functionId, action);
      return doneText(functionId, action, fn, durationMs);
    } catch (error) {
      const failure = toAetherError(error, `${action} of ${functionId} failed`);
      if (isThere(failure)) return `${functionId} is ${String(failure.data["to"])} already`;
      return { what: `${action} of ${functionId}`, error: sanitizeDeep(failure.toJSON()) };
    } finally {
      store.dispatch({ type: "answered", functionId, action });
    }
  };

  const run = async (functionIds: readonly string[], action: FunctionAction): Promise<void> => {
    const startedAt = performance.now();
    const many = functionIds.length > 1;
    // A mark that stays would be hit again by an order that comes much later.
    if (many) {
      store.dispatch({ type: "unmark" });
      toaster.say("info", `${action} of ${functionIds.length} functions …`);
    }
    const results = await Promise.all(functionIds.map((id) => attempt(id, action)));
    const failures = results.filter((result) => typeof result !== "string");
    const done = results.filter((result) => typeof result === "string");
    const took = formatMs(performance.now() - startedAt);
    if (many && done.length > 0)
      toaster.say("good", `${done.length} of ${results.length} functions ${verbs[action]} in ${took}`);
    else for (const text of done) toaster.say("good", text);
    if (failures.length > 0) tell(failures);
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
      const key = store.getState().ui.keymap.keyOf("view-config");
      toaster.fail(error, `the configuration was not applied; ${key} shows where`);
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

  const onTargets = (action: FunctionAction): void => {
    const fns = targets(store.getState());
    if (fns.length === 0) {
      const isLost = store.getState().data.link.type === "lost";
      return toaster.say("info", isLost ? "the engine is gone" : "no function is selected");
    }
    const modal = actionDialog(action, fns);
    if (modal !== null) store.dispatch({ type: "ask", modal });
    else
      void run(
        fns.map(({ id }) => id),
        action,
      );
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
    onTargets,
    reload: () => void reload(),
    quit,
    // An engine in this process ends by leaving; its owner stops it in order.
    shutdown: connection.mode === "in-process" ? quit : askShutdown,
    perform: (deed) => {
      switch (deed.type) {
        case "action":
          void run(deed.functionIds, deed.action);
          return;
        case "edit-config":
          outside.editConfig();
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
