/** A new version proves itself by its warm-up requests before it serves; one that fails leaves the former one where it is. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ErrorData } from "../../src/protocol/errors.ts";
import { get } from "../helpers/clients.ts";
import { aether } from "../helpers/command-line.ts";
import { freePort, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { errorOf, errorsOf, python, until } from "../helpers/observe.ts";

type Function_ = Declaration & { readonly trigger_port: number };

describe("prove the deploy", () => {
  let engine: TestEngine;
  let functions: Function_[];
  const port = (id: string): number => functions.find((each) => each.id === id)?.trigger_port ?? 0;
  const warmup = [{ path: "/" }, { path: "/again" }];

  const changed = (id: string, more: Readonly<Record<string, unknown>>): Function_[] =>
    functions.map((each) => (each.id === id ? { ...each, ...more } : each));

  /** `aether deploy` of the rewritten file; the error it printed, `null` where it went through. */
  async function deploy(next: Function_[]): Promise<ErrorData | null> {
    // Another file than the one that is watched: the deploy alone decides.
    const file = `${engine.folder}/next.yaml`;
    const { writeFileSync } = await import("node:fs");
    const { stringify } = await import("yaml");
    const { name } = engine;
    const settings = { name, snapshot_dir: `/dev/shm/${name}-images`, on_violation: "serve" };
    writeFileSync(file, stringify({ version: 1, engine: settings, functions: next }));
    const { code, stderr } = await aether(["deploy", file, "--json", "--engine", name], { env: engine.env });
    if (code === 0) {
      functions = next;
      return null;
    }
    return (JSON.parse(stderr) as { error: ErrorData }).error;
  }

  beforeAll(async () => {
    functions = [
      await python("steady", "answers", { warmup }),
      await python("other", "answers", { start: "running" }),
      await python("unlike", "answers", { warmup, env: { DIFFERS: "body" } }),
      await python("counts", "answers", {
        warmup: [{ path: "/", compare: "status" }],
        env: { DIFFERS: "body" },
      }),
    ];
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  it("at the first start too a copy must answer as the function did, and the difference is shown", async () => {
    const error = await errorOf(engine, "unlike", "AE_PROOF_FAILED");
    expect(error).toMatchObject({
      kind: "user",
      data: { function: "unlike", request: "GET /", part: "body", offset: 20 },
      why: String.raw`body at byte 20: expected "one, answer 1\n", found "one, answer 3\n"`,
      hint: expect.stringContaining("compare: status") as string,
    });
    await engine.settled("unlike", "Uninitialized");
    // Where the answers are meant to change, that is declared.
    await engine.settled("counts", "WarmSnapshot");
    expect(errorsOf(engine, "counts")).toEqual([]);
    functions = functions.filter(({ id }) => id !== "unlike");
    expect(await deploy(functions)).toBeNull();
  });

  it("an equal one is switched in under load, without a refused client", async () => {
    const answers: string[] = [];
    const failures: string[] = [];
    const stopped = new AbortController();
    const asking = (async () => {
      while (!stopped.signal.aborted) {
        await get(port("steady")).then(
          ({ body }) => answers.push(body),
          (error: unknown) => failures.push(String(error)),
        );
      }
    })();
    await until(() => answers.length > 0, "the first answer");
    const before = answers.length;
    expect(await deploy(changed("steady", { env: { VERSION: "two" } }))).toBeNull();
    await until(() => answers.some((each) => each.includes("version two")), "the new version");
    stopped.abort();
    await asking;
    expect(failures).toEqual([]);
    // The former version has served while the new one proved itself, and never after it.
    const first = answers.findIndex((each) => each.includes("version two"));
    expect(first).toBeGreaterThan(before);
    expect(answers.slice(first).every((each) => each.includes("version two"))).toBe(true);
    expect(
      engine.events.filter((event) => event.type === "transition" && event.cause === "reload"),
    ).toMatchObject([{ functionId: "steady", to: "WarmSnapshot" }]);
    // What serves is the image that was proved: nothing was started cold.
    await until(async () => (await engine.function("steady")).coldStarts === 0, "the new version to be seen");
    expect(errorsOf(engine, "steady")).toEqual([]);
  });

  it.each([
    ["body", "body", '"as ever'],
    ["header", "header x-request-id", '"1"'],
    ["status", "status", '"201"'],
    ["cookie", "header set-cookie", "not shown"],
  ])("one whose %s differs is not taken: the same process goes on", async (differs, part, expected) => {
    expect((await get(port("steady"))).body).toContain("version two");
    const { instances, snapshot } = await engine.settled("steady", "Running");
    const from = engine.events.length;
    const env = { VERSION: "three", DIFFERS: differs };
    const error = await deploy(changed("steady", { env }));
    expect(error).toMatchObject({
      code: "AE_PROOF_FAILED",
      data: { function: "steady", part, request: "GET /" },
    });
    if (differs !== "body") expect(error?.why).toContain(expected);
    expect(JSON.stringify(error)).not.toContain("hunter");
    const after = await engine.function("steady");
    expect(after.instances.map(({ pid }) => pid)).toEqual(instances.map(({ pid }) => pid));
    expect([after.snapshot, after.config.envNames]).toEqual([snapshot, ["VERSION"]]);
    expect((await get(port("steady"))).body).toContain("version two");
    await engine.waitFor(
      (event) =>
        event.type === "notice" && event.functionId === "steady" && event.text.includes("goes on serving"),
      "the notice",
      5_000,
      from,
    );
    expect((await engine.function("steady")).lastError?.code).toBe("AE_PROOF_FAILED");
  });

  it("a header that is declared to differ may", async () => {
    const next = changed("steady", {
      env: { VERSION: "four", DIFFERS: "header" },
      warmup: [{ path: "/", ignore_headers: ["X-Request-ID"] }],
    });
    expect(await deploy(next)).toBeNull();
    expect((await get(port("steady"))).body).toContain("version four");
  });

  it("one failure keeps everything as it was, other changes of the same file too", async () => {
    const next = changed("steady", { env: { FAILS: "start" } }).map((each) =>
      each.id === "other" ? { ...each, env: { VERSION: "nine" } } : each,
    );
    const { instances } = await engine.settled("other", "Running");
    expect(await deploy(next)).toMatchObject({ code: "AE_EARLY_EXIT", why: "told to fail" });
    expect((await engine.function("other")).instances.map(({ pid }) => pid)).toEqual(
      instances.map(({ pid }) => pid),
    );
    expect((await get(port("other"))).body).toContain("version one");
    expect((await get(port("steady"))).body).toContain("version four");
    // The next try is compared with what is in force.
    expect(await deploy(changed("steady", { env: { VERSION: "five" }, warmup }))).toBeNull();
    expect((await get(port("steady"))).body).toContain("version five");
  });

  it("a new one is tried in a network of its own, and prove_deploy: false does without", async () => {
    const { createServer } = await import("node:net");
    const database = createServer((socket) => socket.end());
    const needs = await freePort();
    await new Promise<void>((resolve) => void database.listen(needs, "127.0.0.1", resolve));
    const env = { VERSION: "six", NEEDS: String(needs) };
    expect(await deploy(changed("steady", { env }))).toMatchObject({ code: "AE_EARLY_EXIT" });
    expect((await get(port("steady"))).body).toContain("version five");
    expect(await deploy(changed("steady", { env, prove_deploy: false }))).toBeNull();
    expect((await get(port("steady"))).body).toContain("version six");
    database.close();
  });

  it("leaves no cgroup and no image of those that failed", async () => {
    await engine.settled("steady", "Running");
    const root = engine.snapshotRoot;
    const { readdirSync, existsSync } = await import("node:fs");
    await until(
      () =>
        readdirSync(`${root}/steady`).filter((name) => name.includes("image-") || name.startsWith(".new"))
          .length === 1,
      "the images of failed versions to be removed",
    );
    for (const cgroups of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory"])
      expect(existsSync(`${cgroups}/aether-${engine.name}/next-steady`)).toBe(false);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(engine.name);
  });
});
