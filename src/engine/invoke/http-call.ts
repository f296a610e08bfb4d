/** An invocation of a function that is a server: one request on its trigger port. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { AetherError } from "../../protocol/errors.ts";
import type { InvokeOrder } from "../../protocol/invocations.ts";
import { invokeAborted, invokeTimeout } from "../ipc/invoke-errors.ts";
import type { HttpEntrance } from "../lifecycle/invoke.ts";
import { maxMessageBytes } from "../ipc/message-limits.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * Asks the function.
 * @throws AetherError AE_INVOKE_TIMEOUT, AE_INVOKE_CRASHED (the connection ended without a whole answer),
 * AE_INVOKE_ABORTED (by `signal`), AE_INVOKE_FAILED (it answered with a status of 500 or above), AE_PAYLOAD_TOO_LARGE
 */
export async function callHttp(
  functionId: string,
  entrance: HttpEntrance,
  order: InvokeOrder,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const abort = new AbortController();
  const giveUp = (): void => abort.abort();
  const timer = setTimeout(giveUp, timeoutMs);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const response = await send(entrance, order, abort.signal);
    const body = await read(functionId, response);
    const status = response.statusCode ?? 0;
    if (status >= 500) throw failed(functionId, status, body);
    const headers = Object.fromEntries(
      Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
    );
    return { status, headers, body };
  } catch (error) {
    if (error instanceof AetherError) throw error;
    if (signal.aborted) throw invokeAborted(functionId);
    if (abort.signal.aborted) throw invokeTimeout(functionId, timeoutMs);
    throw new AetherError("AE_INVOKE_CRASHED", `${functionId}: it ended in the middle of an invocation`, {
      why: error instanceof Error ? error.message : String(error),
      hint: `Its last lines: \`aether logs ${functionId}\`.`,
      data: { function: functionId, port: entrance.http },
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

function send(
  { http: port, host }: HttpEntrance,
  order: InvokeOrder,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const body = order.event.length === 0 ? null : order.event;
  const sent = request({
    // For "localhost" Node tries both families (net.getDefaultAutoSelectFamily).
    host,
    port,
    method: order.method ?? (body === null ? "GET" : "POST"),
    path: order.path,
    agent: false,
    signal,
    headers: {
      "user-agent": "aether-invoke",
      connection: "close",
      ...(body === null
        ? {}
        : {
            "content-type": order.encoding === "json" ? "application/json" : "application/octet-stream",
            "content-length": body.length,
          }),
      // Among them a content-type of the caller's own.
      ...order.headers,
    },
  });
  sent.once("response", resolve);
  sent.once("error", reject);
  sent.end(body ?? undefined);
  return promise;
}

async function read(functionId: string, response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxMessageBytes) {
      throw new AetherError("AE_PAYLOAD_TOO_LARGE", `${functionId}: its answer is too large`, {
        why: `an invocation carries at most ${maxMessageBytes} bytes`,
        hint: "Ask it over its port with a client of your own.",
        data: { function: functionId, limit: maxMessageBytes },
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failed(functionId: string, status: number, body: Buffer): AetherError {
  return new AetherError("AE_INVOKE_FAILED", `${functionId}: it answered with status ${status}`, {
    why: body.subarray(0, 200).toString("utf8") || "without a body",
    hint: `Its log may say more: \`aether logs ${functionId}\`.`,
    data: { function: functionId, httpStatus: status },
  });
}
