import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, onTestFinished, test, vi } from "vitest";

const base = await mkdtemp(join(tmpdir(), "aether-lock-"));
vi.stubEnv("AETHER_RUNTIME_DIR", base);
const { acquireEngineLock } = await import("../../../src/engine/lock.ts");
const { processStartTicks } = await import("../../../src/protocol/process-start.ts");

const request = (name: string) => ({
  name,
  version: "0.1.0",
  configFile: "/etc/aether.yaml",
  startedAtMs: 1000,
});
const lockFile = (name: string): string => join(base, name, "engine.json");

async function leave(name: string, content: unknown): Promise<void> {
  await mkdir(join(base, name), { recursive: true });
  await writeFile(lockFile(name), typeof content === "string" ? content : JSON.stringify(content));
}

beforeAll(() => vi.stubEnv("AETHER_RUNTIME_DIR", base));
afterAll(async () => rm(base, { recursive: true, force: true }));

describe("engine lock", () => {
  test("is taken, private, and given back", async ({ expect }) => {
    const result = acquireEngineLock(request("one"));
    if (!result.ok) throw result.error;
    expect(JSON.parse(await readFile(lockFile("one"), "utf8"))).toMatchObject({
      name: "one",
      pid: process.pid,
    });
    expect((await stat(join(base, "one"))).mode & 0o777).toBe(0o700);
    expect((await stat(lockFile("one"))).mode & 0o777).toBe(0o600);
    result.lock.setConfigFile("/other.yaml");
    expect(JSON.parse(await readFile(lockFile("one"), "utf8"))).toMatchObject({ configFile: "/other.yaml" });
    result.lock.release();
    expect(await readdir(join(base, "one"))).toEqual([]);
  });

  test("a second engine of the name is refused, naming pid and start of the first", ({ expect }) => {
    const first = acquireEngineLock(request("two"));
    if (!first.ok) throw first.error;
    onTestFinished(() => first.lock.release());
    const second = acquireEngineLock(request("two"));
    expect(second).toMatchObject({ ok: false, error: { code: "AE_ENGINE_RUNNING" } });
    if (!second.ok) expect(second.error.message).toContain(`process ${process.pid}`);
    if (!second.ok) expect(second.error.message).toContain("1970-01-01T00:00:01.000Z");
  });

  test("the lock of a dead engine is taken over and its record handed on", async ({ expect }) => {
    const child = spawn("true");
    await once(child, "exit");
    await leave("three", { ...request("three"), pid: child.pid, startTicks: 5 });
    const result = acquireEngineLock(request("three"));
    if (!result.ok) throw result.error;
    expect(result.lock.previous).toMatchObject({ pid: child.pid });
    result.lock.release();
  });

  test("a process that got the pid of a dead engine is not mistaken for it", async ({ expect }) => {
    await leave("four", {
      ...request("four"),
      pid: process.ppid,
      startTicks: (processStartTicks(process.ppid) ?? 0) + 1,
    });
    const result = acquireEngineLock(request("four"));
    expect(result.ok).toBe(true);
    if (result.ok) result.lock.release();
  });

  test("a lock file that a crash cut short is replaced", async ({ expect }) => {
    await leave("five", '{"name":"fi');
    const result = acquireEngineLock(request("five"));
    expect(result.ok).toBe(true);
    if (result.ok) result.lock.release();
  });

  test("a claim left by a crash does not block for ever", async ({ expect }) => {
    await leave("six", { ...request("six"), pid: 1, startTicks: 1 });
    await writeFile(`${lockFile("six")}.claim`, JSON.stringify({ ...request("six"), pid: 1, startTicks: 1 }));
    const result = acquireEngineLock(request("six"));
    expect(result.ok).toBe(true);
    if (result.ok) result.lock.release();
  });

  test("a lock that is no longer ours is left alone", async ({ expect }) => {
    const result = acquireEngineLock(request("seven"));
    if (!result.ok) throw result.error;
    await leave("seven", { ...request("seven"), pid: 1, startTicks: 1 });
    result.lock.release();
    expect(await readdir(join(base, "seven"))).toEqual(["engine.json"]);
  });

  test("of many engines that find a stale lock together one gets it", async ({ expect }) => {
    await leave("many", { ...request("many"), pid: 1, startTicks: 1 });
    const module = new URL("../../../src/engine/lock.ts", import.meta.url).href;
    const script = `import { acquireEngineLock } from ${JSON.stringify(module)};
      const at = Number(process.argv[1]); while (Date.now() < at);
      const r = acquireEngineLock(${JSON.stringify(request("many"))});
      process.stdout.write(r.ok ? "won" : r.error.code); setTimeout(() => r.ok && r.lock.release(), 700);`;
    const start = `${Date.now() + 700}`;
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, start], {
          env: { ...process.env, AETHER_RUNTIME_DIR: base },
        });
        let out = "";
        child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
        await once(child, "close");
        return out;
      }),
    );
    expect(outcomes.filter((outcome) => outcome === "won")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "AE_ENGINE_RUNNING")).toHaveLength(5);
  });
});
