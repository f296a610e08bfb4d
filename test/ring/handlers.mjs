/** Handlers for the tests of the Node SDK, one by name. */
import { context, serve } from "../../sdk/node/src/index.js";

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
  later: async (event) => {
    await new Promise((resolve) => setTimeout(resolve, event.seconds * 1000));
    return event.name;
  },
};

await serve(handlers[process.argv[2]]);
process.exit(0);
