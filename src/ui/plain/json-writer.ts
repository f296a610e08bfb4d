/** For programs: one JSON object a line. Text is whole and unchanged, but every control character in it is escaped. */
import { assertNever } from "../../protocol/errors.ts";
import type { MessageWriter, WriterOptions } from "./plain-writer.ts";

/** What JSON leaves as it is though terminals act on it: DEL, C1, bidirectional controls, line separators. */
const unescaped = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const escapeUnit = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A value as one line of JSON that no terminal takes for a command. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value).replaceAll(unescaped, escapeUnit)}\n`;
}

/** A listener for an engine's stream that writes `hello`, `event` and `log` objects, and a `phase` when the engine enters one. */
export function createJsonWriter({ write, logs }: WriterOptions): MessageWriter {
  let phase: string | null = null;
  return (message) => {
    switch (message.type) {
      case "hello":
        write(jsonLine(message));
        return;
      case "state": {
        const { engine, functions } = message.state;
        if (engine.phase === phase) return;
        phase = engine.phase;
        write(jsonLine({ type: "phase", phase, ready: engine.readyCount, functions: functions.length }));
        return;
      }
      case "event":
        // The event's own type says which event it is; the line's type stands outside of it.
        write(jsonLine(message));
        return;
      case "logs":
        if (logs) write(message.lines.map((line) => jsonLine({ type: "log", line })).join(""));
        return;
      case "invocations":
        // Only consoles ask for them.
        return;
      default:
        assertNever(message);
    }
  };
}
