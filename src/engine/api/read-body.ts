/** The JSON body of a request, within a bound. */
import type { IncomingMessage } from "node:http";
import { AetherError } from "../../protocol/errors.ts";
import type { InvokeOrder } from "../../protocol/invocations.ts";
import { maxMessageBytes } from "../ipc/message-limits.ts";

export const maxBodyBytes = 1024 * 1024;

/** Reads and checks the body of a deploy. Throws AE_USAGE; `data.status` names 413 where the body was too long. */
export async function readDeployFile(request: IncomingMessage): Promise<string> {
  const body = await readJson(request);
  const file = typeof body === "object" && body !== null ? (body as { file?: unknown }).file : undefined;
  if (typeof file !== "string" || !file.startsWith("/") || file.length > 4096 || file.includes("\0")) {
    throw new AetherError("AE_USAGE", "a deploy needs the absolute path of a file", {
      hint: 'Send {"file": "/path/aether.yaml"}.',
    });
  }
  return file;
}

/** Reads an event. Throws AE_PAYLOAD_TOO_LARGE, AE_USAGE for what says it is JSON and is not. */
export async function readEvent(request: IncomingMessage): Promise<Pick<InvokeOrder, "event" | "encoding">> {
  const event = await readBytes(request, maxMessageBytes, () => {
    return new AetherError("AE_PAYLOAD_TOO_LARGE", "the event is too large", {
      why: `an invocation carries at most ${maxMessageBytes} bytes`,
      hint: "Send less, or a path to the data.",
      data: { status: 413, limit: maxMessageBytes },
    });
  });
  const type = (request.headers["content-type"] ?? "application/json").split(";", 1)[0]?.trim();
  if (type !== "application/json") return { event, encoding: "raw" };
  try {
    if (event.length > 0) JSON.parse(event.toString("utf8"));
  } catch (error) {
    throw new AetherError("AE_USAGE", "the event is not JSON", {
      why: error instanceof Error ? error.message : String(error),
      hint: `Write JSON, as '{"name": "world"}'. What is none is sent with \`aether invoke --raw\`, or as application/octet-stream.`,
    });
  }
  return { event, encoding: "json" };
}

async function readBytes(
  request: IncomingMessage,
  limit: number,
  tooLong: () => AetherError,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const body = await readBytes(
    request,
    maxBodyBytes,
    () =>
      new AetherError("AE_USAGE", `the request's body is longer than ${maxBodyBytes} bytes`, {
        data: { status: 413 },
      }),
  );
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw new AetherError("AE_USAGE", "the request's body is not JSON");
  }
}
