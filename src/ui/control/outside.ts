/** What the console leaves to other programs: the configuration and bodies in the editor, logs in the pager. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import { enginePaths } from "../../protocol/paths.ts";
import { inputOf } from "../components/text-input.ts";
import { sanitize } from "../format/sanitize.ts";
import { withField } from "../store/invoke-form.ts";
import { targets } from "../store/select.ts";
import type { Host } from "./host.ts";
import { editorOf, editText, pagerOf, runOnTerminal } from "./programs.ts";
import type { Toaster } from "./toasts.ts";

/** The editor is no place for more; an invocation carries 6 MiB. */
const maxBodyChars = 6 * 1024 * 1024;

export interface Outside {
  readonly editConfig: () => void;
  readonly pageLog: () => void;
  readonly editBody: () => void;
}

export function createOutside(host: Host, toaster: Toaster): Outside {
  const { store, connection, env } = host;

  /** Whatever goes wrong is told, and the console is back. */
  const guarded = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      toaster.fail(error, what);
    }
  };

  /** The file is applied by the engine, which watches it; asked here for what came of it. */
  const editConfig = async (): Promise<void> => {
    const file = store.getState().data.view?.engine.configFile ?? null;
    if (file === null) return toaster.say("info", "this engine has no file: it was started by `aether run`");
    await host.lend(() => runOnTerminal(editorOf(env), file));
    try {
      const { added, changed, removed } = await connection.reload();
      const count = added.length + changed.length + removed.length;
      toaster.say(
        "good",
        count === 0
          ? "configuration in force as it is in the file"
          : `configuration read: ${added.length} added, ${changed.length} changed, ${removed.length} removed`,
      );
    } catch (error) {
      askAgain(toAetherError(error, "the configuration was not applied"));
    }
  };

  /** On top of everything, the message with its place; what served before serves on. */
  const askAgain = (error: AetherError): void => {
    const problems = error.data["problems"];
    const lines = Array.isArray(problems) ? (problems as readonly string[]).slice(0, 5) : [error.why ?? ""];
    store.dispatch({
      type: "ask",
      modal: {
        type: "confirm",
        title: `Not applied: ${sanitize(error.what)}`,
        lines: [
          ...lines.map((text) => sanitize(text)),
          ...(error.hint === null ? [] : [sanitize(error.hint)]),
          "The configuration before stays in force.",
        ],
        yes: "Edit again",
        no: "Later",
        chosen: "yes",
        deed: { type: "edit-config" },
      },
    });
  };

  const pageLog = async (): Promise<void> => {
    const [fn] = targets(store.getState());
    if (fn === undefined) return toaster.say("info", "no function is selected");
    const file = join(enginePaths(connection.engineName).logDir, `${fn.id}.log`);
    if (!existsSync(file)) return toaster.say("info", `${fn.id} has written nothing yet`);
    await host.lend(() => runOnTerminal(pagerOf(env), file));
  };

  const editBody = async (): Promise<void> => {
    const { modal } = store.getState().ui;
    if (modal?.type !== "invoke") return;
    let text = modal.inputs.body.text;
    await host.lend(async () => {
      text = await editText(editorOf(env), text, modal.kind === "event" ? "event.json" : "body");
    });
    if (text.length > maxBodyChars)
      throw new AetherError("AE_PAYLOAD_TOO_LARGE", "the body is too large", {
        why: `an invocation carries at most ${maxBodyChars} bytes`,
      });
    // The line feed that editors put at the end of a file is not meant.
    const body = text.replace(/\r?\n$/, "");
    const now = store.getState().ui.modal;
    if (now?.type === "invoke") store.dispatch({ type: "form", form: withField(now, "body", inputOf(body)) });
  };

  return {
    editConfig: () => void guarded("the configuration could not be edited", editConfig),
    pageLog: () => void guarded("the log could not be shown", pageLog),
    editBody: () => void guarded("the body could not be edited", editBody),
  };
}
