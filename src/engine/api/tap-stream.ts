/** GET /v1/tap: packets as NDJSON, at the reader's pace, until it leaves. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { TapRequest } from "../../protocol/tap.ts";
import type { ControlCore } from "./control-core.ts";
import { heartbeatMs } from "./stream.ts";

/** @throws AetherError before anything is sent; a tap that breaks later ends the response in disorder */
export async function streamTap(
  core: ControlCore,
  request: TapRequest,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const begin = (): void => {
    if (response.headersSent) return;
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    response.flushHeaders();
  };
  const heartbeat = setInterval(() => {
    begin();
    if (!response.writableNeedDrain) response.write("\n");
  }, heartbeatMs);
  heartbeat.unref();
  try {
    const done = core.tap(request, gone.signal, async (message) => {
      begin();
      if (response.write(`${JSON.stringify(message)}\n`)) return;
      await once(response, "drain", { signal: gone.signal }).catch(() => undefined);
    });
    // What cannot begin fails at once; what has begun is told so before its first packet.
    await Promise.race([done, Promise.resolve().then(() => new Promise((resolve) => setImmediate(resolve)))]);
    begin();
    await done;
    response.end();
  } finally {
    clearInterval(heartbeat);
  }
}
