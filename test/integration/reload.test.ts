/** Editing aether.yaml under a running engine: what changed is applied function by function, and no client is refused. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { EngineEvent } from "../../src/protocol/events.ts";
import { get } from "../helpers/clients.ts";
import { aether, eventually } from "../helpers/command-line.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";

const never = { suspend_after: "never", snapshot_after: "never" };

type Function_ = Declaration & { trigger_port: number };

async function counter(id: string, more: Readonly<Record<string, unknown>> = {}): Promise<Function_> {
  const trigger_port = await freePort();
  return {
    id,
    command: "/usr/bin/python3 handler.py",
    cwd: fixture("counter"),
    trigger_port,
    idle: never,
    ...more,
  };
}

const refusal = async (port: number): Promise<string> => {
  try {
    await get(port);
    return "answered";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
};

/** Requests one after another until told to stop; every failure is kept. */
function keepAsking(port: number): { stop: () => Promise<{ answers: string[]; failures: string[] }> } {
  const answers: string[] = [];
  const failures: string[] = [];
  const stopped = new AbortController();
  const ask = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        answers.push((await get(port)).body);
      } catch (error) {
        failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const asking = Promise.all([ask(), ask(), ask()]);
  return {
    stop: async () => {
      stopped.abort();
      await asking;
      return { answers, failures };
    },
  };
}

describe("reload", () => {
  let engine: TestEngine;
  let functions: Function_[];
  const port = (id: string): number => functions.find((each) => each.id === id)?.trigger_port ?? 0;
  const replaced = (id: string, more: Readonly<Record<string, unknown>>): Function_[] =>
    functions.map((each) => (each.id === id ? { ...each, ...more } : each));

  /** Saves the functions and waits for the reload that it causes. */
  async function save(next: Function_[], write = (): void => engine.rewrite(next)) {
    const from = engine.events.length;
    write();
    const event = await engine.waitFor(
      ({ type }) => type === "reload" || type === "reload-refused",
      "the reload",
      20_000,
      from,
    );
    if (event.type === "reload") functions = next;
    return event;
  }

  beforeAll(async () => {
    functions = await Promise.all(["a", "b", "c"].map((id) => counter(id)));
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  /** No function in trouble, whatever the test did. */
  afterEach(async () => {
    expect((await engine.state()).functions.map(({ id, lastError }) => ({ id, lastError }))).toEqual(
      functions.map(({ id }) => ({ id, lastError: null })),
    );
  });

  it("an added function is started, the others go on untouched", async () => {
    expect((await get(port("a"))).body).toBe("1\n");
    const { instances } = await engine.settled("a", "Running");
    const event = await save([...functions, await counter("d")]);
    expect(event).toMatchObject({ added: ["d"], changed: [], removed: [], unchanged: ["a", "b", "c"] });
    await engine.settled("d", "WarmSnapshot");
    expect((await get(port("d"))).body).toBe("1\n");
    expect((await get(port("a"))).body).toBe("2\n");
    expect((await engine.function("a")).instances.map(({ pid }) => pid)).toEqual(
      instances.map(({ pid }) => pid),
    );
  });

  it("only live settings changed: the same process goes on, under the new settings", async () => {
    const before = Number((await get(port("a"))).body);
    const { instances } = await engine.settled("a", "Running");
    const event = await save(replaced("a", { restore_budget_ms: 1234, stop_timeout: "3s" }));
    expect(event).toMatchObject({ added: [], changed: ["a"], removed: [], unchanged: ["b", "c", "d"] });
    const view = await eventually(
      () => engine.function("a"),
      ({ config }) => config.restoreBudgetMs === 1234,
      "the new settings",
    );
    expect(view.instances.map(({ pid }) => pid)).toEqual(instances.map(({ pid }) => pid));
    expect((await get(port("a"))).body).toBe(`${before + 1}\n`);
    // Live, not only shown: from now on it is frozen when it is idle.
    await save(replaced("a", { idle: { suspend_after: "200ms", snapshot_after: "never" } }));
    await engine.settled("a", "Suspended");
    await save(replaced("a", { idle: never }));
    expect((await get(port("a"))).body).toBe(`${before + 2}\n`);
  });

  it("a changed function is replaced on its port without a refused connection", async () => {
    const before = await engine.function("b");
    const asking = keepAsking(port("b"));
    await engine.settled("b", "Running");
    for (const colour of ["red", "green"]) {
      const event = await save(replaced("b", { env: { COLOUR: colour } }));
      expect(event).toMatchObject({ changed: ["b"], unchanged: ["a", "c", "d"] });
    }
    const { answers, failures } = await asking.stop();
    expect(failures).toEqual([]);
    expect(answers.length).toBeGreaterThan(10);
    // Each version counts from its own beginning.
    expect(answers.filter((each) => each === "1\n").length).toBeGreaterThanOrEqual(3);
    const after = await engine.function("b");
    expect(after.snapshot?.atMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(before.snapshot?.atMs ?? 0);
  });

  it("a function asleep is replaced as well, and a suspended one", async () => {
    await engine.settled("c", "WarmSnapshot");
    await save(replaced("c", { env: { COLOUR: "red" } }));
    await engine.settled("c", "WarmSnapshot");
    expect((await get(port("c"))).body).toBe("1\n");
    await engine.action("c", "suspend");
    const clients = [get(port("c")), get(port("c"))];
    await save(replaced("c", { env: { COLOUR: "green" } }));
    for (const client of clients) expect((await client).status).toBe(200);
    await get(port("c"));
    await engine.action("c", "suspend");
    await save(replaced("c", { env: { COLOUR: "blue" } }));
    expect((await get(port("c"))).body).toBe("1\n");
  });

  it("a restart starts anew from the command, whatever it did before, and refuses nobody", async () => {
    const { instances, snapshot } = await engine.function("a");
    const asking = keepAsking(port("a"));
    await engine.settled("a", "Running");
    const { function: after, durationMs } = await engine.action("a", "restart");
    expect(durationMs).toBeGreaterThan(0);
    const { answers, failures } = await asking.stop();
    expect(failures).toEqual([]);
    expect(answers).toContain("1\n");
    expect(after.lastError).toBeNull();
    expect(after.snapshot?.atMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(snapshot?.atMs ?? 0);
    for (const { pid } of instances) expect(() => process.kill(pid ?? 0, 0)).toThrow(/ESRCH/);
    // Frozen, and asleep.
    await engine.settled("a", "Running");
    await engine.action("a", "suspend");
    const run = (...args: string[]) => aether(args, { env: engine.env, cwd: engine.folder });
    expect((await run("restart", "a")).stdout).toMatch(/^a: restarted in [\d.]+ ms, now WarmSnapshot$/m);
    expect((await engine.action("a", "restart")).function.state).toBe("WarmSnapshot");
    expect((await get(port("a"))).body).toBe("1\n");
    await expect(engine.action("nobody", "restart")).rejects.toMatchObject({ code: "AE_UNKNOWN_FUNCTION" });
  });

  it("a changed port: the new one answers, the old one is closed", async () => {
    const old = port("c");
    const event = await save(replaced("c", { trigger_port: await freePort() }));
    expect(event).toMatchObject({ changed: ["c"] });
    expect((await get(port("c"))).status).toBe(200);
    expect(await refusal(old)).toBe("ECONNREFUSED");
  });

  it("two functions swap their ports in one reload", async () => {
    const [old, other] = [port("c"), port("d")];
    for (const each of [old, other]) expect((await get(each)).status).toBe(200);
    const next = functions.map((each) => {
      if (each.id === "c") return { ...each, trigger_port: other, cwd: fixture("hello-python") };
      return each.id === "d" ? { ...each, trigger_port: old } : each;
    });
    const event = await save(next);
    expect(event).toMatchObject({ changed: ["c", "d"] });
    expect((await get(other)).body).toBe("hello from python\n");
    expect((await get(old)).body).toBe("1\n");
  });

  it("a port changes hands from a removed function to an added one", async () => {
    const old = port("d");
    const event = await save([
      ...functions.filter(({ id }) => id !== "d"),
      { ...(await counter("e")), trigger_port: old },
    ]);
    expect(event).toMatchObject({ added: ["e"], removed: ["d"] });
    expect((await get(old)).body).toBe("1\n");
  });

  it("a removed function is gone: process, port, image, view", async () => {
    const old = port("e");
    expect((await get(old)).status).toBe(200);
    const { instances } = await engine.settled("e", "Running");
    const event = await save(functions.filter(({ id }) => id !== "e"));
    expect(event).toMatchObject({ removed: ["e"], unchanged: ["a", "b", "c"] });
    expect(await refusal(old)).toBe("ECONNREFUSED");
    expect(() => process.kill(instances[0]?.pid ?? 0, 0)).toThrow(/ESRCH/);
    await expect(engine.action("e", "wake")).rejects.toMatchObject({ code: "AE_UNKNOWN_FUNCTION" });
  });

  it("an invalid file changes nothing, and its errors are events", async () => {
    const before = Number((await get(port("a"))).body);
    const good = readFileSync(engine.configFile, "utf8");
    const bad = good.replace("restore_budget_ms: 1234", "restore_budget_ms: many").replace("idle:", "idel:");
    const event = await save(functions, () => writeFileSync(engine.configFile, bad));
    expect(event.type).toBe("reload-refused");
    const problems = event.type === "reload-refused" ? event.problems : [];
    expect(problems.length).toBeGreaterThanOrEqual(2);
    for (const problem of problems) {
      expect(problem.file).toBe(engine.configFile);
      expect(problem.line).toBeGreaterThan(1);
      expect(problem.column).toBeGreaterThan(0);
    }
    expect(problems.map(({ hint }) => hint).join(" ")).toContain("idle");
    expect((await get(port("a"))).body).toBe(`${before + 1}\n`);
    // Not even YAML, and not even there.
    expect((await save(functions, () => writeFileSync(engine.configFile, "version: [\n"))).type).toBe(
      "reload-refused",
    );
    // Back to what is in force: nothing to do.
    expect(await save(functions, () => writeFileSync(engine.configFile, good))).toMatchObject({
      added: [],
      changed: [],
      removed: [],
    });
    expect((await get(port("a"))).body).toBe(`${before + 2}\n`);
  });

  it("a save by rename is noticed, again and again", async () => {
    for (const stopTimeout of ["4s", "5s", "6s"]) {
      const next = replaced("a", { stop_timeout: stopTimeout });
      const event = await save(next, () => {
        const draft = join(engine.folder, `.aether.yaml.${stopTimeout}`);
        writeFileSync(
          draft,
          stringify({
            version: 1,
            engine: {
              name: engine.name,
              snapshot_dir: `/dev/shm/${engine.name}-images`,
              on_violation: "serve",
              metrics: "off",
            },
            functions: next,
          }),
        );
        renameSync(draft, engine.configFile);
      });
      expect(event).toMatchObject({ changed: ["a"] });
    }
    await eventually(
      () => engine.function("a"),
      ({ config }) => config.stopTimeoutMs === 6000,
      "the last save",
    );
  });

  it("`validate` and `deploy`: a file elsewhere takes the place of the first", async () => {
    const file = join(engine.folder, "other.yaml");
    const text = (list: readonly Declaration[]): string =>
      stringify({
        version: 1,
        engine: {
          name: engine.name,
          snapshot_dir: `/dev/shm/${engine.name}-images`,
          on_violation: "serve",
          metrics: "off",
        },
        functions: list,
      });
    const run = (...args: string[]) => aether(args, { env: engine.env, cwd: engine.folder });
    const next = [...functions.filter(({ id }) => id !== "b"), await counter("f")];

    writeFileSync(file, text(next).replace("id: f", "id: f/g"));
    const refused = await run("deploy", "other.yaml");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(/other\.yaml:\d+:\d+/);
    expect((await run("validate", "other.yaml")).code).toBe(2);

    writeFileSync(file, text(next));
    // Ports that this engine holds are no other program's.
    expect(await run("validate", "other.yaml")).toMatchObject({ code: 0, stderr: "" });
    const deployed = await run("deploy", "other.yaml", "--json");
    expect(deployed).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(deployed.stdout)).toEqual({
      added: ["f"],
      changed: [],
      removed: ["b"],
      unchanged: ["a", "c"],
    });
    const gone = port("b");
    functions = next;
    expect((await get(port("f"))).body).toBe("1\n");
    expect(await refusal(gone)).toBe("ECONNREFUSED");
    expect((await engine.state()).engine.configFile).toBe(file);
    // The file in force is the one that is watched now.
    const added = [...next, await counter("g")];
    expect(await save(added, () => writeFileSync(file, text(added)))).toMatchObject({ added: ["g"] });
    const before = engine.events.filter(({ type }: EngineEvent) => type === "reload").length;
    writeFileSync(engine.configFile, "version: 2\n");
    await save(added, () => writeFileSync(file, `${text(added)}# a comment\n`));
    expect(engine.events.filter(({ type }: EngineEvent) => type === "reload")).toHaveLength(before + 1);
  });
});
