import { useSyncExternalStore } from "react";
import type { Store } from "../store/store.ts";
import type { ConsoleState } from "../store/types.ts";

/** The state of the console; draws again when it changes, and only then. */
export function useConsoleState(store: Store): ConsoleState {
  return useSyncExternalStore(store.subscribe, store.getState);
}
