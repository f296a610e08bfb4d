/** Says what came of something, for as long as it takes to read. */
import type { ErrorData } from "../../protocol/errors.ts";
import { toAetherError } from "../../protocol/errors.ts";
import { sanitizeDeep } from "../format/sanitize.ts";
import type { Store } from "../store/store.ts";

const shownMs = { good: 4_000, info: 6_000, bad: 20_000 } as const;

export interface Toaster extends Disposable {
  readonly say: (level: "good" | "info", text: string) => void;
  /** An error as it is: code, what, why, hint. `text` says what it stopped. */
  readonly fail: (error: unknown, text: string) => void;
}

export function createToaster(store: Store): Toaster {
  const timers = new Set<NodeJS.Timeout>();
  let next = 1;
  const show = (level: keyof typeof shownMs, text: string, error: ErrorData | null): void => {
    const id = next;
    next += 1;
    store.dispatch({ type: "toast", id, level, text, error });
    const timer = setTimeout(() => {
      timers.delete(timer);
      store.dispatch({ type: "expire", id });
    }, shownMs[level]);
    timers.add(timer);
  };
  return {
    say: (level, text) => show(level, text, null),
    fail: (error, text) => show("bad", text, sanitizeDeep(toAetherError(error, text).toJSON())),
    [Symbol.dispose]: () => {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}
