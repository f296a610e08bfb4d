/** What the console knows of the engine: the newest state, and bounded windows of events, wakes and logs. */
import type { ConsoleMessage } from "../../client/connection.ts";
import type { ConfigSource } from "../../protocol/config-change.ts";
import type { HostFigures } from "../../client/host-figures.ts";
import type { Figures } from "../../client/figures.ts";
import type { LinkState } from "../../client/link.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import type { EngineView } from "../../protocol/views.ts";
import type { InvocationRecord } from "../../protocol/invocations.ts";
import type { NumberedWake } from "../../protocol/wakes.ts";
import { sanitizeDeep, sanitizeLines } from "../format/sanitize.ts";
import { appendBounded } from "../format/window.ts";
import { addLogLines, emptyLogs, forgetLogs } from "./logs.ts";
import type { LogWindow } from "./logs.ts";
import { noPackets, takeTapNews } from "./packets.ts";
import type { PacketWindow } from "./packets.ts";

export const maxEvents = 1_000;
export const maxWakes = 200;
export const maxInvocations = 500;
export const maxWakesPerFunction = 50;
/** Steps of a function's life that its details show. */
export const maxHistory = 40;

export type ReloadEvent = Extract<EngineEvent, { readonly type: "reload" | "reload-refused" }>;

export interface Data {
  readonly engineName: string;
  readonly mode: "in-process" | "attached";
  readonly link: LinkState;
  /** Numbers from shared memory and nothing else. */
  readonly numbersOnly: boolean;
  /** `null` until the first state arrives. */
  readonly view: EngineView | null;
  readonly events: readonly EngineEvent[];
  /** Failed ones included; oldest first. */
  readonly wakes: readonly NumberedWake[];
  readonly wakesByFunction: ReadonlyMap<string, readonly NumberedWake[]>;
  /** What happened to each function, its wakes left out. */
  readonly history: ReadonlyMap<string, readonly EngineEvent[]>;
  /** Oldest first. */
  readonly invocations: readonly InvocationRecord[];
  readonly packets: PacketWindow;
  /** `null` until the system view has been open. */
  readonly host: HostFigures | null;
  /** `null` until the view of the configuration has been open. */
  readonly configSource: ConfigSource | null;
  /** `null`: the engine's shared memory has not been read. */
  readonly figures: Figures | null;
  readonly lastReload: ReloadEvent | null;
  readonly logs: LogWindow;
}

export function emptyData(engineName: string, mode: Data["mode"], numbersOnly = false): Data {
  return {
    link: { type: "live" },
    numbersOnly,
    engineName,
    mode,
    view: null,
    events: [],
    wakes: [],
    wakesByFunction: new Map(),
    history: new Map(),
    invocations: [],
    packets: noPackets,
    host: null,
    configSource: null,
    figures: null,
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
    case "wake":
    case "wake-failed": {
      const { type: _type, ...record } = event;
      const { functionId } = record;
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
      return { ...data, events, history: withHistory(data.history, event) };
    default:
      return assertNever(event);
  }
}

function withHistory(
  history: Data["history"],
  event: Extract<EngineEvent, { readonly functionId: string | null }>,
): Data["history"] {
  const { functionId } = event;
  if (functionId === null) return history;
  const own = appendBounded(history.get(functionId) ?? [], [event], maxHistory);
  return new Map(history).set(functionId, own);
}

/** A record that is known is replaced: an invocation comes when it begins and when it ends. */
function withInvocations(
  known: Data["invocations"],
  records: readonly InvocationRecord[],
): Data["invocations"] {
  const byId = new Map(known.map((record) => [record.id, record]));
  for (const record of records) byId.set(record.id, record);
  return Array.from(byId.values()).slice(-maxInvocations);
}

/** Line by line: in one piece its line breaks would be shown as signs. */
function safeSource(source: ConfigSource): ConfigSource {
  const { text, file, why } = sanitizeDeep({ ...source, text: null });
  return { file, why, text: source.text === null ? text : sanitizeLines(source.text).join("\n") };
}

function withView(data: Data, view: EngineView): Data {
  const before = data.view?.functions.length ?? 0;
  if (view.functions.length >= before) return { ...data, view };
  const known = new Set(view.functions.map((fn) => fn.id));
  const ofKnown = <Value>(map: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> =>
    new Map(Array.from(map).filter(([id]) => known.has(id)));
  return {
    ...data,
    view,
    logs: forgetLogs(data.logs, known),
    wakesByFunction: ofKnown(data.wakesByFunction),
    history: ofKnown(data.history),
  };
}

/**
 * The engine fell silent, is gone, or is back. Figures of an engine that is gone are not shown as if they were live; what it
 * said stays to be read until there is another one, which tells its own from the beginning.
 */
export function withLink(data: Data, link: LinkState): Data {
  if (link.type === "lost") return { ...data, link, view: null };
  if (data.link.type === "lost") return emptyData(data.engineName, data.mode, data.numbersOnly);
  return { ...data, link };
}

/** Takes one message in. Whatever is stored is safe to draw: nothing hostile passes this point. */
export function receive(data: Data, message: ConsoleMessage): Data {
  switch (message.type) {
    case "hello":
      return { ...data, engineName: sanitizeDeep(message.engine) };
    case "state":
      return withView(data, sanitizeDeep(message.state));
    case "event":
      return withEvent(data, sanitizeDeep(message.event));
    case "logs":
      return { ...data, logs: addLogLines(data.logs, message.lines, data.view?.functions.length ?? 0) };
    case "invocations":
      return { ...data, invocations: withInvocations(data.invocations, sanitizeDeep(message.records)) };
    case "tap":
    case "packets":
    case "tap-failed":
      return { ...data, packets: takeTapNews(data.packets, message) };
    case "config-source":
      return { ...data, configSource: safeSource(message.source) };
    case "host":
      return { ...data, host: message.host };
    case "figures":
      // Names and numbers of our own reading; the names of interfaces are the kernel's.
      return { ...data, figures: message.figures };
    default:
      return assertNever(message);
  }
}
