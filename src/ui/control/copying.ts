/** What is copied, and that it is always said what came of it. */
import { copyOfRecords } from "../store/copy-records.ts";
import { targets } from "../store/select.ts";
import { copyText } from "./clipboard.ts";
import type { Host } from "./host.ts";
import type { Toaster } from "./toasts.ts";

export interface Copying {
  /** The functions that an action would hit: their ids, or all that is known of them. */
  readonly functions: (asJson: boolean) => void;
  /** The selected wake or invocation, or the events that are shown. */
  readonly record: () => void;
  /** What the open dialog says. */
  readonly report: () => void;
}

/** Copies, and says how, or why not. */
export async function copyAndSay(
  { env, writeSequence }: Pick<Host, "env" | "writeSequence">,
  toaster: Toaster,
  text: string,
  name: string,
): Promise<void> {
  const { ok, how } = await copyText(text, env, writeSequence);
  toaster.say(ok ? "good" : "info", ok ? `${name} copied by ${how}` : `${name} not copied: ${how}`);
}

export function createCopying(host: Host, toaster: Toaster): Copying {
  const { store } = host;
  const copy = (text: string, name: string): Promise<void> => copyAndSay(host, toaster, text, name);

  return {
    functions: (asJson) => {
      const fns = targets(store.getState());
      const [fn] = fns;
      if (fn === undefined) return toaster.say("info", "no function is selected");
      const name = fns.length === 1 ? fn.id : `${fns.length} functions`;
      if (asJson) void copy(JSON.stringify(fns.length === 1 ? fn : fns, null, 2), `${name} as JSON`);
      else void copy(fns.map(({ id }) => id).join("\n"), name);
    },
    record: () => {
      const { count, name, text } = copyOfRecords(store.getState());
      if (count === 0) toaster.say("info", "there is nothing to copy");
      else void copy(text, name);
    },
    report: () => {
      const { modal } = store.getState().ui;
      if (modal?.type === "report") void copy(modal.copy, modal.copyName);
    },
  };
}
