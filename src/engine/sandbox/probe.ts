/** Short HTTP requests and connection probes over sockets of the reactor, deadline included: ready checks, warm-up, trials. */
import { epollErr, epollHup, epollIn, epollOut } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { Fd } from "../../ffi/fd.ts";
import { errnoName } from "../../ffi/libc.ts";
import { AF_INET, connectInet, inetSocket, loopback, socketError } from "../../ffi/socket.ts";
import type { InetAddress, ListenAddress } from "../../ffi/socket.ts";
import type { WarmupRequest } from "../../protocol/config.ts";

/** What a probe found. A refused or broken connection is an outcome, not an exception. */
export type ProbeResult =
  /** `cut`: the answer was longer than what is read. */
  | { readonly ok: true; readonly status: number | null; readonly response: Buffer; readonly cut: boolean }
  | { readonly ok: false; readonly why: string };

const maxResponseBytes = 1024 * 1024;

/** What is sent; a warm-up request has more that is about its answer. */
export type ProbeRequest = Pick<WarmupRequest, "method" | "path" | "headers" | "body">;

/** The bytes of a request; the connection ends with the answer. */
export function encodeRequest(request: ProbeRequest, port: number): Buffer {
  const body = Buffer.from(request.body ?? "");
  const headers: Record<string, string> = {
    host: `127.0.0.1:${port}`,
    connection: "close",
    ...request.headers,
  };
  if (body.length > 0) headers["content-length"] = String(body.length);
  const head = [
    `${request.method} ${request.path} HTTP/1.1`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}

/** Status code of a response's first line; `null` when it is not HTTP. */
export function responseStatus(response: Buffer): number | null {
  const match = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(response.subarray(0, 64).toString("latin1"));
  return match?.[1] === undefined ? null : Number(match[1]);
}

/** Where a server that listens so can be reached from its own machine: loopback for "any", else its own address. */
export function loopbackOf(listens: readonly ListenAddress[], port: number): InetAddress {
  const reachable = listens.filter((address) => address.port === port);
  const chosen = reachable.find(({ family }) => family === AF_INET) ?? reachable[0];
  if (chosen === undefined) return loopback(AF_INET, port);
  return chosen.address.every((byte) => byte === 0) ? loopback(chosen.family, port) : chosen;
}

/**
 * Connects to a server, sends the bytes, reads to the end. `request` null: only connects.
 * @param made a socket of the target's family from another network namespace; closed in every case
 */
export function probe(
  epoll: Epoll,
  target: InetAddress,
  request: Buffer | null,
  deadlineMs: number,
  made: Fd | null = null,
): Promise<ProbeResult> {
  const socket = made ?? inetSocket(target.family);
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  const chunks: Buffer[] = [];
  let size = 0;
  let sent = 0;
  const finish = (result: ProbeResult): void => {
    clearTimeout(timer);
    if (!socket.isOpen) return;
    epoll.remove(socket);
    socket.close();
    resolve(result);
  };
  const done = (): void => {
    const response = Buffer.concat(chunks);
    finish({ ok: true, status: responseStatus(response), response, cut: size > maxResponseBytes });
  };
  const timer = setTimeout(() => finish({ ok: false, why: `no answer within ${deadlineMs} ms` }), deadlineMs);
  const onEvent = (events: number): void => {
    const error = socketError(socket);
    if (error !== 0) return finish({ ok: false, why: errnoName(error) });
    if (request === null) return done();
    if (sent < request.length && (events & epollOut) !== 0) {
      sent += socket.write(request.subarray(sent)) ?? 0;
      if (sent === request.length) epoll.modify(socket, epollIn);
      return;
    }
    if ((events & (epollIn | epollHup | epollErr)) === 0) return;
    const chunk = Buffer.alloc(65_536);
    const got = socket.read(chunk);
    if (got === null) return;
    size += got;
    if (got === 0 || size > maxResponseBytes) return done();
    chunks.push(chunk.subarray(0, got));
  };
  const guarded = (events: number): void => {
    try {
      onEvent(events);
    } catch (error) {
      finish({ ok: false, why: error instanceof Error ? error.message : String(error) });
    }
  };
  try {
    connectInet(socket, target);
    epoll.add(socket, epollOut | epollIn, guarded);
  } catch (error) {
    finish({ ok: false, why: error instanceof Error ? error.message : String(error) });
  }
  return promise;
}
