/** A response's bytes as stream messages, one per line. */
import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { controlVersion } from "../protocol/control.ts";
import type { StreamMessage } from "../protocol/control.ts";
import { AetherError } from "../protocol/errors.ts";

/** Longest line: the state of some thousand functions. */
const maxLineChars = 64 * 1024 * 1024;

const messageTypes: ReadonlySet<unknown> = new Set(["hello", "state", "event", "logs"]);

/**
 * The messages of a stream, until the engine ends it in order. Throws AE_ENGINE_LOST where it breaks, and where the
 * engine speaks another version. A reader that waits between two messages holds up the stream, not the engine.
 */
export async function* readStream(response: IncomingMessage): AsyncGenerator<StreamMessage, void> {
  const decoder = new StringDecoder("utf8");
  let pending: string[] = [];
  let pendingChars = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const parts = decoder.write(chunk).split("\n");
    const last = parts.pop() ?? "";
    for (const part of parts) {
      const message = parseMessage(pending.join("") + part);
      pending = [];
      pendingChars = 0;
      if (message !== null) yield message;
    }
    pending.push(last);
    pendingChars += last.length;
    if (pendingChars > maxLineChars) throw lost("a message of the engine has no end");
  }
}

/** `null`: a heartbeat, or a message of a kind that this side does not know. */
function parseMessage(line: string): StreamMessage | null {
  if (line === "") return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw lost("the engine sent a line that is not JSON");
  }
  if (typeof value !== "object" || value === null) throw lost("the engine sent a line that is no message");
  if (!messageTypes.has((value as { type?: unknown }).type)) return null;
  const message = value as StreamMessage;
  if (message.type === "hello" && message.version !== controlVersion) {
    throw new AetherError(
      "AE_ENGINE_LOST",
      `the engine speaks version ${message.version} of the control protocol, not ${controlVersion}`,
      {
        hint: "Restart the engine with this `aether`.",
      },
    );
  }
  return message;
}

function lost(why: string): AetherError {
  return new AetherError("AE_ENGINE_LOST", "cannot follow the engine", { why });
}
