/** What a console is sent: text from the control socket, numbers from the stats region. */
import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, onTestFinished, test } from "vitest";
import { withLiveStats } from "../../../src/client/live-stats.ts";
import type { ConsoleMessage } from "../../../src/client/connection.ts";
import { StatsReader } from "../../../src/protocol/stats-reader.ts";
import type { EngineView } from "../../../src/protocol/views.ts";
import { asleep, fakeFunction } from "../../helpers/fake-engine-views.ts";
import { createFakeEngine } from "../../helpers/fake-engine.ts";
import { pulseNow, recordOf, testRegion } from "../../helpers/stats-region.ts";

const folder = mkdtempSync(join(tmpdir(), "aether-live-"));
const statsFile = join(folder, "aether-demo.stats");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An engine that publishes `api`, and the region in which its numbers are newer. */
function setUp() {
  const region = testRegion(statsFile, "demo");
  const engine = createFakeEngine({ functions: [fakeFunction("api")] });
  const api = fakeFunction("api", 0, { state: "Suspended", openConnections: 7, coldStarts: 9 });
  region.setFunction(recordOf(api, { memoryBytes: 4096 }));
  const reader = StatsReader.open(statsFile);
  if (reader === null) throw new Error("no region");
  const live = withLiveStats(engine, reader);
  const states: EngineView[] = [];
  const others: ConsoleMessage["type"][] = [];
  live.subscribe((message) => {
    if (message.type === "state") states.push(message.state);
    else if (message.type !== "figures") others.push(message.type);
  });
  onTestFinished(async () => {
    await live[Symbol.asyncDispose]();
    region[Symbol.dispose]();
  });
  return { region, engine, live, states, others, api };
}

describe("live numbers", () => {
  test("replace those of the published state, and leave the text as it was", ({ expect }) => {
    const { states, engine, others } = setUp();
    const [first] = states;
    expect(first?.functions[0]).toMatchObject({
      id: "api",
      state: "Suspended",
      openConnections: 7,
      coldStarts: 9,
      config: engine.view.functions[0]?.config,
    });
    expect(first?.functions[0]?.instances).toMatchObject([{ memoryBytes: 4096, state: "Suspended" }]);
    expect(others).toEqual(["hello"]);
  });

  test("come although nothing is published", async ({ expect }) => {
    const { states, region, api } = setUp();
    region.setFunction(recordOf(api, { openConnections: 8, memoryBytes: 8192 }));
    await expect.poll(() => states.at(-1)?.functions[0]?.openConnections).toBe(8);
    expect(states.at(-1)?.functions[0]?.instances[0]?.memoryBytes).toBe(8192);
    region.setFunction(recordOf(asleep("api")));
    await expect.poll(() => states.at(-1)?.functions[0]?.state).toBe("WarmSnapshot");
    expect(states.at(-1)?.functions[0]?.instances).toEqual([]);
  });

  test("that do not change are not sent again, however often the engine beats", async ({ expect }) => {
    const { states, region } = setUp();
    const before = states.length;
    let beats = 1;
    const beating = setInterval(() => region.beat(pulseNow({ beats: (beats += 1) })), 20);
    await expect.poll(() => beats).toBeGreaterThan(30);
    clearInterval(beating);
    region.beat(pulseNow({ readyCount: 1 }));
    await expect.poll(() => states.at(-1)?.engine.readyCount).toBe(1);
    expect(states.length).toBe(before + 1);
  });

  test("that cannot be read any more end the connection with the reason", async ({ expect }) => {
    const { live } = setUp();
    truncateSync(statsFile, 100);
    expect(await live.closed).toMatchObject({ code: "AE_SHM_CORRUPTED" });
    expect(live.failure).toMatchObject({ data: { reason: "Truncated" } });
  });
});
