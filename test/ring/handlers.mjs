/** Handlers for the tests of the Node SDK, one by name. */
import { afterRestore, beforeSnapshot, context, serve } from "../../sdk/node/src/index.js";
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { Readable } from "node:stream";

const log = [];

const draws = () => ({
  math: [Math.random(), Math.random()],
  bytes: randomBytes(16).toString("hex"),
  uuid: randomUUID(),
  webUuid: crypto.randomUUID(),
  values: [...crypto.getRandomValues(new Uint32Array(4))],
  int: [randomInt(2 ** 47), randomInt(2 ** 47)],
});

function registerHooks() {
  beforeSnapshot(() => log.push("before 1"));
  beforeSnapshot(async function second() {
    log.push("before 2");
    if (existsSync(process.env.REFUSE ?? "/nowhere")) throw new Error("not now");
  });
  afterRestore(() => log.push("after 1"));
  afterRestore(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    log.push("after 2");
  });
}

const handlers = {
  echo: (event) => event,
  facts: (event, { awsRequestId, getRemainingTimeInMillis }) => ({
    function: context.functionId,
    instance: context.instanceId,
    generation: Number(context.generation),
    restored: context.restored,
    entropy: Buffer.from(context.entropy).toString("hex"),
    requestId: awsRequestId,
    remaining: getRemainingTimeInMillis(),
    event,
  }),
  fail: (event) => {
    throw new RangeError(`no good: ${event}`);
  },
  slow: (event) => new Promise((resolve) => setTimeout(() => resolve("done"), event.seconds * 1000)),
  leave: () => process.exit(3),
  not_json: () => 10n,
  hooks: () => ({ log, draws: draws(), generation: Number(context.generation) }),
  web: async (event) => {
    switch (event.rawPath) {
      case "/event":
        return {
          statusCode: 200,
          headers: { "content-type": "application/json" },
          body: JSON.stringify(event),
        };
      case "/plain":
        return { any: "value" };
      case "/text":
        return "hello";
      case "/binary": {
        const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("base64");
        return {
          statusCode: 201,
          headers: { "Content-Type": "application/x-thing" },
          body,
          isBase64Encoded: true,
        };
      }
      case "/cookies":
        return { statusCode: 204, cookies: ["a=1; Path=/", "b=2"] };
      case "/stream":
        return {
          statusCode: 200,
          headers: { "content-type": "text/plain" },
          body: Readable.from(Array.from({ length: 20 }, (_, n) => `${n}\n`.repeat(10_000))),
        };
      case "/fail":
        throw new Error("a secret detail");
      case "/slow":
        return new Promise(() => undefined);
      case "/wrong":
        return { statusCode: "many" };
      default:
        return { statusCode: 404 };
    }
  },
  later: async (event) => {
    await new Promise((resolve) => setTimeout(resolve, event.seconds * 1000));
    return event.name;
  },
};

if (process.argv[2] === "hooks") registerHooks();
await serve(handlers[process.argv[2]]);
process.exit(0);
