/** An engine without functions of flesh: the control socket's other side in tests of API, client and verbs. */
import type { InvocationRecord, InvokeOrder, InvokeResponse } from "../../src/protocol/invocations.ts";
import { EventLog } from "../../src/engine/event-log.ts";
import { LogStore } from "../../src/engine/logs/log-store.ts";
import { WakeLog } from "../../src/engine/wake-log.ts";
import type { ControlCore, CoreChange } from "../../src/engine/api/control-core.ts";
import type { FunctionAction } from "../../src/protocol/control.ts";
import { AetherError } from "../../src/protocol/errors.ts";
import type { TapMessage, TapRequest } from "../../src/protocol/tap.ts";
import type { ConnectionCounts, EngineView, FunctionView } from "../../src/protocol/views.ts";

export function fakeFunction(id: string, changes: Partial<FunctionView> = {}): FunctionView {
  return {
    id,
    state: "WarmSnapshot",
    activity: null,
    stateSinceMs: 1000,
    triggerPort: 8080,
    instances: [],
    wakes: 3,
    coldStarts: 1,
    exits: 0,
    violations: 0,
    openConnections: 0,
    restore: { count: 3, lastMs: 8.25, p50Ms: 8.5, p95Ms: 11, p99Ms: 12 },
    wake: { count: 3, lastMs: 9.25, p50Ms: 9.5, p95Ms: 12, p99Ms: 13 },
    snapshot: null,
    prepared: 1,
    restoredAhead: false,
    awakeMemoryBytes: null,
    lastError: null,
    config: {
      id,
      command: ["python3", "handler.py"],
      program: "/usr/bin/python3",
      cwd: "/srv",
      triggerPort: 8080,
      protocol: "tcp",
      network: "shared",
      instances: 1,
      ready: { kind: "handshake" },
      readyTimeoutMs: 10_000,
      envNames: ["SECRET"],
      memoryLimitBytes: null,
      user: null,
      privileged: false,
      ring: false,
      handler: null,
      sleep: "keep",
      start: "snapshot",
      idle: { suspendAfterMs: 30_000, snapshotAfterMs: 300_000, ignoreOpen: false, reclaim: false },
      connections: "refuse",
      wakeOn: "connection",
      maxConnectionsPerSecond: null,
      restoreBudgetMs: 15,
      onViolation: "fail",
      onRestoreFailure: "fail",
      image: "auto",
      warmPool: null,
      restoreAhead: "auto",
      warmup: [],
      proveDeploy: true,
      stopSignal: "SIGTERM",
      stopTimeoutMs: 5000,
    },
    ...changes,
  };
}

export class FakeCore implements ControlCore {
  readonly calls: string[] = [];
  readonly eventLog = new EventLog({ now: () => 5000 });
  readonly wakeLog = new WakeLog();
  readonly store = new LogStore({ now: () => 6000, batchMs: 1 });
  functions: FunctionView[];
  counts: ConnectionCounts = { atMs: 0, functions: [] };
  phase: EngineView["engine"]["phase"] = "running";
  /** How an action answers. */
  onAction: (id: string, action: FunctionAction) => Promise<void> = () => Promise.resolve();
  onShutdown: () => void = () => undefined;
  readonly #listeners = new Set<(change: CoreChange) => void>();
  readonly #name: string;

  constructor(
    name = "test",
    functions: FunctionView[] = [fakeFunction("hello"), fakeFunction("other", { triggerPort: 8081 })],
  ) {
    this.#name = name;
    this.functions = functions;
    this.eventLog.subscribe((event) => this.wakeLog.add(event));
    this.eventLog.subscribe((event) => this.emit({ type: "event", event }));
    this.store.subscribe((lines) => this.emit({ type: "logs", lines }));
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  emit(change: CoreChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  view(): EngineView {
    return {
      engine: {
        name: this.#name,
        pid: process.pid,
        version: "0.1.0",
        startedAtMs: 1000,
        configFile: "/srv/aether.yaml",
        config: {
          name: this.#name,
          snapshotDir: "/dev/shm",
          keepSnapshots: false,
          restoreBudgetMs: 15,
          onViolation: "fail",
          logLevel: "info",
          maxParallelRestores: 4,
          warmPool: null,
          breakpoints: "hardware",
          memoryBudgetBytes: null,
          metrics: null,
          dataPlane: null,
          privateRange: null,
        },
        phase: this.phase,
        readyCount: this.functions.length,
        criuVersion: "4.2.1",
        hostChanges: [],
        dataPlane: null,
      },
      functions: this.functions,
    };
  }

  events(tail: number): ReturnType<ControlCore["events"]> {
    return this.eventLog.tail(tail);
  }

  wakes(functionId: string | null, tail: number): ReturnType<ControlCore["wakes"]> {
    if (functionId !== null) this.#find(functionId);
    return this.wakeLog.tail(functionId, tail);
  }

  connections(): ReturnType<ControlCore["connections"]> {
    this.calls.push("connections");
    return Promise.resolve(this.counts);
  }

  logs(functionId: string | null, tail: number): ReturnType<ControlCore["logs"]> {
    if (functionId !== null) this.#find(functionId);
    return this.store.tail(functionId, tail);
  }

  onChange(listener: (change: CoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** How an invocation ends. */
  onInvoke: (id: string, order: InvokeOrder) => Promise<string> = (_, order) =>
    Promise.resolve(Buffer.from(order.event).toString("utf8"));

  invoke(functionId: string, order: InvokeOrder, signal: AbortSignal): ReturnType<ControlCore["invoke"]> {
    this.#find(functionId);
    signal.addEventListener("abort", () => this.calls.push(`given up ${functionId}`), { once: true });
    this.calls.push(`invoke ${functionId} ${order.encoding} ${order.event.length}`);
    const result = this.onInvoke(functionId, order).then((text): InvokeResponse => {
      return {
        id: "invocation-1",
        functionId,
        via: "ring",
        tier: "snapshot",
        wakeMs: 9,
        durationMs: 10,
        encoding: "text",
        result: text,
        http: null,
      };
    });
    result.catch(() => undefined);
    return { id: "invocation-1", result };
  }

  invocations(functionId: string | null): readonly InvocationRecord[] {
    if (functionId !== null) this.#find(functionId);
    return [
      {
        id: "invocation-1",
        functionId: "hello",
        startedAtMs: 1_000,
        durationMs: 10,
        tier: "snapshot",
        via: "ring",
        status: "ok",
        error: null,
      },
    ];
  }

  config(): ReturnType<ControlCore["config"]> {
    return { file: "/srv/aether.yaml", text: "version: 1\n", why: null };
  }

  /** What a tap sends before it waits for its end. */
  onTap: (request: TapRequest) => readonly TapMessage[] = () => [];

  async tap(
    request: TapRequest,
    signal: AbortSignal,
    send: (message: TapMessage) => Promise<void>,
  ): Promise<void> {
    this.calls.push(`tap ${request.port ?? "all"}`);
    for (const message of this.onTap(request)) await send(message);
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    this.calls.push("tap ended");
  }

  async action(functionId: string, action: FunctionAction): ReturnType<ControlCore["action"]> {
    this.calls.push(`${action} ${functionId}`);
    this.#find(functionId);
    await this.onAction(functionId, action);
    return { function: this.#find(functionId), durationMs: 12.5 };
  }

  reload(): ReturnType<ControlCore["reload"]> {
    this.calls.push("reload");
    return Promise.resolve({ added: ["new"], changed: [], removed: [], unchanged: ["hello"] });
  }

  deploy(file: string): ReturnType<ControlCore["deploy"]> {
    this.calls.push(`deploy ${file}`);
    return Promise.resolve({ added: [], changed: ["hello"], removed: [], unchanged: [] });
  }

  shutdown(): Promise<void> {
    this.calls.push("shutdown");
    this.onShutdown();
    return Promise.resolve();
  }

  #find(id: string): FunctionView {
    const found = this.functions.find((each) => each.id === id);
    if (found === undefined) throw new AetherError("AE_UNKNOWN_FUNCTION", `no function "${id}"`);
    return found;
  }
}
