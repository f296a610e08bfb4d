/** What only one view needs is fetched while that view is open, and no longer. */
import { toAetherError } from "../../protocol/errors.ts";
import type { TapRequest } from "../../protocol/tap.ts";
import { selectedFunction } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";
import type { Host } from "./host.ts";

/** The port that the packet view looks at; `null`: none. A function without a port has no packets. */
function wantedTap(state: ConsoleState): TapRequest | null {
  if (state.ui.view !== "packets") return null;
  if (!state.ui.onlySelected.packets) return { port: null, interface: null };
  const port = selectedFunction(state)?.triggerPort ?? null;
  return port === null ? null : { port, interface: null };
}

const sameTap = (a: TapRequest | null, b: TapRequest | null): boolean =>
  a === b || (a !== null && b !== null && a.port === b.port && a.interface === b.interface);

/** Opens and closes taps as the view and the selection change; disposing closes what is open. */
export function createViewFeeds({ store, connection }: Pick<Host, "store" | "connection">): Disposable {
  let target: TapRequest | null = null;
  let current = new AbortController();

  const open = async (request: TapRequest, { signal }: AbortController): Promise<void> => {
    try {
      await connection.tap(request, signal, (message) => {
        if (!signal.aborted) store.receive(message);
      });
    } catch (error) {
      if (!signal.aborted) store.receive({ type: "tap-failed", error: toAetherError(error).toJSON() });
    }
  };
  let host: Disposable | null = null;
  const followHost = (): void => {
    const { ui, data } = store.getState();
    const directory = data.view?.engine.config.snapshotDir ?? null;
    const wanted = ui.view === "system" && directory !== null;
    if (wanted === (host !== null)) return;
    host?.[Symbol.dispose]();
    host = wanted
      ? connection.watchHost(directory, (figures) => store.receive({ type: "host", host: figures }))
      : null;
  };
  let readFor: object | null = null;
  /** Once when the view opens, and again with each reload. */
  const followConfig = (): void => {
    const { ui, data } = store.getState();
    if (ui.view !== "config") {
      readFor = null;
      return;
    }
    const key: object = data.lastReload ?? store;
    if (key === readFor) return;
    readFor = key;
    connection.config().then(
      (source) => store.receive({ type: "config-source", source }),
      (error: unknown) => {
        const { what } = toAetherError(error);
        store.receive({ type: "config-source", source: { file: null, text: null, why: what } });
      },
    );
  };
  const followTap = (): void => {
    const wanted = wantedTap(store.getState());
    if (sameTap(wanted, target)) return;
    target = wanted;
    current.abort();
    current = new AbortController();
    store.receive({ type: "tap", target: wanted });
    if (wanted !== null) void open(wanted, current);
  };
  const unsubscribe = store.subscribe(() => {
    followTap();
    followHost();
    followConfig();
  });
  return {
    [Symbol.dispose]: () => {
      unsubscribe();
      current.abort();
      host?.[Symbol.dispose]();
    },
  };
}
