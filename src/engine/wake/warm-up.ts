/** Warm-up requests: a snapshot taken after the first requests restores to a warmer process. */
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import type { InetAddress, ListenAddress } from "../../ffi/socket.ts";
import type { FunctionConfig, WarmupRequest } from "../../protocol/config.ts";
import type { RawAnswer } from "../proof/compare-answers.ts";
import { encodeRequest, loopbackOf, probe } from "../sandbox/probe.ts";

const requestDeadlineMs = 10_000;

/** A request that was answered, and how. */
export interface AnsweredRequest {
  readonly request: WarmupRequest;
  readonly answer: RawAnswer;
}

export interface WarmUpResult {
  /** What went wrong first; the requests after it were not sent. */
  readonly problem: string | null;
  readonly answered: readonly AnsweredRequest[];
}

/** A socket of that family in the function's own network; `null`: in the engine's. */
export type MakeSocket = (target: InetAddress) => Promise<Fd | null>;

/** Sends the declared requests one after another, and keeps the answers. */
export async function warmUp(
  epoll: Epoll,
  config: FunctionConfig,
  listens: readonly ListenAddress[],
  makeSocket: MakeSocket = () => Promise.resolve(null),
): Promise<WarmUpResult> {
  const { triggerPort } = config;
  const answered: AnsweredRequest[] = [];
  if (triggerPort === null) return { problem: null, answered };
  const target = loopbackOf(listens, triggerPort);
  for (const request of config.warmup) {
    const bytes = encodeRequest(request, triggerPort);
    const result = await probe(epoll, target, bytes, requestDeadlineMs, await makeSocket(target));
    if (!result.ok) return { problem: `${request.method} ${request.path}: ${result.why}`, answered };
    if (result.status === null || result.status >= 500)
      return { problem: `${request.method} ${request.path}: status ${result.status ?? "none"}`, answered };
    answered.push({ request, answer: { bytes: result.response, cut: result.cut } });
  }
  return { problem: null, answered };
}
