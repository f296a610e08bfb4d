import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test, vi } from "vitest";

const base = await mkdtemp(join(tmpdir(), "aether-start-"));
vi.stubEnv("AETHER_RUNTIME_DIR", base);
const { startEngine } = await import("../../../src/engine/start-engine.ts");
const { ControlRequests } = await import("../../../src/client/control-requests.ts");
const workerUrl = new URL("../../helpers/fake-core-worker.ts", import.meta.url);

const options = (engineName: string) => ({
  configFile: "/srv/aether.yaml",
  inline: null,
  engineName,
  onFatal: () => undefined,
  workerUrl,
});

afterAll(() => rm(base, { recursive: true, force: true }));

describe("startEngine", () => {
  test("starts, serves, and ends in order", async ({ expect }) => {
    const output: string[] = [];
    const result = await startEngine({ ...options("one"), onOutput: (text) => void output.push(text) });
    if (!result.ok) throw new Error("refused");
    const { engine } = result;
    using requests = new ControlRequests("one", engine.controlSocket);
    expect((await requests.state()).engine.name).toBe("one");
    await engine.stop("SIGTERM");
    expect(await engine.done).toBeNull();
    expect(output.join("")).toContain("stopping: SIGTERM");
    expect(await readdir(join(base, "one"))).toEqual([]);
  });

  test("a shutdown over the control socket ends it too", async ({ expect }) => {
    const result = await startEngine(options("two"));
    if (!result.ok) throw new Error("refused");
    using requests = new ControlRequests("two", result.engine.controlSocket);
    await requests.shutdown();
    expect(await result.engine.done).toBeNull();
  });

  test("an invalid configuration is an answer", async ({ expect }) => {
    expect(await startEngine(options("invalid"))).toMatchObject({ ok: false, problems: [{ line: 3 }] });
  });

  test("a defect of the worker rejects with its reason", async ({ expect }) => {
    await expect(startEngine(options("broken"))).rejects.toMatchObject({
      code: "AE_INTERNAL",
      why: "a defect",
    });
    await expect(startEngine(options("exit"))).rejects.toMatchObject({ code: "AE_ENGINE_LOST" });
  });

  test("a second engine of the name is refused", async ({ expect }) => {
    const result = await startEngine(options("three"));
    if (!result.ok) throw new Error("refused");
    await expect(startEngine(options("three"))).rejects.toMatchObject({ code: "AE_ENGINE_RUNNING" });
    await result.engine.stop("test");
  });

  test("an engine that never starts is given up", async ({ expect }) => {
    const failure = startEngine({ ...options("silent"), startDeadlineMs: 300 });
    await expect(failure).rejects.toMatchObject({ code: "AE_ENGINE_LOST" });
  });

  test("an engine that dies later is told, once", async ({ expect }) => {
    const fatal = vi.fn<() => void>();
    const result = await startEngine({ ...options("dies"), onFatal: fatal });
    if (!result.ok) throw new Error("refused");
    expect(await result.engine.done).toMatchObject({ code: "AE_LAUNCHER_LOST" });
    expect(fatal).toHaveBeenCalledOnce();
  });

  test("an engine that does not stop is ended after the deadline", async ({ expect }) => {
    const result = await startEngine(options("stubborn"));
    if (!result.ok) throw new Error("refused");
    await result.engine.stop("SIGTERM", 200);
    expect(await result.engine.done).toMatchObject({ code: "AE_ENGINE_LOST" });
  });
});
