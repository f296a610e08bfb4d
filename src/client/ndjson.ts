/** A response's bytes as stream messages, one per line. */
import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { controlVersion } from "../protocol/control.ts";
import type { StreamMessage } from "../protocol/control.ts";
import type { TapMessage } from "../protocol/tap.ts";
import { AetherError } from "../protocol/errors.ts";

/** Longest line: the state of some thousand functions. */
const maxLineChars = 64 * 1024 * 1024;

const messageTypes: ReadonlySet<unknown> = new Set(["hello", "state", "event", "logs", "invocations"]);

/**
 * The messages of a stream, until the engine ends it in order. Throws AE_ENGINE_LOST where it breaks, and where the
 * engine speaks another version. A reader that waits between two messages holds up the stream, not the engine.
 */
export async function* readStream(response: IncomingMessage): AsyncGenerator<StreamMessage, void> {
  for await (const value of readValues(response)) {
    if (!messageTypes.has((value as { type?: unknown }).type)) continue;
    const message = value as StreamMessage;
    if (message.type === "hello") checkVersion(message.version);
    yield message;
  }
}

/** The messages of a tap. */
export async function* readTapStream(response: IncomingMessage): AsyncGenerator<TapMessage, void> {
  for await (const value of readValues(response)) {
    if ((value as { type?: unknown }).type === "packets") yield value as TapMessage;
  }
}

/** Each line's value, heartbeats left out. */
async function* readValues(response: IncomingMessage): AsyncGenerator<object, void> {
  const decoder = new StringDecoder("utf8");
  let pending: string[] = [];
  let pendingChars = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const parts = decoder.write(chunk).split("\n");
    const last = parts.pop() ?? "";
    for (const part of parts) {
      const value = parseValue(pending.join("") + part);
      pending = [];
      pendingChars = 0;
      if (value !== null) yield value;
    }
    pending.push(last);
    pendingChars += last.length;
    if (pendingChars > maxLineChars) throw lost("a message of the engine has no end");
  }
}

/** `null`: a heartbeat. */
function parseValue(line: string): object | null {
  if (line === "") return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw lost("the engine sent a line that is not JSON");
  }
  if (typeof value !== "object" || value === null) throw lost("the engine sent a line that is no message");
  return value;
}

function checkVersion(version: number): void {
  if (version === controlVersion) return;
  throw new AetherError(
    "AE_ENGINE_LOST",
    `the engine speaks version ${version} of the control protocol, not ${controlVersion}`,
    { hint: "Restart the engine with this `aether`." },
  );
}

function lost(why: string): AetherError {
  return new AetherError("AE_ENGINE_LOST", "cannot follow the engine", { why });
}
