/**
 * Clones of one image never draw the same value twice. Ten draws of each generator a clone; AETHER_TEST_CLONES=1000 is the
 * long run. AETHER_TEST_NUMPY names a folder with numpy, whose global generator is drawn from then as well.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlRequests } from "../../src/client/control-requests.ts";
import { get } from "../helpers/clients.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import { restless } from "../helpers/observe.ts";

const clones = Number(process.env["AETHER_TEST_CLONES"] ?? 25);
const numpy = process.env["AETHER_TEST_NUMPY"];
const timeoutMs = Math.max(60_000, clones * 1_000);

let engine: TestEngine;
let requests: ControlRequests;
const ports = { "plain-python": 0, "plain-node": 0 };

beforeAll(async () => {
  ports["plain-python"] = await freePort();
  ports["plain-node"] = await freePort();
  const common = { sleep: "golden", idle: restless, env: { PATH: process.env["PATH"] } };
  engine = await TestEngine.start({
    functions: [
      {
        ...common,
        id: "events-python",
        handler: { runtime: "python", entry: "app.handle" },
        cwd: fixture("events-python"),
        env: { PATH: "/usr/bin:/bin", ...(numpy === undefined ? {} : { PYTHONPATH: numpy }) },
      },
      {
        ...common,
        id: "events-node",
        handler: { runtime: "node", entry: "app.handle" },
        cwd: fixture("events-node"),
      },
      // Servers of their own that only import the SDK.
      {
        ...common,
        id: "plain-python",
        command: "/usr/bin/python3 server.py",
        cwd: fixture("sdk-servers"),
        trigger_port: ports["plain-python"],
        ring: true,
      },
      {
        ...common,
        id: "plain-node",
        command: "node server.mjs",
        cwd: fixture("sdk-servers"),
        trigger_port: ports["plain-node"],
        ring: true,
      },
    ],
  });
  requests = new ControlRequests(engine.name, join(engine.folder, "run", engine.name, "control.sock"));
}, 60_000);

afterAll(async () => {
  requests[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
  expect(engine.leftovers()).toEqual([]);
});

type Draws = Readonly<Record<string, readonly (string | number)[]>>;

async function drawsOf(id: string): Promise<Draws> {
  if (id === "plain-python" || id === "plain-node")
    return JSON.parse((await get(ports[id], "/draws")).body) as Draws;
  const event = Buffer.from(JSON.stringify({ do: "draws" }));
  const order = { event, encoding: "json", timeoutMs: null, method: null, path: "/", headers: {} } as const;
  return JSON.parse((await requests.invoke(id, order)).result) as Draws;
}

describe.each(["events-python", "events-node", "plain-python", "plain-node"])("clones of %s", (id) => {
  test(
    `${clones} of them draw ten values of each generator, no value twice`,
    async () => {
      await engine.settled(id, "WarmSnapshot");
      const seen = new Map<string, Set<string | number>>();
      let drawn = 0;
      for (let clone = 0; clone < clones; clone++) {
        for (const [generator, values] of Object.entries(await drawsOf(id))) {
          const former = seen.get(generator) ?? new Set();
          seen.set(generator, former);
          drawn += values.length;
          for (const value of values) {
            expect(former.has(value), `${generator}: ${value} of clone ${clone} was drawn before`).toBe(
              false,
            );
            former.add(value);
          }
        }
        await engine.action(id, "snapshot");
      }
      expect(seen.size).toBeGreaterThanOrEqual(4);
      expect(drawn).toBe(seen.size * clones * 10);
    },
    timeoutMs,
  );
});

test("without the SDK they do: what the docs warn of is true", async () => {
  // The same server without the SDK, so that the test above is known to be one.
  const port = await freePort();
  await using plain = await TestEngine.start({
    functions: [
      {
        id: "bare",
        command: "/usr/bin/python3 server.py",
        cwd: fixture("sdk-servers"),
        trigger_port: port,
        ready: "port",
        sleep: "golden",
        idle: restless,
      },
    ],
  });
  const first = JSON.parse((await get(port, "/draws")).body) as Draws;
  await plain.action("bare", "snapshot");
  expect(JSON.parse((await get(port, "/draws")).body)).toEqual(first);
});
