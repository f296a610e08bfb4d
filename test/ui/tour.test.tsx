/**
 * A tour of the console: a picture of each view for the README and the documentation, and a test that they still look
 * like it. AETHER_UPDATE_DOCS=1 takes the pictures anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AetherError } from "../../src/protocol/errors.ts";
import type { FunctionView } from "../../src/protocol/views.ts";
import { asleep, fakeFunction, fakeWake } from "../helpers/fake-engine-views.ts";
import type { FakeEngine } from "../helpers/fake-engine.ts";
import { layoutOf, screenSvg } from "../helpers/screen-svg.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

const columns = 112;
const rows = 30;

/** Pictures show clock times: everywhere the same ones. */
const zone = process.env["TZ"];
beforeEach(() => void (process.env["TZ"] = "UTC"));
afterEach(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
});

const neverReady = new AetherError("AE_READY_TIMEOUT", "function never-ready was not ready within 5 s", {
  why: "nothing came over the handshake socket, and port 8088 is not listening",
  hint: "Send READY over $AETHER_SOCKET once the server can serve, or declare `ready: port`.",
  data: { output: ["connecting to db.internal:5432 …", "connection timed out"] },
}).toJSON();

const functions: readonly FunctionView[] = [
  fakeFunction("hello-python", 0),
  fakeFunction("hello-node", 1, { state: "Suspended" }),
  asleep("counter", 2),
  asleep("sqlite", 3),
  fakeFunction("tcp-echo", 4),
  asleep("static-files", 5, { activity: "restoring" }),
  fakeFunction("thumbnails", 6, { state: "Suspended" }),
  fakeFunction("mailer", 7),
  asleep("never-ready", 8, {
    state: "Uninitialized",
    snapshot: null,
    wakes: 0,
    activity: "backoff",
    exits: 3,
    lastError: neverReady,
    restore: { count: 0, lastMs: null, p50Ms: null, p95Ms: null, p99Ms: null },
  }),
];

/** A morning in the life of some functions, always the same. */
function live(engine: FakeEngine): void {
  const ids = ["hello-python", "counter", "sqlite", "tcp-echo", "mailer"] as const;
  for (let index = 0; index < 40; index += 1) {
    const id = ids[(index * 3) % ids.length] ?? "counter";
    const restoreMs = 7.1 + ((index * 13) % 40) / 10;
    const isSlow = index % 11 === 10;
    const shown = isSlow ? 19.4 : restoreMs;
    engine.event({ ...fakeWake(id), restoreMs: shown, totalMs: shown + 0.7, overBudget: isSlow });
    engine.log(id, `127.0.0.1 - "GET /items/${index} HTTP/1.1" 200 - ${(shown + 1.3).toFixed(1)} ms`);
    if (index % 4 === 0) engine.log(id, `WARN cache miss for item:${index}, asking the database`, "stderr");
    if (index % 9 === 0)
      engine.log(id, `{"level":"error","msg":"no route to db.internal","tries":${index}}`, "stderr");
    if (index % 3 === 0) {
      const change = { functionId: id, instance: id, from: "Running", to: "WarmSnapshot" } as const;
      engine.event({ ...change, type: "transition", durationMs: 131, cause: "idle" });
    }
  }
  engine.event({ type: "error", functionId: "never-ready", error: neverReady });
}

interface Stop {
  readonly name: string;
  readonly presses: readonly string[];
  readonly sees: string | RegExp;
}

const stops: readonly Stop[] = [
  { name: "functions", presses: [], sees: "FUNCTION" },
  { name: "details", presses: [keys.enter], sees: "hello-python details" },
  { name: "log", presses: [keys.esc, "l"], sees: "hello-python log" },
  { name: "logs", presses: [keys.esc, "2", "/", "items/3", keys.enter], sees: /search items\/3 \d+ of/ },
  { name: "events", presses: [keys.esc, "3"], sees: "events" },
  { name: "wakes", presses: ["4"], sees: "over budget" },
  { name: "system", presses: ["5"], sees: "Debian GNU/Linux" },
  { name: "config", presses: ["6"], sees: /▐6/ },
  { name: "invocations", presses: ["7"], sees: /▐7/ },
  { name: "network", presses: ["8"], sees: /▐8/ },
  { name: "packets", presses: ["9"], sees: /▐9/ },
  { name: "palette", presses: ["1", ":", "snap"], sees: "command" },
  { name: "question", presses: [keys.esc, "X"], sees: "Kill hello-python?" },
  { name: "help", presses: [keys.esc, "?"], sees: "STATES" },
];

const picture = (name: string): URL => new URL(`../../docs/images/console-${name}.svg`, import.meta.url);

test(
  "a tour of the console looks as in its pictures (AETHER_UPDATE_DOCS=1 takes them anew)",
  { timeout: 60_000 },
  async () => {
    await using running = startConsole(columns, rows, { functions }, {});
    const { screen, engine } = running;
    await screen.see("hello-python");
    live(engine);
    await screen.see("never-ready was not ready");
    for (const { name, presses, sees } of stops) {
      await screen.press(...presses);
      await screen.see(sees);
      const svg = screenSvg(await screen.settled());
      if (process.env["AETHER_UPDATE_DOCS"] === "1") writeFileSync(picture(name), svg);
      const wanted = layoutOf(readFileSync(picture(name), "utf8"));
      expect(layoutOf(svg), name).toBe(wanted);
    }
  },
);
