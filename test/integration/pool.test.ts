/** Wakes prepared ahead: who has one, who gives it up, and what a wake records. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";

const idle = { suspend_after: "never", snapshot_after: "never" };

async function hello(id: string, more: object = {}) {
  const common = { command: "/usr/bin/python3 handler.py", cwd: fixture("hello-python"), idle };
  return { id, ...common, trigger_port: await freePort(), ...more };
}

it("a full pool: who was woken last keeps its prepared wake", async () => {
  const functions = [await hello("one"), await hello("two"), await hello("three")] as const;
  await using engine = await TestEngine.start({ functions, engine: { warm_pool: 1 } });
  const prepared = async (): Promise<string[]> =>
    (await engine.state()).functions.filter((view) => view.prepared > 0).map(({ id }) => id);
  const cycle = async (index: 0 | 1 | 2): Promise<void> => {
    await get(functions[index].trigger_port);
    await engine.action(functions[index].id, "snapshot");
  };
  // Nobody was woken yet: whoever came first has the place.
  await expect.poll(async () => (await prepared()).length).toBe(1);
  await cycle(1);
  await expect.poll(prepared).toEqual(["two"]);
  await cycle(2);
  await expect.poll(prepared).toEqual(["three"]);
  // Without one a wake makes its own, and says so in its record.
  await cycle(0);
  const wakes = engine.events.filter((event) => event.type === "wake");
  expect(wakes.map(({ functionId, tier }) => [functionId, tier])).toEqual([
    ["two", "snapshot"],
    ["three", "snapshot"],
    ["one", "snapshot"],
  ]);
});

it("warm_pool: so many for the function, none for 0, and the pool does not count them", async () => {
  const functions = [
    await hello("three", { warm_pool: 3, sleep: "golden" }),
    await hello("none", { warm_pool: 0 }),
    await hello("pooled"),
  ] as const;
  await using engine = await TestEngine.start({ functions, engine: { warm_pool: 1 } });
  const counts = async (): Promise<number[]> =>
    (await engine.state()).functions.map(({ prepared }) => prepared);
  await expect.poll(counts).toEqual([3, 0, 1]);
  await get(functions[0].trigger_port);
  await expect.poll(counts).toEqual([2, 0, 1]);
  await engine.action("three", "snapshot");
  await expect.poll(counts).toEqual([3, 0, 1]);
  expect((await get(functions[1].trigger_port)).status).toBe(200);
});

it("a restored function runs where and with the priority that it had before", async () => {
  const functions = [await hello("hello")] as const;
  await using engine = await TestEngine.start({ functions });
  const ways = async (): Promise<unknown[]> => {
    const pid = (await engine.state()).functions[0]?.instances[0]?.pid ?? 0;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    // proc(5): nice is field 19, policy field 41, counted from the process id.
    return [/^Cpus_allowed:\s+(\S+)$/m.exec(status)?.[1], fields[16], fields[38]];
  };
  const own = /^Cpus_allowed:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  await get(functions[0].trigger_port);
  await expect.poll(ways).toEqual([own, "0", "0"]);
});

it("every wake leaves its phases, and their sum is the whole", async () => {
  const functions = [
    await hello("hello", { restore_ahead: "never" }),
    await hello("lazy", { start: "lazy" }),
  ] as const;
  await using engine = await TestEngine.start({ functions });
  await get(functions[0].trigger_port);
  await engine.waitFor((event) => event.type === "wake", "the first wake");
  await engine.action("hello", "suspend");
  await get(functions[0].trigger_port);
  await get(functions[1].trigger_port);
  const isCold = (event: { type: string }): boolean =>
    event.type === "wake" && "tier" in event && event.tier === "cold";
  await engine.waitFor(isCold, "the cold start");
  const wakes = engine.events.filter((event) => event.type === "wake");
  expect(wakes.map(({ tier }) => tier)).toEqual(["snapshot", "suspended", "cold"]);
  const names = wakes.map(({ phases }) => Object.keys(phases).filter((name) => name !== "handshake"));
  expect(names).toEqual([
    ["queue", "sandbox", "restore", "listeners", "handover"],
    ["queue", "thaw"],
    ["queue", "start"],
  ]);
  for (const { phases, totalMs, cause } of wakes) {
    const { handshake = 0, ...rest } = phases;
    const sum = Object.values(rest).reduce((all, each) => all + each, 0);
    expect(Math.abs(sum - totalMs * 1000)).toBeLessThan(10);
    expect(cause).toBe("connection");
    expect(handshake).toBeGreaterThanOrEqual(0);
  }
  // A socket of the engine's own, of a function that never ran, is not in the cgroup where handshakes are noted.
  expect(wakes.map(({ phases }) => phases.handshake !== undefined)).toEqual([true, true, false]);
  expect(wakes[0]?.criu?.pagesRead).toBeGreaterThan(0);
});
