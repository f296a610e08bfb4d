/** Events and lines of output as plain text or JSON lines. */
import { logLevels } from "../../protocol/config.ts";
import type { LogLevel } from "../../protocol/config.ts";
import type { LogLine, StreamMessage } from "../../protocol/control.ts";
import { assertNever } from "../../protocol/errors.ts";
import { describeEvent, eventLevel } from "../../protocol/events.ts";
import type { EngineEvent } from "../../protocol/events.ts";
import { sanitize } from "../../ui/format/sanitize.ts";
import { toJson } from "./print.ts";

export type LineFormat = "plain" | "json";

export function eventLine(event: EngineEvent, format: LineFormat): string {
  if (format === "json") return `${toJson(event)}\n`;
  return `${new Date(event.atMs).toISOString()} ${eventLevel(event).padEnd(5)} ${sanitize(describeEvent(event))}\n`;
}

/** `withId`: where the lines of several functions stand together. */
export function logLine(line: LogLine, format: LineFormat, withId: boolean): string {
  if (format === "json") return `${toJson(line)}\n`;
  const source = line.stream === "stdout" ? "" : ` ${line.stream}`;
  const id = withId ? `${line.functionId}${source} | ` : line.stream === "stdout" ? "" : `${line.stream} | `;
  return `${new Date(line.atMs).toISOString()} ${id}${sanitize(line.text)}\n`;
}

/** A stream as text, with the events that the engine's `log_level` lets through. */
export class StreamLines {
  #level: LogLevel = "info";

  /** What a message looks like where everything is told; "" where it is nothing for this reader. */
  lines(message: StreamMessage, format: LineFormat): string {
    if (message.type === "state") this.#level = message.state.engine.config.logLevel;
    const hidden =
      message.type === "event" &&
      logLevels.indexOf(eventLevel(message.event)) > logLevels.indexOf(this.#level);
    return hidden ? "" : messageLines(message, format);
  }
}

function messageLines(message: StreamMessage, format: LineFormat): string {
  switch (message.type) {
    case "hello":
    case "state":
    // Only consoles ask for them.
    case "invocations":
      return "";
    case "event":
      return format === "json" ? `${toJson(message)}\n` : eventLine(message.event, format);
    case "logs":
      if (format === "plain") return message.lines.map((line) => logLine(line, format, true)).join("");
      return message.lines.map((line) => `${toJson({ type: "log", line })}\n`).join("");
    default:
      return assertNever(message);
  }
}
