import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { cliHome } from "../../helpers/fake-core-cli.ts";
import { fakeFunction } from "../../helpers/fake-core.ts";
import { recordOf, wakeEvent } from "../../helpers/stats-region.ts";
import type { StatsReport } from "../../../src/commands/output/stats-report.ts";
import { FunctionTally } from "../../../src/engine/stats/tally.ts";
import { AetherError } from "../../../src/protocol/errors.ts";

const home = await cliHome();
const { core } = await home.serve("default");
afterAll(() => home[Symbol.asyncDispose]());

const escape = String.fromCodePoint(27);
/** Escape, bell and the one-byte form of CSI. */
const control = new RegExp(`[${String.fromCodePoint(27, 7, 0x9b)}]`);

describe("reading verbs", () => {
  test("ps --json has the promised shape", async ({ expect }) => {
    core.functions = [
      fakeFunction("hello", {
        state: "Running",
        instances: [
          { id: "i1", pid: 42, state: "Running", address: null, memoryBytes: 1, cpuMs: 1, ring: null },
        ],
      }),
      fakeFunction("other"),
    ];
    const { code, stdout, stderr } = await home.run("ps", "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual([
      {
        id: "hello",
        state: "Running",
        activity: null,
        triggerPort: 8080,
        instances: [{ pid: 42, state: "Running" }],
        image: null,
        restoredAhead: false,
        wakes: 3,
        coldStarts: 1,
        restore: { count: 3, lastMs: 8.25, p50Ms: 8.5, p95Ms: 11, p99Ms: 12 },
        lastError: null,
      },
      expect.objectContaining({ id: "other", instances: [] }),
    ]);
  });

  test("ps is an aligned table without escape codes, also as list", async ({ expect }) => {
    const { stdout } = await home.run("list");
    const [head = "", first = ""] = stdout.split("\n");
    expect(head).toMatch(/^ID\s+STATE\s+PORT\s+PID/);
    expect(first.indexOf("8080") + 4).toBe(head.indexOf("PORT") + 4);
    expect(stdout).not.toContain(escape);
  });

  test("stats reads the engine's shared memory, and asks nobody", async ({ expect }) => {
    const { region, close } = await home.serve("read");
    const tally = new FunctionTally();
    tally.take(wakeEvent("snapshot", 8.25, 9.5));
    tally.take(wakeEvent("suspended", null, 0.4));
    const hello = fakeFunction("hello", {
      instances: [
        { id: "i1", pid: 42, state: "Running", address: null, memoryBytes: 1, cpuMs: 7, ring: null },
      ],
    });
    region.setFunction(recordOf(hello, { packets: 12, bytes: 3400 }, tally));
    region.setFunction(recordOf(fakeFunction("other"), { position: 1 }));
    region.countError("AE_EARLY_EXIT", true);
    region.flush();
    const { stdout } = await home.run("--json", "--engine", "read", "stats");
    const report = JSON.parse(stdout) as StatsReport;
    expect(report).toMatchObject({
      engine: {
        pid: process.pid,
        name: "read",
        startedAt: "1970-01-01T00:00:01.000Z",
        hostChanges: ["net.ipv4.tcp_migrate_req 0 -> 1"],
        liveness: "live",
      },
      totals: { wakes: 2, wakesSnapshot: 1, packets: 12 },
      errors: { AE_EARLY_EXIT: 1 },
      functions: [
        { id: "hello", pid: 42, memoryBytes: 1, cpuMs: 7, wakes: 2, packets: 12, bytes: 3400 },
        { id: "other", pid: null, memoryBytes: null, cpuMs: null, snapshot: null },
      ],
    });
    const [first] = report.functions;
    expect(first?.restore).toMatchObject({ count: 1, lastMs: 8.25, p50Ms: 8.5, sumMs: 8.25 });
    expect(first?.restore.buckets).toHaveLength(report.bucketBoundsMs.length + 1);
    expect(first?.restore.buckets[8]).toBe(1);
    expect(first?.wakesByTier).toEqual({ suspended: 1, snapshot: 1, cold: 0 });
    expect((await home.run("--engine", "read", "stats")).stdout).toContain("engine read");
    await close();
  });

  test("stats --watch goes on until the engine ends", async ({ expect }) => {
    const { region, close } = await home.serve("watched");
    region.setFunction(recordOf(fakeFunction("hello")));
    const watch = home.start("--engine", "watched", "stats", "--watch", "--interval", "0.1", "--json");
    await expect.poll(() => watch.output().split("\n").length, { timeout: 15_000 }).toBeGreaterThan(2);
    await close();
    const { code, stdout } = await watch.result;
    expect(code).toBe(0);
    for (const line of stdout.trimEnd().split("\n"))
      expect(JSON.parse(line)).toMatchObject({ engine: { name: "watched" }, functions: [{ id: "hello" }] });
    expect((await home.run("--engine", "watched", "stats")).stderr).toContain("AE_ENGINE_NOT_RUNNING");
  }, 30_000);

  test("output of functions is hostile: stripped as text, escaped in JSON", async ({ expect }) => {
    core.store.append("hello", "stdout", `${escape}[31mred${escape}]0;title\u0007 \u009b2Jend\n`);
    const plain = await home.run("logs", "hello");
    expect(plain.stdout).toContain("red end");
    expect(plain.stdout).not.toMatch(control);
    const json = await home.run("logs", "hello", "--json");
    expect(json.stdout).not.toMatch(control);
    expect(JSON.parse(json.stdout)).toMatchObject([
      { functionId: "hello", text: expect.stringContaining(`${escape}[31m`) as string },
    ]);
  });

  test("logs -f goes on until the engine ends; -n bounds the past", async ({ expect }) => {
    await using other = await cliHome();
    const { core, close } = await other.serve("default");
    core.store.append("hello", "stdout", "one\ntwo\nthree\n");
    const following = other.start("logs", "-f", "-n", "1", "hello");
    await expect.poll(following.output).toContain("three");
    core.store.append("hello", "stderr", "four\n");
    await expect.poll(following.output).toContain("stderr | four");
    await close();
    expect(await following.result).toMatchObject({
      code: 0,
      stdout: expect.not.stringContaining("two") as string,
    });
  });

  test("events as text and as JSON lines", async ({ expect }) => {
    core.eventLog.append({
      type: "error",
      functionId: "hello",
      error: new AetherError("AE_DUMP_FAILED", "no snapshot").toJSON(),
    });
    expect((await home.run("events")).stdout).toMatch(/error hello: AE_DUMP_FAILED no snapshot/);
    const following = home.start("events", "-f", "--json");
    await expect.poll(following.output).toContain("\n");
    following.child.kill("SIGTERM");
    const { stdout } = await following.result;
    for (const line of stdout.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("seq");
  });

  test("a reader that has enough is no failure", async ({ expect }) => {
    const { stdout, code } = await home.run("logs", "hello");
    expect(code).toBe(0);
    expect(stdout).not.toBe("");
    const following = home.start("events", "-f");
    await expect.poll(following.output).toContain("\n");
    following.child.stdout?.destroy();
    core.eventLog.append({ type: "notice", functionId: null, text: "nobody reads this" });
    expect(await following.result).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("orders", () => {
  test.for(["snapshot", "suspend", "wake", "kill"])("%s reaches the engine", async (verb, { expect }) => {
    const { code, stdout } = await home.run(verb, "hello");
    expect(code).toBe(0);
    expect(stdout).toContain("hello: ");
    expect(core.calls.at(-1)).toBe(`${verb} hello`);
  });

  test("restore of a running function needs --yes where nobody can be asked", async ({ expect }) => {
    const asked = await home.run("restore", "hello");
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") as string });
    expect(await home.run("restore", "hello", "--yes", "--json")).toMatchObject({ code: 0 });
    expect(await home.run("restore", "other")).toMatchObject({ code: 0 });
    expect(core.calls.slice(-2)).toEqual(["restore hello", "restore other"]);
  });

  test("an unknown function, a refusal and --read-only have their codes", async ({ expect }) => {
    expect(await home.run("wake", "nobody")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("AE_UNKNOWN_FUNCTION") as string,
    });
    expect(await home.run("--read-only", "wake", "hello")).toMatchObject({ code: 2 });
    core.onAction = () =>
      Promise.reject(new AetherError("AE_DUMP_FAILED", "cannot", { why: "because", hint: "so" }));
    const refused = await home.run("snapshot", "hello");
    core.onAction = () => Promise.resolve();
    expect(refused.code).toBe(1);
    expect(refused.stderr.split("\n").slice(0, 3)).toEqual([
      "error AE_DUMP_FAILED: cannot",
      "  why: because",
      "  do:  so",
    ]);
  });

  test("errors as data with --json; the stack of a system error only with --verbose", async ({ expect }) => {
    core.onAction = () => Promise.reject(new AetherError("AE_DUMP_FAILED", "cannot"));
    const [json, verbose] = [
      await home.run("--json", "snapshot", "hello"),
      await home.run("--verbose", "snapshot", "hello"),
    ];
    core.onAction = () => Promise.resolve();
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "AE_DUMP_FAILED" } });
    expect(verbose.stderr).toContain("    at ");
  });

  test("deploy sends the absolute path and tells what changed", async ({ expect }) => {
    await writeFile(join(home.dir, "new.yaml"), "version: 1\nfunctions: []\n");
    expect(await home.run("deploy", "new.yaml")).toMatchObject({ code: 0, stdout: "changed: hello\n" });
    expect(core.calls.at(-1)).toBe(`deploy ${join(home.dir, "new.yaml")}`);
  });

  test("--engine, and the name in the file, choose the engine", async ({ expect }) => {
    const second = await home.serve("second");
    second.core.functions = [fakeFunction("only")];
    await writeFile(join(home.dir, "second.yaml"), "version: 1\nengine: { name: second }\nfunctions: 7\n");
    for (const args of [
      ["--engine", "second"],
      ["-c", "second.yaml"],
    ]) {
      expect((await home.run(...args, "ps")).stdout).toContain("only");
    }
    expect((await home.run("__ids", "--engine", "second")).stdout).toBe("only\n");
  });

  test("down waits for the end", async ({ expect }) => {
    await home.serve("third");
    expect(await home.run("--engine", "third", "down")).toMatchObject({ code: 0 });
    expect(await home.run("--engine", "third", "down")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("AE_ENGINE_NOT_RUNNING") as string,
    });
  });
});

describe("usage", () => {
  test.for([
    [["explode"], "unknown command"],
    [["pss"], "Did you mean ps?"],
    [["ps", "--bogus"], "unknown option"],
    [["ps", "extra"], "too many arguments"],
    [["logs"], "missing required argument"],
    [["logs", "-n", "many", "x"], "not a number"],
    [["run", "--port", "70000", "--", "x"], "not a port"],
    [["run", "--", "x"], "--port"],
    [["completion", "tcsh"], "Allowed choices"],
    [["up", "-d", "--foreground"], "cannot be used with"],
    [["--engine", "a/b", "ps"], "AE_USAGE"],
    [["-c", "missing.yaml", "ps"], "AE_CONFIG_UNREADABLE"],
    [["validate", "missing.yaml"], "AE_CONFIG_UNREADABLE"],
  ] as const)("%j is refused with 2", async ([args, text], { expect }) => {
    const { code, stderr, stdout } = await home.run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(text);
  });

  test("help and version are no failures, and fast", async ({ expect }) => {
    const startedAt = performance.now();
    expect(await home.run("--version")).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
    expect(performance.now() - startedAt).toBeLessThan(1000); // 150 ms on a quiet machine; tests share two cores
    expect(await home.run("ps", "--help")).toMatchObject({ code: 0, stderr: "" });
  });

  test("--version and ps load neither Ink nor React", async ({ expect }) => {
    const cli = new URL("../../../src/cli.ts", import.meta.url).pathname;
    for (const verb of ["--version", "ps"]) {
      const child = spawn(process.execPath, [cli, verb], {
        cwd: home.dir,
        env: { ...process.env, AETHER_RUNTIME_DIR: join(home.dir, "run"), NODE_DEBUG: "esm" },
        stdio: ["ignore", "ignore", "pipe"],
      });
      let text = "";
      child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
      await once(child, "close");
      expect(text).toContain("commander");
      expect(text).not.toMatch(/node_modules\/(ink|react|zod|koffi)\//);
    }
  });
});

describe("init and validate", () => {
  test("init writes a configuration that is valid, and overwrites nothing", async ({ expect }) => {
    await using fresh = await cliHome();
    expect(await fresh.run("init", "--language", "node")).toMatchObject({ code: 0 });
    const before = await readFile(join(fresh.dir, "aether.yaml"), "utf8");
    expect(await fresh.run("init")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("exists already") as string,
    });
    expect(await readFile(join(fresh.dir, "aether.yaml"), "utf8")).toBe(before);
    expect((await readdir(fresh.dir)).toSorted()).toEqual(["aether.yaml", "hello.mjs"]);
    expect((await fresh.run("validate", "--json")).stdout).toContain('"functions"');
    expect((await fresh.run("init", "deep/er", "--language", "python")).code).toBe(0);
    expect((await stat(join(fresh.dir, "deep/er/hello.py"))).size).toBeGreaterThan(0);
  });

  test("validate lists every problem with its place", async ({ expect }) => {
    await writeFile(join(home.dir, "bad.yaml"), "version: 1\nfunctions:\n  - id: a b\n    comand: sh\n");
    const { code, stderr } = await home.run("validate", "bad.yaml");
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.yaml:3:9/);
    expect(stderr).toContain("comand");
    const json = await home.run("validate", "bad.yaml", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, problems: expect.any(Array) as unknown[] });
  });
});

describe("invoke and invocations", () => {
  test("invoke prints the result alone; the event comes from the line, a file or standard input", async ({
    expect,
  }) => {
    const file = join(home.dir, "event.json");
    await writeFile(file, '{"from": "file"}');
    expect((await home.run("invoke", "hello", "--data", '{"a": 1}')).stdout).toBe('{"a": 1}\n');
    expect((await home.run("invoke", "hello", "-d", `@${file}`)).stdout).toBe('{"from": "file"}\n');
    const { stdout } = await home.run("invoke", "hello", "--json", "--raw", "-d", "bytes");
    expect(JSON.parse(stdout)).toMatchObject({ via: "ring", tier: "snapshot", result: "bytes" });
    expect(core.calls.at(-1)).toBe("invoke hello raw 5");
    expect((await home.run("invoke", "hello", "--async")).stdout).toBe("invocation-1\n");
  });

  test("an event that is no JSON, a wrong time-out and an unknown function are told apart", async ({
    expect,
  }) => {
    const wrong = await home.run("invoke", "hello", "-d", "{");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("the event is not JSON");
    expect((await home.run("invoke", "hello", "--timeout", "soon")).code).toBe(2);
    expect((await home.run("invoke", "nobody")).stderr).toContain("AE_UNKNOWN_FUNCTION");
    expect((await home.run("invoke", "hello", "-d", "@/nowhere")).stderr).toContain("/nowhere");
    expect((await home.run("invoke", "hello", "--read-only")).code).toBe(2);
    core.onInvoke = () => Promise.reject(new AetherError("AE_INVOKE_FAILED", "hello: the handler failed"));
    const failed = await home.run("invoke", "hello");
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("AE_INVOKE_FAILED");
  });

  test("invocations is a table, or the records as JSON", async ({ expect }) => {
    const { stdout } = await home.run("invocations");
    expect(stdout).toMatch(/^STARTED\s+FUNCTION\s+MS\s+WOKEN FROM/);
    expect(stdout).toMatch(/hello\s+10\.0\s+snapshot\s+ring\s+ok/);
    expect(JSON.parse((await home.run("invocations", "hello", "--json")).stdout)).toHaveLength(1);
  });
});
