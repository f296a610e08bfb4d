/** An engine that exists only in the tests of the console: plausible states, driven by hand or by a clock of its own. */
import type { ConsoleConnection, ConsoleMessage, EngineConnection } from "../../src/client/connection.ts";
import type { LinkListener } from "../../src/client/link.ts";
import type { ActionResponse, FunctionAction, LogLine, ReloadResponse } from "../../src/protocol/control.ts";
import type { ConfigSource } from "../../src/protocol/config-change.ts";
import { AetherError } from "../../src/protocol/errors.ts";
import type { TapMessage } from "../../src/protocol/tap.ts";
import type { EventBody } from "../../src/protocol/events.ts";
import type { InvokeOrder, InvokeResponse } from "../../src/protocol/invocations.ts";
import type { InstanceState } from "../../src/protocol/states.ts";
import type { EngineView, FunctionView } from "../../src/protocol/views.ts";
import { fakeEngineView, fakeFunction, fakeHost } from "./fake-engine-views.ts";

export interface FakeOptions {
  readonly mode?: EngineConnection["mode"];
  readonly functions?: readonly FunctionView[];
  readonly startAtMs?: number;
  readonly numbersOnly?: boolean;
}

/** What was asked of the engine, in order, as `kill api`. */
export interface FakeEngine extends ConsoleConnection {
  readonly calls: readonly string[];
  readonly view: EngineView;
  emit: (message: ConsoleMessage) => void;
  /** To the tap that is open. */
  packets: (summaries: readonly string[], dropped?: number) => void;
  /** What the configuration file has. */
  setConfig: (text: string) => void;
  /** What the next tap fails with. */
  refuseTap: (error: AetherError) => void;
  event: (body: EventBody) => void;
  log: (functionId: string, text: string, stream?: LogLine["stream"]) => void;
  logs: (lines: readonly (readonly [id: string, text: string])[]) => void;
  /** Changes the engine's part of the state and publishes it. */
  engine: (change: Partial<EngineView["engine"]>) => void;
  /** Changes one function and publishes the state. */
  change: (functionId: string, change: Partial<FunctionView>) => void;
  setFunctions: (functions: readonly FunctionView[]) => void;
  publish: () => void;
  /** What the next actions come to; by default they succeed. */
  answer: (respond: ((id: string, action: FunctionAction) => Promise<ActionResponse>) | null) => void;
  /** What was invoked, as it was sent. */
  readonly orders: readonly InvokeOrder[];
  /** Says how the engine stands. */
  link: LinkListener;
  /** Why the next reloads are refused; `null`: they are not. */
  refuseReload: (error: AetherError | null) => void;
  /** What the next invocations come to. */
  answerInvocation: (respond: (id: string, order: InvokeOrder) => Promise<InvokeResponse>) => void;
  die: (error: AetherError | null) => void;
}

const afterAction: Readonly<Record<FunctionAction, InstanceState>> = {
  snapshot: "WarmSnapshot",
  restore: "Running",
  suspend: "Suspended",
  wake: "Running",
  restart: "WarmSnapshot",
  kill: "WarmSnapshot",
};

export function createFakeEngine(options: FakeOptions = {}): FakeEngine {
  const listeners = new Set<(message: ConsoleMessage) => void>();
  let tapListener: ((message: TapMessage) => void) | null = null;
  let configSource: ConfigSource = { file: "/srv/shop/aether.yaml", text: "version: 1\n", why: null };
  let tapError: AetherError | null = null;
  const calls: string[] = [];
  const gone = Promise.withResolvers<AetherError | null>();
  let view = fakeEngineView(
    options.functions ?? ["api", "web", "worker"].map((id, index) => fakeFunction(id, index)),
  );
  let seq = 0;
  let atMs = options.startAtMs ?? Date.UTC(2026, 10, 20, 14, 3, 22);
  let respond: ((id: string, action: FunctionAction) => Promise<ActionResponse>) | null = null;

  const linkListeners = new Set<LinkListener>();
  let refusal: AetherError | null = null;
  const orders: InvokeOrder[] = [];
  let invoked: (id: string, order: InvokeOrder) => Promise<InvokeResponse> = (functionId) =>
    Promise.resolve({
      id: "1",
      functionId,
      via: "http",
      tier: "snapshot",
      wakeMs: 9,
      durationMs: 12,
      encoding: "text",
      result: '{"hello":"world"}',
      http: { status: 200, headers: { "content-type": "application/json" } },
    });

  const emit = (message: ConsoleMessage): void => {
    for (const listener of listeners) listener(message);
  };
  const publish = (): void => emit({ type: "state", state: view });
  const setFunctions = (functions: readonly FunctionView[]): void => {
    view = { ...view, functions };
    publish();
  };
  const change = (id: string, part: Partial<FunctionView>): void =>
    setFunctions(view.functions.map((fn) => (fn.id === id ? { ...fn, ...part } : fn)));
  const nextTime = (): number => (atMs += 137);
  const toLine = (functionId: string, text: string, stream: LogLine["stream"]): LogLine => {
    seq += 1;
    return { seq, atMs: nextTime(), functionId, stream, text };
  };

  return {
    engineName: view.engine.name,
    mode: options.mode ?? "in-process",
    closed: gone.promise,
    numbersOnly: options.numbersOnly ?? false,
    watchLink: (listener) => {
      linkListeners.add(listener);
      return () => linkListeners.delete(listener);
    },
    link: (state) => {
      for (const listener of linkListeners) listener(state);
    },
    calls,
    get view() {
      return view;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      listener({ type: "hello", version: 1, engine: view.engine.name });
      listener({ type: "state", state: view });
      return () => listeners.delete(listener);
    },
    action: async (id, action) => {
      calls.push(`${action} ${id}`);
      if (respond !== null) return respond(id, action);
      const fn = view.functions.find((candidate) => candidate.id === id);
      if (fn === undefined) {
        throw new AetherError("AE_UNKNOWN_FUNCTION", `there is no function ${id}`, {
          hint: "aether ps lists them.",
        });
      }
      change(id, { state: afterAction[action], activity: null });
      return { function: { ...fn, state: afterAction[action] }, durationMs: 8.4 };
    },
    invoke: async (functionId, order, signal) => {
      calls.push(`invoke ${functionId}`);
      orders.push(order);
      const gone = new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true }),
      );
      return await Promise.race([invoked(functionId, order), gone]);
    },
    reload: async (): Promise<ReloadResponse> => {
      calls.push("reload");
      if (refusal !== null) throw refusal;
      return { added: [], changed: [], removed: [], unchanged: view.functions.map((fn) => fn.id) };
    },
    watchHost: (_, listener) => {
      listener(fakeHost);
      return { [Symbol.dispose]: () => undefined };
    },
    config: async () => {
      calls.push("config");
      return configSource;
    },
    setConfig: (text) => {
      configSource = { ...configSource, text };
    },
    tap: async (request, signal, listener) => {
      calls.push(`tap ${request.port ?? "all"}`);
      if (tapError !== null) throw tapError;
      tapListener = listener;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      calls.push("tap ended");
    },
    packets: (summaries, dropped = 0) =>
      tapListener?.({
        type: "packets",
        dropped,
        packets: summaries.map((summary) => ({
          atMs: nextTime(),
          interface: "lo",
          lengthBytes: 66,
          summary,
        })),
      }),
    refuseTap: (error) => {
      tapError = error;
    },
    shutdown: async () => {
      calls.push("shutdown");
      gone.resolve(null);
    },
    [Symbol.asyncDispose]: async () => {
      listeners.clear();
    },
    emit,
    event: (body) => {
      seq += 1;
      emit({ type: "event", event: { ...body, seq, atMs: nextTime() } });
    },
    log: (id, text, stream = "stdout") => emit({ type: "logs", lines: [toLine(id, text, stream)] }),
    logs: (lines) => emit({ type: "logs", lines: lines.map(([id, text]) => toLine(id, text, "stdout")) }),
    engine: (part) => {
      view = { ...view, engine: { ...view.engine, ...part } };
      publish();
    },
    change,
    setFunctions,
    publish,
    answer: (next) => {
      respond = next;
    },
    orders,
    refuseReload: (error) => {
      refusal = error;
    },
    answerInvocation: (next) => {
      invoked = next;
    },
    die: (error) => gone.resolve(error),
  };
}
