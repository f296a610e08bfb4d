/** A request line of the control socket as one of the orders it knows; everything in it is checked here. */
import { controlPaths, functionActions } from "../../protocol/control.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { InvokeOrder } from "../../protocol/invocations.ts";
import type { TapRequest } from "../../protocol/tap.ts";
import { idPattern, maxFunctionIdLength } from "../../protocol/paths.ts";

export type ControlRequest =
  | { readonly type: "state" }
  | {
      readonly type: "stream";
      /** Whether its states are to tell of the functions, too. */
      readonly functions: boolean;
      readonly logs: string | null;
      readonly events: number;
      readonly tail: number;
      /** Invocations to begin with; `null`: none at all. */
      readonly invocations: number | null;
    }
  | { readonly type: "tap"; readonly request: TapRequest }
  | { readonly type: "events"; readonly tail: number; readonly follow: boolean }
  | { readonly type: "wakes"; readonly functionId: string | null; readonly tail: number }
  | { readonly type: "invocations"; readonly functionId: string | null; readonly tail: number }
  | {
      readonly type: "invoke";
      readonly functionId: string;
      readonly order: Omit<InvokeOrder, "event" | "encoding">;
      readonly wait: boolean;
    }
  | { readonly type: "logs"; readonly functionId: string; readonly tail: number; readonly follow: boolean }
  | { readonly type: "action"; readonly functionId: string; readonly action: FunctionAction }
  | { readonly type: "connections" }
  | { readonly type: "config" }
  | { readonly type: "reload" }
  | { readonly type: "deploy" }
  | { readonly type: "shutdown" };

export type ParsedRequest =
  | { readonly ok: true; readonly request: ControlRequest }
  | { readonly ok: false; readonly status: number; readonly error: AetherError };

export const maxTail = 10_000;

export function parseRequest(method: string, target: string): ParsedRequest {
  let url: URL;
  try {
    url = new URL(target, "http://engine");
  } catch {
    return refuse(400, `cannot understand the address ${JSON.stringify(target)}`);
  }
  const found = match(url);
  if (found === null) return refuse(404, `the control socket knows no ${url.pathname}`);
  if (found instanceof AetherError) return { ok: false, status: 400, error: found };
  const expected = isReading(found) ? "GET" : "POST";
  if (method !== expected) return refuse(405, `${url.pathname} takes ${expected}, not ${method}`);
  return { ok: true, request: found };
}

/** `null`: no such path. */
function match(url: URL): ControlRequest | AetherError | null {
  const query = url.searchParams;
  try {
    switch (url.pathname) {
      case controlPaths.state:
        return { type: "state" };
      case controlPaths.stream: {
        const logs = query.get("logs");
        if (logs !== null && logs !== "*") checkId(logs);
        const invocations = query.has("invocations") ? count(query, "invocations", 0) : null;
        const lengths = { events: count(query, "events", 0), tail: count(query, "tail", 0) };
        return { type: "stream", functions: flag(query, "functions", "1"), logs, ...lengths, invocations };
      }
      case controlPaths.events:
        return { type: "events", tail: count(query, "tail", 100), follow: flag(query, "follow") };
      case controlPaths.wakes: {
        const id = query.get("function");
        return {
          type: "wakes",
          functionId: id === null ? null : checkId(id),
          tail: count(query, "tail", 100),
        };
      }
      case controlPaths.config:
        return { type: "config" };
      case controlPaths.tap:
        return { type: "tap", request: tapRequest(query) };
      case controlPaths.connections:
        return { type: "connections" };
      case controlPaths.invocations: {
        const id = query.get("function");
        const functionId = id === null ? null : checkId(id);
        return { type: "invocations", functionId, tail: count(query, "tail", 100) };
      }
      case controlPaths.reload:
        return { type: "reload" };
      case controlPaths.deploy:
        return { type: "deploy" };
      case controlPaths.shutdown:
        return { type: "shutdown" };
      default:
        return matchFunction(url);
    }
  } catch (error) {
    if (error instanceof AetherError) return error;
    throw error;
  }
}

function matchFunction(url: URL): ControlRequest | null {
  const parts = /^\/v1\/functions\/([^/]+)\/([a-z]+)$/.exec(url.pathname);
  const [, encoded, verb] = parts ?? [];
  if (encoded === undefined || verb === undefined) return null;
  const action = functionActions.find((each) => each === verb);
  if (action === undefined && verb !== "logs" && verb !== "invoke") return null;
  const functionId = checkId(decode(encoded));
  if (action !== undefined) return { type: "action", functionId, action };
  if (verb === "invoke") return matchInvoke(functionId, url.searchParams);
  return {
    type: "logs",
    functionId,
    tail: count(url.searchParams, "tail", 100),
    follow: flag(url.searchParams, "follow"),
  };
}

/** The longest that an invocation may be waited for: shorter than an order's deadline. */
const maxInvokeMs = 300_000;

function matchInvoke(functionId: string, query: URLSearchParams): ControlRequest {
  const timeout = query.get("timeout");
  if (timeout !== null && !(/^[1-9]\d{0,5}$/.test(timeout) && Number(timeout) <= maxInvokeMs))
    throw usage(`timeout=${timeout.slice(0, 20)} is not a number of milliseconds from 1 to ${maxInvokeMs}`);
  const method = query.get("method");
  if (method !== null && !/^[A-Z]{1,16}$/.test(method))
    throw usage(`method=${method.slice(0, 20)} is not an HTTP method in capitals`);
  const path = query.get("path") ?? "/";
  if (!/^\/[\x21-\x7e]{0,8191}$/.test(path))
    throw usage("path is not a path that begins with /, without blanks");
  const headers = parseHeaders(query.getAll("header"));
  const order = { timeoutMs: timeout === null ? null : Number(timeout), method, path, headers };
  return { type: "invoke", functionId, order, wait: (query.get("wait") ?? "1") !== "0" };
}

/** The connection to the function, and how a body is framed, are the engine's (RFC 9110, section 7.6.1). */
const ownHeaders = new Set([
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "keep-alive",
  "te",
  "trailer",
]);

function parseHeaders(lines: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name = "", value = ""] =
      /^([!#$%&'*+.^_`|~\w-]{1,256}):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name === "")
      throw usage(
        `header=${line.slice(0, 40)} is no header`,
        "a header is written as NAME: VALUE, in one line",
      );
    if (ownHeaders.has(name.toLowerCase())) throw usage(`the header ${name} is the engine's own`);
    headers[name.toLowerCase()] = value.trim();
  }
  return headers;
}

function isReading(request: ControlRequest): boolean {
  return (
    request.type === "state" ||
    request.type === "stream" ||
    request.type === "events" ||
    request.type === "wakes" ||
    request.type === "invocations" ||
    request.type === "logs" ||
    request.type === "tap" ||
    request.type === "config" ||
    request.type === "connections"
  );
}

function tapRequest(query: URLSearchParams): TapRequest {
  const port = query.get("port");
  if (port !== null && !(/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535))
    throw usage(`port=${port.slice(0, 20)} is not a port from 1 to 65535`);
  const name = query.get("interface");
  // IFNAMSIZ is 16 with the end mark; the kernel allows neither blank nor slash.
  if (name !== null && !/^[^\s/:]{1,15}$/.test(name))
    throw usage(`interface=${JSON.stringify(name.slice(0, 40))} is not the name of an interface`);
  return { port: port === null ? null : Number(port), interface: name };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usage(`${JSON.stringify(text)} is not a function id`);
  }
}

function checkId(id: string): string {
  if (id.length <= maxFunctionIdLength && idPattern.test(id)) return id;
  throw usage(
    `${JSON.stringify(id.slice(0, 80))} is not a function id`,
    `an id has letters, digits, - and _, at most ${maxFunctionIdLength}`,
  );
}

function count(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= maxTail) return value;
  throw usage(`${name}=${text.slice(0, 20)} is not a number from 0 to ${maxTail}`);
}

function flag(query: URLSearchParams, name: string, absent: "0" | "1" = "0"): boolean {
  const text = query.get(name) ?? absent;
  if (text === "0" || text === "1") return text === "1";
  throw usage(`${name}=${text.slice(0, 20)} is neither 0 nor 1`);
}

function usage(what: string, why?: string): AetherError {
  return new AetherError("AE_USAGE", what, why === undefined ? {} : { why });
}

function refuse(status: number, what: string): ParsedRequest {
  return { ok: false, status, error: usage(what) };
}
