/** The state and those who watch it. Keys are answered at once; what the engine sends is gathered for a moment. */
import type { ConsoleMessage } from "../../client/connection.ts";
import type { Action } from "./actions.ts";
import { reduce } from "./reduce.ts";
import type { ConsoleState } from "./types.ts";

/** Lines of a chatty function come by the thousand: at most ten times a second is looked at them. */
export const gatherMs = 100;
/** For those whom movement disturbs: keys are answered at once all the same. */
export const calmMs = 1_000;
/** With more messages than this waiting, they are taken at once, so that the queue stays bounded. */
const maxGathered = 500;

export interface Store extends Disposable {
  readonly getState: () => ConsoleState;
  readonly dispatch: (action: Action) => void;
  /** Takes a message of the stream; watchers hear of it within `gatherMs`. */
  readonly receive: (message: ConsoleMessage) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

export interface StoreOptions {
  /** How long messages are gathered. */
  readonly gatherMs: number;
  /** Hears of what is thrown outside of any caller. */
  readonly onError: (error: unknown) => void;
}

export function createStore(initial: ConsoleState, options: StoreOptions): Store {
  let state = initial;
  let gathered: ConsoleMessage[] = [];
  let timer: NodeJS.Timeout | null = null;
  const listeners = new Set<() => void>();

  const apply = (action: Action): boolean => {
    const next = reduce(state, action);
    const changed = next !== state;
    state = next;
    return changed;
  };
  const announce = (): void => {
    for (const listener of listeners) listener();
  };
  const takeIn = (): boolean => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (gathered.length === 0) return false;
    const messages = gathered;
    gathered = [];
    return apply({ type: "received", messages });
  };

  return {
    getState: () => state,
    dispatch: (action) => {
      // In order: what came before the key is part of what the key acts on.
      const received = takeIn();
      if (apply(action) || received) announce();
    },
    receive: (message) => {
      gathered.push(message);
      // The first state is shown at once: until it comes the screen is empty.
      if (gathered.length > maxGathered || (state.data.view === null && message.type === "state")) {
        if (takeIn()) announce();
        return;
      }
      timer ??= setTimeout(() => {
        try {
          if (takeIn()) announce();
        } catch (error) {
          options.onError(error);
        }
      }, options.gatherMs);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    [Symbol.dispose]: () => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      listeners.clear();
    },
  };
}
