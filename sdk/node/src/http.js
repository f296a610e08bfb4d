/** The runner's HTTP server on the trigger port: requests become events, results become responses. */
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { newRequestId, TimeLimit } from "./handler.js";
import { obey } from "./hooks.js";
import { eventOf, responseOf } from "./lambda.js";
import { refresh } from "./reseed.js";

/** @typedef {import("node:http").ServerResponse} ServerResponse */

/**
 * @param {import("./handler.js").Runner} runner
 * @param {{ timeoutMs: number, bodyLimit: number }} limits
 */
export function httpServer(runner, limits) {
  const server = createServer(
    { maxHeaderSize: 65_536, requestTimeout: 60_000, noDelay: true },
    (request, response) => {
      // A wake may have brought this connection: its hooks and the generation come first.
      runner.hold(obey());
      refresh();
      const requestId = newRequestId();
      readBody(request, limits.bodyLimit).then(
        (body) => {
          if (body === null) return sendError(response, 413, requestId);
          runner.start({
            requestId,
            event: eventOf(request, body, requestId),
            timeoutMs: limits.timeoutMs,
            done: (outcome) => void respond(response, requestId, outcome, request.method === "HEAD"),
          });
        },
        () => response.destroy(),
      );
    },
  );
  return server;
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {number} limit
 * @returns {Promise<Buffer | null>} null: too long
 */
async function readBody(request, limit) {
  if (Number(request.headers["content-length"] ?? 0) > limit) return null;
  /** @type {Buffer[]} */
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > limit) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * @param {ServerResponse} response
 * @param {string} requestId
 * @param {import("./handler.js").Outcome} outcome
 * @param {boolean} headOnly
 */
async function respond(response, requestId, outcome, headOnly) {
  if (response.destroyed) return;
  if (!outcome.ok) return sendError(response, outcome.error instanceof TimeLimit ? 504 : 500, requestId);
  try {
    const { status, headers, body } = responseOf(outcome.value);
    /** @type {Map<string, string | string[]>} */
    const joined = new Map();
    for (const [name, value] of headers) {
      const lower = name.toLowerCase();
      if (["content-length", "transfer-encoding", "connection"].includes(lower)) continue;
      const former = joined.get(lower);
      joined.set(lower, former === undefined ? value : [...[former].flat(), value]);
    }
    for (const [name, value] of joined) response.setHeader(name, value);
    response.setHeader("x-request-id", requestId);
    response.statusCode = status;
    if (body instanceof Readable) {
      if (headOnly) return void response.end();
      return await pipeline(body, response);
    }
    if (status !== 204 && status !== 304) response.setHeader("content-length", body.length);
    response.end(headOnly ? undefined : body);
  } catch (error) {
    process.stderr.write(`${requestId}: the result is no response: ${String(error)}\n`);
    if (response.headersSent) response.destroy();
    else sendError(response, 500, requestId);
  }
}

const reasons = new Map([
  [413, "Content Too Large"],
  [500, "Internal Server Error"],
  [504, "Gateway Timeout"],
]);

/**
 * @param {ServerResponse} response
 * @param {number} status
 * @param {string} requestId
 */
function sendError(response, status, requestId) {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const body = JSON.stringify({ message: reasons.get(status), requestId });
  /** @type {Record<string, string | number>} */
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-request-id": requestId,
  };
  // The rest of a body that is too long is not read.
  if (status === 413) headers.connection = "close";
  response.writeHead(status, headers);
  response.end(body);
}
