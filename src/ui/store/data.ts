/** What the console knows of the engine: the newest state, and bounded windows of events, wakes and logs. */
import type { StreamMessage } from "../../protocol/control.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import type { WakeTier } from "../../protocol/states.ts";
import type { EngineView } from "../../protocol/views.ts";
import { sanitizeDeep } from "../format/sanitize.ts";
import { appendBounded } from "../format/window.ts";
import { addLogLines, emptyLogs, forgetLogs } from "./logs.ts";
import type { LogWindow } from "./logs.ts";

export const maxEvents = 1_000;
export const maxWakes = 200;
export const maxWakesPerFunction = 50;

export interface WakeRecord {
  readonly seq: number;
  readonly atMs: number;
  readonly functionId: string;
  readonly tier: WakeTier;
  readonly restoreMs: number | null;
  readonly totalMs: number;
  readonly overBudget: boolean;
}

export type ReloadEvent = Extract<EngineEvent, { readonly type: "reload" | "reload-refused" }>;

export interface Data {
  readonly engineName: string;
  readonly mode: "in-process" | "attached";
  /** `null` until the first state arrives. */
  readonly view: EngineView | null;
  readonly events: readonly EngineEvent[];
  readonly wakes: readonly WakeRecord[];
  readonly wakesByFunction: ReadonlyMap<string, readonly WakeRecord[]>;
  readonly lastReload: ReloadEvent | null;
  readonly logs: LogWindow;
}

export function emptyData(engineName: string, mode: Data["mode"]): Data {
  return {
    engineName,
    mode,
    view: null,
    events: [],
    wakes: [],
    wakesByFunction: new Map(),
    lastReload: null,
    logs: emptyLogs,
  };
}

function withEvent(data: Data, event: EngineEvent): Data {
  // After a reconnection the engine repeats the newest events.
  const newest = data.events.at(-1);
  if (newest !== undefined && event.seq <= newest.seq) return data;
  // Progress is in the header; a thousand functions starting would push everything else out.
  if (event.type === "progress") return data;
  const events = appendBounded(data.events, [event], maxEvents);
  switch (event.type) {
    case "wake": {
      const { seq, atMs, functionId, tier, restoreMs, totalMs, overBudget } = event;
      const record: WakeRecord = { seq, atMs, functionId, tier, restoreMs, totalMs, overBudget };
      const own = appendBounded(data.wakesByFunction.get(functionId) ?? [], [record], maxWakesPerFunction);
      return {
        ...data,
        events,
        wakes: appendBounded(data.wakes, [record], maxWakes),
        wakesByFunction: new Map(data.wakesByFunction).set(functionId, own),
      };
    }
    case "reload":
    case "reload-refused":
      return { ...data, events, lastReload: event };
    case "transition":
    case "reclaim":
    case "exit":
    case "error":
    case "notice":
    case "wake-failed":
      return { ...data, events };
    default:
      return assertNever(event);
  }
}

function withView(data: Data, view: EngineView): Data {
  const before = data.view?.functions.length ?? 0;
  if (view.functions.length >= before) return { ...data, view };
  const known = new Set(view.functions.map((fn) => fn.id));
  const wakes = Array.from(data.wakesByFunction).filter(([id]) => known.has(id));
  return { ...data, view, logs: forgetLogs(data.logs, known), wakesByFunction: new Map(wakes) };
}

/** Takes one message in. Whatever is stored is safe to draw: nothing hostile passes this point. */
export function receive(data: Data, message: StreamMessage): Data {
  switch (message.type) {
    case "hello":
      return { ...data, engineName: sanitizeDeep(message.engine) };
    case "state":
      return withView(data, sanitizeDeep(message.state));
    case "event":
      return withEvent(data, sanitizeDeep(message.event));
    case "logs":
      return { ...data, logs: addLogLines(data.logs, message.lines, data.view?.functions.length ?? 0) };
    default:
      return assertNever(message);
  }
}
