/** What the engine does for each order of the control socket. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { controlVersion, controlVersionHeader } from "../../protocol/control.ts";
import type { ErrorResponse } from "../../protocol/control.ts";
import type { InvokeAccepted } from "../../protocol/invocations.ts";
import { AetherError, assertNever, toAetherError } from "../../protocol/errors.ts";
import type { ControlCore } from "./control-core.ts";
import { httpStatus } from "./http-status.ts";
import { parseRequest } from "./parse-request.ts";
import type { ControlRequest } from "./parse-request.ts";
import { readDeployFile, readEvent } from "./read-body.ts";
import { StreamQueue } from "./stream-queue.ts";
import { streamTap } from "./tap-stream.ts";
import { StreamWriter } from "./stream.ts";

export interface RouteOptions {
  readonly core: ControlCore;
  /** How long an order may take before its caller is told that it is still under way. */
  readonly orderDeadlineMs: number;
  /** The streams that are open, to be ended with the engine. */
  readonly streams: Set<StreamWriter>;
}

/** Answers one request; never throws. */
export async function handleRequest(
  options: RouteOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    checkVersion(request);
    const parsed = parseRequest(request.method ?? "", request.url ?? "");
    if (!parsed.ok) sendError(response, parsed.error, parsed.status);
    else await dispatch(options, parsed.request, request, response);
  } catch (error) {
    const failure = toAetherError(error, "the control request failed");
    const status = failure.data["status"];
    sendError(response, failure, typeof status === "number" ? status : httpStatus(failure.code));
  }
}

async function dispatch(
  options: RouteOptions,
  order: ControlRequest,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { core } = options;
  const within = <T>(what: string, work: Promise<T>): Promise<T> =>
    withDeadline(what, work, options.orderDeadlineMs);
  switch (order.type) {
    case "state":
      return sendJson(response, 200, core.view());
    case "stream":
      return openStream(options, order, response);
    case "events":
      if (order.follow) return openFollow(options, order, response);
      return sendJson(response, 200, core.events(order.tail));
    case "wakes":
      return sendJson(response, 200, core.wakes(order.functionId, order.tail));
    case "logs":
      if (order.follow) return openFollow(options, order, response);
      return sendJson(response, 200, core.logs(order.functionId, order.tail));
    case "invocations":
      return sendJson(response, 200, core.invocations(order.functionId, order.tail));
    case "invoke": {
      const event = await readEvent(request);
      // A caller that waits and goes away gives it up.
      const abort = new AbortController();
      if (order.wait)
        response.once("close", () => {
          if (!response.writableFinished) abort.abort();
        });
      const { id, result } = core.invoke(order.functionId, { ...order.order, ...event }, abort.signal);
      if (!order.wait) return sendJson(response, 202, { id } satisfies InvokeAccepted);
      return sendJson(response, 200, await within(`invocation ${id}`, result));
    }
    case "action":
      return sendJson(
        response,
        200,
        await within(`${order.action} of ${order.functionId}`, core.action(order.functionId, order.action)),
      );
    case "config":
      return sendJson(response, 200, core.config());
    case "tap":
      return await streamTap(core, order.request, response);
    case "connections":
      return sendJson(response, 200, await within("the count of connections", core.connections()));
    case "reload":
      return sendJson(response, 200, await within("the reload", core.reload()));
    case "deploy": {
      const file = await readDeployFile(request);
      return sendJson(response, 200, await within(`the deploy of ${file}`, core.deploy(file)));
    }
    case "shutdown":
      await within("the shutdown", core.shutdown());
      return sendJson(response, 202, {});
    default:
      return assertNever(order);
  }
}

/** The stream of consoles and of an engine's own lines: greeting, state, the last events and lines, then whatever changes. */
function openStream(
  options: RouteOptions,
  order: Extract<ControlRequest, { type: "stream" }>,
  response: ServerResponse,
): void {
  const { core } = options;
  const view = core.view();
  const lines = order.logs === null ? [] : core.logs(order.logs === "*" ? null : order.logs, order.tail);
  const writer = new StreamWriter(
    response,
    new StreamQueue({
      filter: {
        state: order.functions ? "all" : "engine",
        events: true,
        logs: order.logs,
        invocations: order.invocations !== null,
      },
    }),
  );
  writer.write({ type: "hello", version: controlVersion, engine: view.engine.name });
  writer.push({ type: "state", state: view });
  for (const event of core.events(order.events)) writer.push({ type: "event", event });
  if (lines.length > 0) writer.push({ type: "logs", lines });
  const records = order.invocations === null ? [] : core.invocations(null, order.invocations);
  if (records.length > 0) writer.push({ type: "invocations", records });
  follow(options, writer, response);
}

/** `logs -f` and `events -f`: the same messages, of one kind only. */
function openFollow(
  options: RouteOptions,
  order: Extract<ControlRequest, { type: "logs" | "events" }>,
  response: ServerResponse,
): void {
  const { core } = options;
  const functionId = order.type === "logs" ? order.functionId : null;
  const lines = functionId === null ? [] : core.logs(functionId, order.tail);
  const filter = { state: null, events: order.type === "events", logs: functionId, invocations: false };
  const writer = new StreamWriter(response, new StreamQueue({ filter }));
  writer.write({ type: "hello", version: controlVersion, engine: core.view().engine.name });
  if (order.type === "events")
    for (const event of core.events(order.tail)) writer.push({ type: "event", event });
  if (lines.length > 0) writer.push({ type: "logs", lines });
  follow(options, writer, response);
}

/** In the same turn as the history was read, so that nothing falls between the two. */
function follow(options: RouteOptions, writer: StreamWriter, response: ServerResponse): void {
  const unsubscribe = options.core.onChange((change) => writer.push(change));
  options.streams.add(writer);
  response.on("close", () => {
    unsubscribe();
    options.streams.delete(writer);
  });
}

function checkVersion(request: IncomingMessage): void {
  const version = request.headers[controlVersionHeader];
  if (version === undefined || version === `${controlVersion}`) return; // curl sends none
  throw new AetherError(
    "AE_USAGE",
    `this engine speaks version ${controlVersion} of the control protocol, not ${String(version)}`,
    {
      hint: "Use the `aether` that started the engine, or restart the engine with this one.",
    },
  );
}

async function withDeadline<T>(what: string, work: Promise<T>, deadlineMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new AetherError("AE_ENGINE_LOST", `${what} has not ended within ${deadlineMs / 1000} s`, {
        hint: "It goes on; `aether ps` shows how it ends.",
      }),
    );
  }, deadlineMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    [controlVersionHeader]: `${controlVersion}`,
  });
  response.end(text);
}

function sendError(response: ServerResponse, error: AetherError, status: number): void {
  if (response.headersSent) return void response.destroy();
  // The rest of a body that was refused is not read: the connection ends with the answer.
  if (status === 413) response.setHeader("connection", "close");
  sendJson(response, status, { error: error.toJSON() } satisfies ErrorResponse);
}
