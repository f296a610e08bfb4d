/** For what is not a terminal: one line for each thing that happens, with its time, and no escape code ever. */
import type { StreamMessage } from "../../protocol/control.ts";
import { assertNever } from "../../protocol/errors.ts";
import { describeEvent, eventLevel } from "../../protocol/events.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import type { EngineView } from "../../protocol/views.ts";
import { sanitize } from "../format/sanitize.ts";
import { plural } from "../format/units.ts";

export interface WriterOptions {
  /** Takes whole lines, each with its line feed. */
  readonly write: (text: string) => void;
  /** Whether the functions' output is written too. */
  readonly logs: boolean;
}

export type MessageWriter = (message: StreamMessage) => void;

const levelWidth = 5;

const stamp = (atMs: number): string => (Number.isFinite(atMs) ? new Date(atMs).toISOString() : "-");

/** A line of `level` and text; the text is made safe here and nowhere else. */
const toLine = (atMs: number, level: string, text: string): string =>
  `${stamp(atMs)} ${level.padEnd(levelWidth)} ${sanitize(text)}\n`;

/** An event in one line; errors say what to do, refused files each of their problems. */
export function plainEvent(event: EngineEvent): string {
  const level = eventLevel(event);
  const first = toLine(event.atMs, level, describeEvent(event) + hintOf(event));
  if (event.type !== "reload-refused") return first;
  const problems = event.problems.map(({ file, line, column, code, message, hint }) => {
    const remedy = hint === null ? "" : `; ${hint}`;
    return toLine(event.atMs, level, `${file}:${line}:${column}: ${code} ${message}${remedy}`);
  });
  return first + problems.join("");
}

function hintOf(event: EngineEvent): string {
  return event.type === "error" && event.error.hint !== null ? `; ${event.error.hint}` : "";
}

function describeEngine({ engine, functions }: EngineView): string {
  const file = engine.configFile === null ? "" : `, ${engine.configFile}`;
  return `engine ${engine.name}, process ${engine.pid}, ${plural(functions.length, "function")}${file}`;
}

/** A listener for an engine's stream that writes plain lines. */
export function createPlainWriter({ write, logs }: WriterOptions): MessageWriter {
  let phase: EngineView["engine"]["phase"] | null = null;
  return (message) => {
    switch (message.type) {
      case "hello":
        return;
      case "state": {
        const { engine } = message.state;
        if (engine.phase === phase) return;
        // States carry no time of their own; only the beginning of a phase is written of them.
        const text =
          phase === null
            ? `${describeEngine(message.state)}: ${engine.phase}`
            : `engine ${engine.name}: ${engine.phase}`;
        write(toLine(Date.now(), "info", text));
        phase = engine.phase;
        return;
      }
      case "event":
        write(plainEvent(message.event));
        return;
      case "logs":
        if (!logs) return;
        write(
          message.lines
            .map((line) => toLine(line.atMs, "log", `${line.functionId} ${line.stream}: ${line.text}`))
            .join(""),
        );
        return;
      case "invocations":
        // Only consoles ask for them.
        return;
      default:
        assertNever(message);
    }
  };
}
