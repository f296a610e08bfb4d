/** `aether plan`: the recording of a real engine's clients, replayed, is what the engine itself did. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readProfile } from "../../src/engine/plan/read-profile.ts";
import type { ProfileEntry } from "../../src/engine/plan/profile-line.ts";
import type { PlanReport } from "../../src/commands/plan/report.ts";
import { get, open } from "../helpers/clients.ts";
import { aether, startAether } from "../helpers/command-line.ts";
import { TestEngine } from "../helpers/engine.ts";
import { python, until } from "../helpers/observe.ts";

describe("plan", () => {
  let engine: TestEngine;
  let ports: number[];

  beforeAll(async () => {
    const idle = { suspend_after: "300ms", snapshot_after: "900ms" };
    const functions = [
      await python("steady", "counter", { idle }),
      await python("lazy", "counter", { idle, start: "lazy" }),
    ];
    ports = functions.map(({ trigger_port }) => trigger_port);
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  it("records every connection, and the replay tells the engine's own sleeps and wakes", async () => {
    const [steady = 0, lazy = 0] = ports;
    const file = join(engine.folder, "profile.jsonl");
    const recording = startAether(["plan", "-c", engine.configFile, "--record", file], { env: engine.env });
    await until(() => {
      try {
        return readFileSync(file, "utf8") === "";
      } catch {
        return false; // not made yet
      }
    }, "the recording to begin");
    const from = engine.events.length;
    const stepTo = async (id: string, to: string, work: () => Promise<unknown>): Promise<void> => {
      const before = engine.events.length;
      await work();
      await engine.waitFor(
        (event) => event.type === "transition" && event.functionId === id && event.to === to,
        `${id} to be ${to}`,
        20_000,
        before,
      );
    };
    // From the snapshot, while it runs, from the suspended tier, and again from the snapshot.
    await stepTo("steady", "Suspended", async () => {
      await get(steady);
      const held = await open(steady);
      held.destroy();
    });
    await stepTo("lazy", "WarmSnapshot", async () => {
      await stepTo("steady", "WarmSnapshot", async () => {
        await get(steady);
        await get(lazy);
      });
      await stepTo("steady", "WarmSnapshot", () => get(steady));
    });
    // One more line of each ends the profile after the last sleep.
    await Promise.all([get(steady), get(lazy)]);
    const count = (): number => readFileSync(file, "utf8").split("\n").length;
    let lines = 0;
    await until(async () => {
      const before = lines;
      lines = count();
      await new Promise((resolve) => setTimeout(resolve, 250));
      return before === lines && lines > 6;
    }, "the recording to be at rest");
    recording.child.kill("SIGINT");
    expect((await recording.outcome).code).toBe(0);

    const entries: ProfileEntry[] = [];
    for await (const entry of readProfile([readFileSync(file)], file)) entries.push(entry);
    const opened = (id: string): number =>
      entries.filter((each) => each.id === id).reduce((sum, each) => sum + each.opened, 0);
    // The first client of a lazy function waits on a listener that the program does not count; its wake is told.
    expect([opened("steady"), opened("lazy")]).toEqual([5, 2]);

    const { stdout } = await aether(["plan", "-c", engine.configFile, file, "--json"], { env: engine.env });
    const report = JSON.parse(stdout) as PlanReport;
    const wakesOf = (id: string) => {
      const seen = { suspended: 0, snapshot: 0, cold: 0 };
      for (const event of engine.events.slice(from))
        if (event.type === "wake" && event.functionId === id) seen[event.tier] += 1;
      return seen;
    };
    for (const each of report.functions) {
      expect({ id: each.id, wakes: each.wakes }).toEqual({ id: each.id, wakes: wakesOf(each.id) });
      expect(each.saved.running?.bytes).toBeGreaterThan(2 ** 20);
    }
    const [first] = report.functions;
    expect(first?.wakes).toEqual({ suspended: 1, snapshot: 3, cold: 0 });
    expect(first?.cost.snapshot.source).toContain("measured");
    expect(first?.cost.snapshot.p50Ms).toBeGreaterThan(0);
  });
});
