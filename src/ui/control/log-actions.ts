/** What the keys of a log do: searching, choosing, copying, marking, clearing, saving. */
import { AetherError, assertNever } from "../../protocol/errors.ts";
import { plural } from "../format/units.ts";
import type { CommandId } from "../keys/bindings.ts";
import type { LogChange } from "../store/actions.ts";
import { logItems, logSources, shownText } from "../store/log-items.ts";
import type { LogArea } from "../store/log-items.ts";
import type { StoredLine } from "../store/logs.ts";
import { focusedLog } from "../store/reduce-feed.ts";
import { copyAndSay } from "./copying.ts";
import type { Host } from "./host.ts";
import { saveLog } from "./save-log.ts";
import type { Toaster } from "./toasts.ts";

export type LogCommand = Extract<
  CommandId,
  | "search-regex"
  | "search-case"
  | "choose-lines"
  | "start-lines"
  | "copy-lines"
  | "mark-line"
  | "next-mark"
  | "previous-mark"
  | "save-log"
  | "clear-log"
  | "show-cleared"
  | "raw-log"
  | "log-all"
>;

/** Full, read-only or foreign folders are the user's to change. */
function notSaved(error: unknown): AetherError {
  return new AetherError("AE_USAGE", "the log was not saved", {
    why: error instanceof Error ? error.message : String(error),
    hint: "Logs are saved to the folder in which the console was started; the engine keeps them whole, see `aether logs`.",
    cause: error,
  });
}

export interface LogActions {
  readonly run: (command: LogCommand) => void;
}

export function createLogActions({ store, env, writeSequence }: Host, toaster: Toaster): LogActions {
  const change = (to: LogChange): void => store.dispatch({ type: "log", change: to });

  const chosenLines = (area: LogArea): readonly StoredLine[] => {
    const state = store.getState();
    const { choice } = state.ui.feeds[area];
    if (choice === null) return [];
    const from = choice.from ?? choice.cursor;
    const first = Math.min(from, choice.cursor);
    const last = Math.max(from, choice.cursor);
    return logItems(state, area).filter(({ n }) => n >= first && n <= last);
  };

  const copy = async (): Promise<void> => {
    const area = focusedLog(store.getState());
    if (area === null) return;
    const lines = chosenLines(area);
    const text = lines.map((item) => shownText(store.getState(), item)).join("\n");
    change({ to: "chosen" });
    await copyAndSay({ env, writeSequence }, toaster, `${text}\n`, plural(lines.length, "line"));
  };

  const save = async (): Promise<void> => {
    const state = store.getState();
    const area = focusedLog(state);
    if (area === null) return;
    const sources = logSources(state, area);
    const name =
      sources === null ? "all" : sources.length === 1 ? (sources[0] ?? "") : `${sources.length}-functions`;
    try {
      const { path, lines } = await saveLog(name, logItems(state, area), new Date());
      toaster.say("good", `${plural(lines, "line")} saved to ${path}`);
    } catch (error) {
      toaster.fail(notSaved(error), "the log was not saved");
    }
  };

  return {
    run: (command) => {
      switch (command) {
        case "search-regex":
          return change({ to: "regex" });
        case "search-case":
          return change({ to: "exact-case" });
        case "choose-lines":
        case "start-lines":
          return change({ to: "choose" });
        case "copy-lines":
          return void copy();
        case "mark-line":
          return change({ to: "mark" });
        case "next-mark":
        case "previous-mark":
          return change({ to: "mark-seek", direction: command === "next-mark" ? 1 : -1 });
        case "save-log":
          return void save();
        case "clear-log":
          return change({ to: "clear" });
        case "show-cleared":
          return change({ to: "show-cleared" });
        case "raw-log":
          return change({ to: "raw" });
        case "log-all":
          return change({ to: "only", functionIds: null });
        default:
          return assertNever(command);
      }
    },
  };
}
