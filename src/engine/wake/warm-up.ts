/** Warm-up requests: a snapshot taken after the first requests restores to a warmer process. */
import type { Epoll } from "../../ffi/epoll.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import { encodeRequest, loopbackOf, probe } from "../sandbox/probe.ts";

const requestDeadlineMs = 10_000;

/** Sends the declared requests one after another. Resolves with what went wrong, or null. */
export async function warmUp(
  epoll: Epoll,
  config: FunctionConfig,
  listens: readonly ListenAddress[],
): Promise<string | null> {
  const { triggerPort } = config;
  if (triggerPort === null) return null;
  const target = loopbackOf(listens, triggerPort);
  for (const request of config.warmup) {
    const result = await probe(epoll, target, encodeRequest(request, triggerPort), requestDeadlineMs);
    if (!result.ok) return `${request.method} ${request.path}: ${result.why}`;
    if (result.status === null || result.status >= 500)
      return `${request.method} ${request.path}: status ${result.status ?? "none"}`;
  }
  return null;
}
