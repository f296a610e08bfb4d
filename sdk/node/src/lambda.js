/** HTTP as an event and back: the shapes of AWS Lambda's HTTP API, payload format 2.0. */
import { Readable } from "node:stream";
import { context } from "./context.js";

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** @param {string} contentType */
function isText(contentType) {
  const kind = (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
  return (
    kind.startsWith("text/") ||
    ["application/json", "application/xml", "application/javascript"].includes(kind) ||
    kind.endsWith("+json") ||
    kind.endsWith("+xml")
  );
}

/** @param {number} value */
const two = (value) => String(value).padStart(2, "0");

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @param {Uint8Array} body */
function textOf(body) {
  try {
    return utf8.decode(body);
  } catch {
    return null;
  }
}

/** @param {string} path */
function decodePath(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * The event of a request.
 * @param {import("node:http").IncomingMessage} request
 * @param {Buffer} body
 * @param {string} requestId
 */
export function eventOf(request, body, requestId) {
  const target = request.url ?? "/";
  const mark = target.indexOf("?");
  const path = decodePath(mark < 0 ? target : target.slice(0, mark));
  const rawQuery = mark < 0 ? "" : target.slice(mark + 1);
  /** @type {Record<string, string>} */
  const headers = {};
  /** @type {string[]} */
  const cookies = [];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = (request.rawHeaders[index] ?? "").toLowerCase();
    const value = request.rawHeaders[index + 1] ?? "";
    if (name === "cookie")
      cookies.push(
        ...value
          .split(";")
          .map((each) => each.trim())
          .filter((each) => each !== ""),
      );
    else headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`;
  }
  const now = new Date();
  const host = headers.host ?? "";
  const method = request.method ?? "GET";
  /** @type {Record<string, unknown>} */
  const event = {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: rawQuery,
    headers,
    requestContext: {
      accountId: "anonymous",
      apiId: context.functionId,
      domainName: host,
      domainPrefix: host.split(".", 1)[0],
      http: {
        method,
        path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress ?? "",
        userAgent: headers["user-agent"] ?? "",
      },
      requestId,
      routeKey: "$default",
      stage: "$default",
      time: `${two(now.getUTCDate())}/${months[now.getUTCMonth()]}/${now.getUTCFullYear()}:${two(now.getUTCHours())}:${two(now.getUTCMinutes())}:${two(now.getUTCSeconds())} +0000`,
      timeEpoch: now.getTime(),
    },
    isBase64Encoded: false,
  };
  if (cookies.length > 0) event.cookies = cookies;
  if (rawQuery !== "") {
    /** @type {Record<string, string>} */
    const query = {};
    for (const [name, value] of new URLSearchParams(rawQuery))
      query[name] = query[name] === undefined ? value : `${query[name]},${value}`;
    event.queryStringParameters = query;
  }
  if (body.length > 0) {
    const text = isText(headers["content-type"] ?? "") ? textOf(body) : null;
    event.body = text ?? body.toString("base64");
    event.isBase64Encoded = text === null;
  }
  return event;
}

/**
 * The response that a handler's result means. Throws where it means none.
 * @param {any} result
 * @returns {{ status: number, headers: [string, string][], body: Uint8Array | Readable }}
 */
export function responseOf(result) {
  if (typeof result !== "object" || result === null || !("statusCode" in result)) {
    const text = typeof result === "string" ? result : (JSON.stringify(result) ?? "null");
    const body = result instanceof Uint8Array ? result : Buffer.from(text);
    return { status: 200, headers: [["content-type", "application/json"]], body };
  }
  const status = Number(result.statusCode);
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new TypeError(`statusCode ${String(result.statusCode)}`);
  /** @type {[string, string][]} */
  const headers = [];
  for (const [name, value] of Object.entries(result.headers ?? {})) headers.push([name, String(value)]);
  for (const [name, values] of Object.entries(result.multiValueHeaders ?? {}))
    for (const value of /** @type {unknown[]} */ (values)) headers.push([name, String(value)]);
  for (const cookie of result.cookies ?? []) headers.push(["set-cookie", String(cookie)]);
  if (!headers.some(([name]) => name.toLowerCase() === "content-type"))
    headers.push(["content-type", "application/json"]);
  return { status, headers, body: bodyOf(result) };
}

/** @param {any} result */
function bodyOf(result) {
  const { body } = result;
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (body instanceof Uint8Array) return body;
  if (typeof body === "string") return Buffer.from(body, result.isBase64Encoded === true ? "base64" : "utf8");
  if (body instanceof Readable) return body;
  if (
    typeof body === "object" &&
    (Symbol.asyncIterator in body || Symbol.iterator in body) &&
    !Array.isArray(body)
  )
    return Readable.from(body);
  return Buffer.from(JSON.stringify(body));
}

/**
 * The second argument of a handler, as AWS Lambda has it.
 * @param {string} requestId
 * @param {number} deadline performance.now() at which the time limit runs out
 */
export function lambdaContext(requestId, deadline) {
  return {
    awsRequestId: requestId,
    functionName: context.functionId,
    functionVersion: "$LATEST",
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${context.functionId}`,
    memoryLimitInMB: process.env.AETHER_MEMORY_LIMIT_MB ?? "",
    logGroupName: `/aether/${context.functionId}`,
    logStreamName: context.instanceId,
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadline - performance.now())),
  };
}
