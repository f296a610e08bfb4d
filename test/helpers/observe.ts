/** What a test sees of an engine from outside: its output lines, errors, and the processes of its functions. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ControlRequests } from "../../src/client/control-requests.ts";
import type { ErrorData } from "../../src/protocol/errors.ts";
import type { ErrorCode } from "../../src/protocol/error-codes.ts";
import { get } from "./clients.ts";
import { fixture, freePort } from "./engine.ts";
import type { Declaration, TestEngine } from "./engine.ts";

/** A function that sleeps and wakes only when it is told to. */
export const restless = { suspend_after: "never", snapshot_after: "never" } as const;

/** Declares a Python fixture on a free port of its own, asleep only upon an order. */
export async function python(
  id: string,
  folder: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Declaration & { readonly trigger_port: number }> {
  return {
    id,
    command: "/usr/bin/python3 handler.py",
    cwd: fixture(folder),
    trigger_port: await freePort(),
    idle: restless,
    ...more,
  };
}

/** One question to the probe fixture. */
export async function ask<T = unknown>(
  port: number,
  path: string,
  query: Record<string, string> = {},
): Promise<T> {
  const { status, body } = await get(port, `${path}?${new URLSearchParams(query).toString()}`);
  if (status !== 200) throw new Error(`${path}: status ${status}`);
  return JSON.parse(body) as T;
}

/** The lines a function has written so far. */
export async function outputLines(engine: TestEngine, id: string, stream?: string): Promise<string[]> {
  using requests = new ControlRequests(engine.name, join(engine.folder, "run", engine.name, "control.sock"));
  const lines = await requests.logs(id, 1_000);
  return lines.filter((line) => stream === undefined || line.stream === stream).map(({ text }) => text);
}

/** Waits until something holds. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await pause(10);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for an error of a function, reported at or after the given event. */
export async function errorOf(
  engine: TestEngine,
  id: string,
  code: ErrorCode,
  from = 0,
  timeoutMs = 15_000,
): Promise<ErrorData> {
  const event = await engine.waitFor(
    (event) => event.type === "error" && event.functionId === id && event.error.code === code,
    `${code} of ${id}`,
    timeoutMs,
    from,
  );
  if (event.type !== "error") throw new Error("not reached");
  return event.error;
}

/** All errors of a function so far. */
export function errorsOf(engine: TestEngine, id: string, from = 0): ErrorData[] {
  return engine.events
    .slice(from)
    .flatMap((event) => (event.type === "error" && event.functionId === id ? [event.error] : []));
}

/** Host process ids in the cgroup of a function, by name (comm) where one is given. */
export function processesOf(engine: TestEngine, id: string, name?: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const inside = new RegExp(`/aether-${engine.name}/fn-${id}$`, "m").test(
          readFileSync(`/proc/${pid}/cgroup`, "utf8"),
        );
        return inside && (name === undefined || readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name);
      } catch {
        return false; // Ended meanwhile.
      }
    });
}

/** Waits for the CRIU worker that was started ahead for the next wake. */
export async function waitingWorker(engine: TestEngine, id: string): Promise<number> {
  await until(() => processesOf(engine, id, "criu").length === 1, `a CRIU worker of ${id}`);
  return processesOf(engine, id, "criu")[0] ?? 0;
}
