/** Requests to an engine's control socket, one answer each; and its streams. */
import { Agent, request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { controlPaths, controlVersion, controlVersionHeader } from "../protocol/control.ts";
import type {
  ActionResponse,
  FunctionAction,
  LogLine,
  ReloadResponse,
  StreamMessage,
} from "../protocol/control.ts";
import type { ConfigSource } from "../protocol/config-change.ts";
import type { EngineEvent } from "../protocol/events.ts";
import type {
  InvocationRecord,
  InvokeAccepted,
  InvokeOrder,
  InvokeResponse,
} from "../protocol/invocations.ts";
import { enginePaths } from "../protocol/paths.ts";
import type { TapMessage, TapRequest } from "../protocol/tap.ts";
import type { NumberedWake } from "../protocol/wakes.ts";
import type { ConnectionCounts, EngineView } from "../protocol/views.ts";
import { answeredError, connectionError, engineLost } from "./control-errors.ts";
import { readStream, readTapStream } from "./ndjson.ts";

/** Reading answers at once; an order may have to wait for a cold start or a dump. The engine's own deadline is shorter. */
const readDeadlineMs = 10_000;
const orderDeadlineMs = 310_000;
/** A stream carries a heartbeat every five seconds. */
const silenceDeadlineMs = 30_000;
const maxAnswerBytes = 128 * 1024 * 1024;

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  /** Instead of `body`: bytes as they are. */
  readonly bytes?: { readonly data: Uint8Array; readonly type: string };
}

function invokeCall(functionId: string, order: InvokeOrder, wait: boolean): Call {
  const { event, encoding, ...rest } = order;
  const type = encoding === "json" ? "application/json" : "application/octet-stream";
  const path = controlPaths.invoke(functionId, rest, wait);
  return { method: "POST", path, bytes: { data: event, type } };
}

export class ControlRequests implements Disposable {
  readonly engineName: string;
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(engineName: string, socketPath: string = enginePaths(engineName).controlSocket) {
    this.engineName = engineName;
    this.#socketPath = socketPath;
  }

  state(): Promise<EngineView> {
    return this.#ask({ method: "GET", path: controlPaths.state }, readDeadlineMs);
  }

  events(tail: number): Promise<readonly EngineEvent[]> {
    return this.#ask({ method: "GET", path: `${controlPaths.events}?tail=${tail}` }, readDeadlineMs);
  }

  /** @param functionId `null`: of all functions */
  wakes(functionId: string | null, tail: number): Promise<readonly NumberedWake[]> {
    const of = functionId === null ? "" : `&function=${encodeURIComponent(functionId)}`;
    return this.#ask({ method: "GET", path: `${controlPaths.wakes}?tail=${tail}${of}` }, readDeadlineMs);
  }

  config(): Promise<ConfigSource> {
    return this.#ask({ method: "GET", path: controlPaths.config }, readDeadlineMs);
  }

  connections(): Promise<ConnectionCounts> {
    return this.#ask({ method: "GET", path: controlPaths.connections }, readDeadlineMs);
  }

  logs(functionId: string, tail: number): Promise<readonly LogLine[]> {
    return this.#ask(
      { method: "GET", path: `${controlPaths.logs(functionId)}?tail=${tail}` },
      readDeadlineMs,
    );
  }

  action(functionId: string, action: FunctionAction): Promise<ActionResponse> {
    return this.#ask({ method: "POST", path: controlPaths.action(functionId, action) }, orderDeadlineMs);
  }

  /** Gives a function an event and waits for the result, or gives it up by the signal. */
  invoke(functionId: string, order: InvokeOrder, signal?: AbortSignal): Promise<InvokeResponse> {
    return this.#ask(invokeCall(functionId, order, true), orderDeadlineMs, signal);
  }

  /** Gives a function an event; the result is in the record alone. */
  invokeAsync(functionId: string, order: InvokeOrder): Promise<InvokeAccepted> {
    return this.#ask(invokeCall(functionId, order, false), readDeadlineMs);
  }

  /** @param functionId `null`: of all functions */
  invocations(functionId: string | null, tail: number): Promise<readonly InvocationRecord[]> {
    const of = functionId === null ? "" : `&function=${encodeURIComponent(functionId)}`;
    return this.#ask(
      { method: "GET", path: `${controlPaths.invocations}?tail=${tail}${of}` },
      readDeadlineMs,
    );
  }

  reload(): Promise<ReloadResponse> {
    return this.#ask({ method: "POST", path: controlPaths.reload }, orderDeadlineMs);
  }

  deploy(file: string): Promise<ReloadResponse> {
    return this.#ask({ method: "POST", path: controlPaths.deploy, body: { file } }, orderDeadlineMs);
  }

  async shutdown(): Promise<void> {
    await this.#ask({ method: "POST", path: controlPaths.shutdown }, readDeadlineMs);
  }

  followLogs(functionId: string, tail: number, signal?: AbortSignal): AsyncGenerator<StreamMessage, void> {
    return this.stream(`${controlPaths.logs(functionId)}?follow=1&tail=${tail}`, signal);
  }

  followEvents(tail: number, signal?: AbortSignal): AsyncGenerator<StreamMessage, void> {
    return this.stream(`${controlPaths.events}?follow=1&tail=${tail}`, signal);
  }

  /** Packets as they pass, until the signal comes; throws where they cannot be captured. */
  tap({ port, interface: name }: TapRequest, signal: AbortSignal): AsyncGenerator<TapMessage, void> {
    const query = new URLSearchParams();
    if (port !== null) query.set("port", String(port));
    if (name !== null) query.set("interface", name);
    return this.#follow(`${controlPaths.tap}?${query.toString()}`, readTapStream, signal);
  }

  /** The messages of a stream; ends where the engine ends it, or at the signal, and throws where it breaks. */
  stream(path: string, signal?: AbortSignal): AsyncGenerator<StreamMessage, void> {
    return this.#follow(path, readStream, signal);
  }

  async *#follow<Message>(
    path: string,
    read: (response: IncomingMessage) => AsyncGenerator<Message, void>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Message, void> {
    let response: IncomingMessage | null = null;
    try {
      response = await this.#send(
        { method: "GET", path },
        { deadlineMs: readDeadlineMs, agent: false, signal },
      );
      await this.#checkStatus(response);
      const { socket } = response;
      socket.setTimeout(silenceDeadlineMs, () => {
        socket.destroy(engineLost(this.engineName, `it has not answered for ${silenceDeadlineMs / 1000} s`));
      });
      yield* read(response);
    } catch (error) {
      if (signal?.aborted === true) return;
      throw connectionError(this.engineName, error);
    } finally {
      response?.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #ask<T>(call: Call, deadlineMs: number, signal?: AbortSignal): Promise<T> {
    try {
      const response = await this.#send(call, { deadlineMs, agent: this.#agent, signal });
      await this.#checkStatus(response);
      return JSON.parse(await readText(response)) as T;
    } catch (error) {
      throw connectionError(this.engineName, error);
    }
  }

  async #checkStatus(response: IncomingMessage): Promise<void> {
    const status = response.statusCode ?? 0;
    if (status >= 400) throw answeredError(this.engineName, status, await readText(response));
  }

  /** Resolves with the head of the answer. The deadline covers the body too, except that of a stream. */
  async #send(
    call: Call,
    options: { deadlineMs: number; agent: Agent | false; signal?: AbortSignal | undefined },
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const body =
      call.bytes?.data ?? (call.body === undefined ? null : Buffer.from(JSON.stringify(call.body)));
    const request = httpRequest({
      socketPath: this.#socketPath,
      method: call.method,
      path: call.path,
      agent: options.agent,
      headers: {
        host: "engine",
        [controlVersionHeader]: `${controlVersion}`,
        ...(body === null
          ? {}
          : { "content-type": call.bytes?.type ?? "application/json", "content-length": body.length }),
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const deadline = setTimeout(() => {
      request.destroy(
        engineLost(this.engineName, `it has not answered within ${options.deadlineMs / 1000} s`),
      );
    }, options.deadlineMs);
    request.on("response", (response) => {
      if (options.agent === false) clearTimeout(deadline);
      else response.on("close", () => clearTimeout(deadline));
      resolve(response);
    });
    request.on("error", (error) => {
      clearTimeout(deadline);
      reject(error);
    });
    request.end(body ?? undefined);
    return promise;
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new Error(`the answer is longer than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
