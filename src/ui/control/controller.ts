/** Keys to commands, and what each command does. */
import { assertNever } from "../../protocol/errors.ts";
import type { CommandId } from "../keys/bindings.ts";
import type { KeyPress } from "../keys/key-names.ts";
import { newForm } from "../store/invoke-form.ts";
import { isTooSmall } from "../store/layout.ts";
import { paletteEntries } from "../store/palette.ts";
import { keyScope, targets } from "../store/select.ts";
import { themeNames } from "../theme/themes.ts";
import { createCopying } from "./copying.ts";
import { createEngineActions, readOnlyError } from "./engine-actions.ts";
import type { Host } from "./host.ts";
import { createInvocations } from "./invocations.ts";
import { createLogActions } from "./log-actions.ts";
import { createOutside } from "./outside.ts";
import { createToaster } from "./toasts.ts";

/** What still works while the terminal is too small to show anything: leaving, and answering the question about it. */
const usableUnseen: readonly CommandId[] = [
  "quit",
  "interrupt",
  "suspend-console",
  "detach",
  "dialog-yes",
  "dialog-no",
];

/** Two presses of C-c within this time leave without a question. */
const interruptMs = 2_000;

export interface Controller extends Disposable {
  readonly press: (key: KeyPress) => void;
  readonly paste: (text: string) => void;
  readonly run: (command: CommandId) => void;
}

export function createController(host: Host): Controller {
  const { store, connection, leave } = host;
  const toaster = createToaster(store);
  const outside = createOutside(host, toaster);
  const engine = createEngineActions(host, toaster, outside);
  const logs = createLogActions(host, toaster);
  const invocations = createInvocations(host, toaster);
  const copying = createCopying(host, toaster);
  const { keyOf } = store.getState().ui.keymap;
  let interrupted: NodeJS.Timeout | null = null;

  const interrupt = (): void => {
    if (interrupted !== null) {
      leave(connection.mode === "attached" ? "detach" : "quit");
      return;
    }
    interrupted = setTimeout(() => {
      interrupted = null;
    }, interruptMs);
    const what =
      connection.mode === "attached" ? "leaves; the engine keeps running" : "leaves and stops the engine";
    toaster.say("info", `${keyOf("interrupt")} again ${what}`);
  };

  const detach = (): void => {
    if (connection.mode === "attached") return leave("detach");
    toaster.say(
      "info",
      "not possible here: the engine lives in this process and ends with it. Start it with `aether up -d`, then consoles come and go.",
    );
  };

  const toShell = async (): Promise<void> => {
    if (connection.mode === "in-process") {
      toaster.say(
        "info",
        `not possible here: the engine lives in this process and would stand still. Start it with \`aether up -d\`, then ${keyOf("suspend-console")} works.`,
      );
      return;
    }
    try {
      await host.toShell();
    } catch (error) {
      toaster.fail(error, "could not go to the shell");
    }
  };

  const openForm = (): void => {
    const [fn, ...others] = targets(store.getState());
    if (fn === undefined) return toaster.say("info", "no function is selected");
    if (others.length > 0)
      return toaster.say("info", "one function at a time is invoked; take the marks off");
    store.dispatch({ type: "form", form: store.getState().ui.drafts.get(fn.id) ?? newForm(fn) });
  };

  const sendForm = (): void => {
    const { modal } = store.getState().ui;
    if (modal?.type === "invoke") invocations.send(modal);
  };

  const closeReport = (): void => {
    invocations.giveUp();
    store.dispatch({ type: "close-modal" });
  };

  const showFailures = (): void => {
    if (store.getState().ui.failures.length === 0) toaster.say("info", "no order has failed");
    else store.dispatch({ type: "show-failures" });
  };

  const nextTheme = (): void => {
    const { theme } = store.getState().ui;
    const next = themeNames[(themeNames.indexOf(theme) + 1) % themeNames.length] ?? "dark";
    store.dispatch({ type: "theme", theme: next });
    try {
      host.remember(next);
      toaster.say("info", `theme ${next}`);
    } catch (error) {
      toaster.say(
        "info",
        `theme ${next}, not kept: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };

  /** Marked functions have their output shown together. */
  const logsTogether = (): boolean => {
    const { ui, data } = store.getState();
    const known = (data.view?.functions ?? []).filter((fn) => ui.marked.has(fn.id)).map((fn) => fn.id);
    if (known.length < 2) return false;
    store.dispatch({ type: "log", change: { to: "only", functionIds: known } });
    store.dispatch({ type: "view", view: "logs" });
    return true;
  };

  const chooseInDialog = (answer: "yes" | "no" | "chosen"): void => {
    const { modal } = store.getState().ui;
    if (modal?.type !== "confirm") return;
    store.dispatch({ type: "close-modal" });
    if (answer === "yes" || (answer === "chosen" && modal.chosen === "yes")) engine.perform(modal.deed);
  };

  const accept = (): void => {
    const state = store.getState();
    const { modal } = state.ui;
    if (modal?.type !== "palette") {
      store.dispatch({ type: "accept" });
      return;
    }
    const entry = paletteEntries(state, modal.input.text)[modal.selected];
    store.dispatch({ type: "close-modal" });
    if (entry === undefined) return;
    if (entry.elsewhere !== null)
      return toaster.say("info", `${entry.label} means something in: ${entry.elsewhere}`);
    if (entry.functionId !== null) store.dispatch({ type: "select", functionId: entry.functionId });
    run(entry.command);
  };

  const run = (command: CommandId): void => {
    const { label, mutates } = store.getState().ui.keymap.bindingOf(command);
    if (mutates && store.getState().ui.readOnly) {
      toaster.fail(readOnlyError(label), "read-only");
      return;
    }
    perform(command);
  };

  const perform = (command: CommandId): void => {
    const { dispatch } = store;
    switch (command) {
      case "snapshot":
      case "restore":
      case "suspend":
      case "wake":
      case "restart":
      case "kill":
        return engine.onTargets(command);
      case "reload":
        return engine.reload();
      case "detach":
        return detach();
      case "quit":
        return engine.quit();
      case "shutdown":
        return engine.shutdown();
      case "copy-id":
      case "copy-row":
        return copying.functions(command === "copy-row");
      case "copy-record":
        return copying.record();
      case "interrupt":
        return interrupt();
      case "suspend-console":
        return void toShell();
      case "logs":
        return logsTogether() ? undefined : dispatch({ type: "pane", pane: command });
      case "detail":
        return dispatch({ type: "pane", pane: command });
      case "next-pane":
        return dispatch({ type: "focus" });
      case "filter":
      case "search":
        return dispatch({ type: "open-input", target: command });
      case "filter-events":
        return dispatch({ type: "open-input", target: "event-filter" });
      case "sort":
      case "sort-back":
        return dispatch({ type: "sort", by: command === "sort" ? 1 : -1 });
      case "expand":
      case "collapse":
        return dispatch({ type: "expand", open: command === "expand" });
      case "next-match":
      case "previous-match":
        return dispatch({ type: "match", direction: command === "next-match" ? 1 : -1 });
      case "up":
      case "down":
      case "page-up":
      case "page-down":
      case "half-up":
      case "half-down":
      case "first":
      case "last":
        return dispatch({ type: "move", move: command });
      case "view-functions":
        return dispatch({ type: "view", view: "functions" });
      case "view-logs":
        return dispatch({ type: "view", view: "logs" });
      case "view-events":
        return dispatch({ type: "view", view: "events" });
      case "view-wakes":
        return dispatch({ type: "view", view: "wakes" });
      case "view-system":
        return dispatch({ type: "view", view: "system" });
      case "view-invocations":
        return dispatch({ type: "view", view: "invocations" });
      case "view-network":
        return dispatch({ type: "view", view: "network" });
      case "view-packets":
        return dispatch({ type: "view", view: "packets" });
      case "view-config":
        return dispatch({ type: "view", view: "config" });
      case "zoom":
      case "back":
      case "only-selected":
      case "go-to-function":
      case "reverse":
      case "follow":
      case "wrap":
      case "times":
      case "mark":
      case "mark-all":
      case "help":
        return dispatch({ type: command });
      case "search-regex":
      case "search-case":
      case "choose-lines":
      case "start-lines":
      case "copy-lines":
      case "mark-line":
      case "next-mark":
      case "previous-mark":
      case "save-log":
      case "clear-log":
      case "show-cleared":
      case "raw-log":
      case "log-all":
        return logs.run(command);
      case "palette":
        return dispatch({ type: "open-palette" });
      case "freeze":
        return dispatch({ type: "hold" });
      case "theme":
        return nextTheme();
      case "dialog-yes":
        return chooseInDialog("yes");
      case "dialog-no":
        return chooseInDialog("no");
      case "dialog-choose":
        return chooseInDialog("chosen");
      case "dialog-move":
        return dispatch({ type: "dialog-move" });
      case "palette-down":
      case "palette-up":
        return dispatch({ type: "palette-move", by: command === "palette-down" ? 1 : -1 });
      case "failures":
        return showFailures();
      case "invoke":
        return openForm();
      case "form-send":
        return sendForm();
      case "form-next":
      case "form-previous":
        return dispatch({ type: "form-move", by: command === "form-next" ? 1 : -1 });
      case "form-edit":
        return outside.editBody();
      case "edit-config":
        return outside.editConfig();
      case "page-log":
        return outside.pageLog();
      case "form-cancel":
        return dispatch({ type: "close-modal" });
      case "report-close":
        return closeReport();
      case "report-copy":
        return copying.report();
      case "accept":
        return accept();
      case "cancel":
        return dispatch({ type: "close-modal" });
      default:
        return assertNever(command);
    }
  };

  return {
    press: (key) => {
      const state = store.getState();
      const scope = keyScope(state);
      const command = state.ui.keymap.resolve(scope, key.name);
      // Nobody acts on what cannot be seen.
      if (isTooSmall(state) && (command === null || !usableUnseen.includes(command))) return;
      if (command !== null) run(command);
      else if (scope === "input" || scope === "palette" || scope === "form")
        store.dispatch({ type: "type", press: key });
    },
    paste: (text) => store.dispatch({ type: "paste", text }),
    run,
    [Symbol.dispose]: () => {
      if (interrupted !== null) clearTimeout(interrupted);
      invocations[Symbol.dispose]();
      toaster[Symbol.dispose]();
    },
  };
}
