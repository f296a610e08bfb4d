/** Images that cannot be made, or cannot be restored: told with the reason, a clean state after it, and longer and longer pauses. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { ask, errorOf, errorsOf, processesOf, python, until, waitingWorker } from "../helpers/observe.ts";

describe("an image that no longer fits", () => {
  let engine: TestEngine;
  let folder: string;
  const ports: Record<string, number> = {};
  let endless: Promise<string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "aether-files-"));
    const functions: Declaration[] = [
      // The folder below /tmp is seen by the function because an argument names it.
      ...(await Promise.all(
        [
          { id: "fails", on_restore_failure: "fail" },
          { id: "cold", on_restore_failure: "cold" },
          { id: "golden", sleep: "golden" },
          { id: "damaged", on_restore_failure: "fail" },
          { id: "endless", on_restore_failure: "fail" },
        ].map(({ id, ...more }) =>
          python(id, "probe", { command: ["/usr/bin/python3", "handler.py", folder], ...more }),
        ),
      )),
    ];
    for (const { id, trigger_port: port } of functions) ports[id] = Number(port);
    // Images are damaged between the sleep and the wake.
    engine = await TestEngine.start({ functions, engine: { restore_ahead: "never" } });
    // CRIU reads pages that are not there again and again, without end: only our deadline ends that. It takes half a
    // minute, in which the other tests run.
    truncateSync(imageFile("endless", "pages-1.img"), 4_096);
    endless = get(port("endless"), "/port", "127.0.0.1", 50_000).then(
      () => "answered",
      (error: unknown) => String(error),
    );
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    expect(engine.leftovers()).toEqual([]);
  });

  const port = (id: string): number => ports[id] ?? 0;

  /** Puts the function to sleep with a file open that changes meanwhile. */
  const sleepOnChangedFile = async (id: string): Promise<string> => {
    const path = join(folder, `${id}.log`);
    writeFileSync(path, "");
    await ask(port(id), "/hold", { path });
    await ask(port(id), "/append", { path, text: "before" });
    await engine.action(id, "snapshot");
    appendFileSync(path, " and after");
    return path;
  };

  const imageFile = (id: string, name: string): string => {
    const root = join(engine.snapshotRoot, id);
    // The one before it may not be removed yet.
    const numbers = readdirSync(root).map((entry) => Number(/^image-(\d+)$/.exec(entry)?.[1] ?? 0));
    return join(root, `image-${Math.max(...numbers)}`, name);
  };

  const nothingIsLeft = (id: string): void => {
    expect(processesOf(engine, id, "python3")).toEqual([]);
  };

  it("keep, fail: the client is reset, the file is named, and tries come further and further apart", async () => {
    const id = "fails";
    const path = await sleepOnChangedFile(id);
    let from = engine.events.length;
    await expect(get(port(id))).rejects.toThrow("ECONNRESET");
    const error = await errorOf(engine, id, "AE_RESTORE_FAILED", from);
    expect(error.data).toMatchObject({ function: id, reason: "FileChanged" });
    expect(error.data["path"]).toBe(path);
    expect(error.why).toContain(path);
    expect(error.why).toMatch(/16 bytes now and had 6/);
    expect(await engine.function(id)).toMatchObject({ state: "WarmSnapshot", instances: [] });
    nothingIsLeft(id);

    // The first failure is followed by a try at once, the second by a pause in which a client waits for the third.
    from = engine.events.length;
    await expect(get(port(id))).rejects.toThrow("ECONNRESET");
    await errorOf(engine, id, "AE_RESTORE_FAILED", from);
    await until(async () => (await engine.function(id)).activity === "backoff", "the pause");
    from = engine.events.length;
    const during = get(port(id));
    await expect(during).rejects.toThrow("ECONNRESET");
    await errorOf(engine, id, "AE_RESTORE_FAILED", from);
    expect(errorsOf(engine, id).map(({ code }) => code)).toEqual(
      Array.from({ length: 3 }, () => "AE_RESTORE_FAILED"),
    );
    nothingIsLeft(id);

    // Put right, it wakes with its memory: the port accepts, and the pause ends.
    truncateSync(path, "before".length);
    expect(await ask(port(id), "/append", { path, text: "!" })).toBe("before!");
    expect((await engine.function(id)).coldStarts).toBe(1);
  });

  it("keep, cold: it is started anew, which is told", async () => {
    const id = "cold";
    await sleepOnChangedFile(id);
    const from = engine.events.length;
    expect(await ask(port(id), "/port")).toBe(port(id));
    expect((await errorOf(engine, id, "AE_RESTORE_FAILED", from)).data["reason"]).toBe("FileChanged");
    await engine.waitFor(
      (event) => event.type === "notice" && event.functionId === id && event.text.includes("cold"),
      "the notice",
      5_000,
      from,
    );
    await until(async () => (await engine.function(id)).coldStarts === 2, "the cold start to be counted");
    expect((await engine.settled(id, "Running")).instances).toHaveLength(1);
    await engine.action(id, "snapshot");
    expect(await ask(port(id), "/port")).toBe(port(id));
  });

  it("golden: it is made anew by a cold start, which is told", async () => {
    const id = "golden";
    // The golden image was made before this; made again while the file is open, and the file grows after that.
    const path = join(folder, `${id}.log`);
    writeFileSync(path, "");
    await engine.action(id, "kill");
    expect((await engine.function(id)).state).toBe("Uninitialized");
    await ask(port(id), "/hold", { path });
    await engine.action(id, "snapshot");
    const first = (await engine.function(id)).snapshot;
    expect(first?.golden).toBe(true);
    appendFileSync(path, "grown");
    const from = engine.events.length;
    expect(await ask(port(id), "/port")).toBe(port(id));
    expect((await errorOf(engine, id, "AE_RESTORE_FAILED", from)).data["reason"]).toBe("FileChanged");
    await engine.waitFor(
      (event) => event.type === "notice" && event.functionId === id && event.text.includes("golden"),
      "the notice",
      5_000,
      from,
    );
    await engine.action(id, "snapshot");
    const second = (await engine.function(id)).snapshot;
    expect(second?.golden).toBe(true);
    expect(second?.atMs).toBeGreaterThan(first?.atMs ?? 0);
    // Golden again: what a run leaves in memory is forgotten.
    await ask(port(id), "/touch", { mib: "1" });
    await engine.action(id, "snapshot");
    expect(await ask(port(id), "/touch", { mib: "1" })).toBe(1024 * 1024);
  });

  it("damaged: the wake fails, nothing half-restored stays, and killed it starts cold", async () => {
    const id = "damaged";
    await ask(port(id), "/port");
    await engine.action(id, "snapshot");
    await waitingWorker(engine, id);
    truncateSync(imageFile(id, "core-100.img"), 100);
    const from = engine.events.length;
    await expect(get(port(id))).rejects.toThrow("ECONNRESET");
    const error = await errorOf(engine, id, "AE_RESTORE_FAILED", from);
    expect(error.data["function"]).toBe(id);
    expect(error.data["log"]).toContain("restore.log");
    expect(await engine.function(id)).toMatchObject({ state: "WarmSnapshot", instances: [] });
    nothingIsLeft(id);
    await engine.action(id, "kill");
    expect(await ask(port(id), "/port")).toBe(port(id));
    expect((await engine.settled(id, "Running")).snapshot).toBeNull();
  });

  it("a restore that never ends is ended", async () => {
    const id = "endless";
    expect(await endless).toContain("ECONNRESET");
    expect((await errorOf(engine, id, "AE_RESTORE_FAILED")).data).toMatchObject({ function: id });
    expect(await engine.function(id)).toMatchObject({ state: "WarmSnapshot", instances: [] });
    nothingIsLeft(id);
  }, 60_000);
});

describe("a snapshot folder that is full", () => {
  it("fails the dump, and the function runs on", async () => {
    const mounted = mkdtempSync(join(tmpdir(), "aether-full-"));
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", mounted]).status).toBe(0);
    try {
      const hog = await python("hog", "memory-hog", { env: { MEGABYTES: 64 } });
      const small = await python("small", "counter");
      const short = await python("short", "memory-hog", {
        env: { MEGABYTES: 64 },
        start: "running",
        idle: { suspend_after: "never", snapshot_after: "300ms" },
      });
      await using engine = await TestEngine.start({
        functions: [small, hog, short],
        engine: { snapshot_dir: mounted },
      });
      const { bsize, bfree } = statfsSync(mounted);
      const error = await errorOf(engine, "hog", "AE_DUMP_FAILED");
      expect(error.data).toMatchObject({ function: "hog", reason: "NoSpace" });
      expect((await get(hog.trigger_port)).body.trim()).toBe(String(64 * 1024 * 1024));
      expect(await engine.function("hog")).toMatchObject({ state: "Running", snapshot: null, coldStarts: 1 });

      // By an order: refused with the same reason, to whoever gave it.
      await expect(engine.action("hog", "snapshot")).rejects.toMatchObject({
        code: "AE_DUMP_FAILED",
        data: { reason: "NoSpace" },
      });
      expect((await get(hog.trigger_port)).status).toBe(200);

      // By the idle policy: reported, and it serves all the same.
      expect((await errorOf(engine, "short", "AE_DUMP_FAILED")).data).toMatchObject({ reason: "NoSpace" });
      expect((await get(short.trigger_port)).status).toBe(200);
      expect((await engine.function("short")).coldStarts).toBe(1);

      // What was written in vain is removed, and there is room for others.
      await until(() => statfsSync(mounted).bfree * bsize >= bfree * bsize, "the room to be given back");
      for (let cycle = 1; cycle <= 3; cycle++) {
        expect((await get(small.trigger_port)).body.trim()).toBe(String(cycle));
        await until(async () => {
          try {
            await engine.action("small", "snapshot");
            return true;
          } catch {
            return false; // The other one tries in vain once more, and fills the folder while it does.
          }
        }, "a moment with room");
      }
    } finally {
      expect(spawnSync("umount", [mounted]).status).toBe(0);
      rmSync(mounted, { recursive: true, force: true });
    }
  }, 60_000);
});
