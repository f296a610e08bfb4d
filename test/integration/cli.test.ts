/** The verbs of the command line against a real engine, as a shell runs them. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { aether, cli, eventually, start, startAether } from "../helpers/command-line.ts";
import type { Outcome, Started } from "../helpers/command-line.ts";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";

const never = { suspend_after: "never", snapshot_after: "never" };
const escape = String.fromCodePoint(27);

describe("against a running engine", () => {
  let engine: TestEngine;
  let port = 0;
  /** Everything any verb printed: none of it may hold an escape code. */
  let printed = "";

  const run = async (...args: string[]): Promise<Outcome> => {
    const outcome = await aether(["--engine", engine.name, ...args], { env: engine.env });
    printed += outcome.stdout + outcome.stderr;
    return outcome;
  };
  const follow = (...args: string[]): Started =>
    startAether(["--engine", engine.name, ...args], { env: engine.env });
  const json = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await run(...args, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout);
  };

  beforeAll(async () => {
    port = await freePort();
    const counter = { command: "/usr/bin/python3 handler.py", cwd: fixture("counter"), idle: never };
    engine = await TestEngine.start({
      functions: [
        { id: "counter", ...counter, trigger_port: port },
        {
          id: "web",
          command: "/usr/bin/python3 -u -m http.server 0",
          cwd: fixture("unmodified"),
          trigger_port: await freePort(),
          ready: "port",
          idle: never,
        },
        {
          id: "failing",
          command: "/usr/bin/python3 at_start.py",
          cwd: fixture("crasher"),
          trigger_port: await freePort(),
        },
      ].map((each) =>
        each.id === "web"
          ? { ...each, command: `/usr/bin/python3 -u -m http.server ${each.trigger_port}` }
          : each,
      ),
    });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
    expect(printed).not.toContain(escape);
  });

  it("ps --json and list --json have the promised shape", async () => {
    await get(port);
    const { instances } = await engine.settled("counter", "Running");
    const list = await json("ps");
    expect(list).toEqual(await json("list"));
    expect(list).toEqual([
      {
        id: "counter",
        state: "Running",
        activity: null,
        triggerPort: port,
        instances: [{ pid: instances[0]?.pid, state: "Running" }],
        image: { image: "mapped", imageReason: "CPython", sizeBytes: expect.any(Number) },
        restoredAhead: false,
        wakes: 1,
        coldStarts: 1,
        restore: {
          count: 1,
          lastMs: expect.any(Number),
          p50Ms: expect.any(Number),
          p95Ms: expect.any(Number),
          p99Ms: expect.any(Number),
        },
        lastError: null,
      },
      expect.objectContaining({
        id: "web",
        state: "WarmSnapshot",
        instances: [],
        restore: { count: 0, lastMs: null, p50Ms: null, p95Ms: null, p99Ms: null },
      }),
      expect.objectContaining({
        id: "failing",
        lastError: expect.objectContaining({ code: "AE_EARLY_EXIT" }),
      }),
    ]);
    expect(readdirSync(`/proc/${instances[0]?.pid ?? 0}`)).toContain("status");
    const { stdout } = await run("ps");
    expect(stdout.trimEnd().split("\n")).toHaveLength(4);
    expect(stdout).toMatch(new RegExp(`counter +Running +${port}`));
  });

  it("stats --json", async () => {
    const stats = await json("stats");
    expect(stats).toMatchObject({
      engine: {
        pid: engine.child.pid,
        name: engine.name,
        startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      },
      functions: [{ id: "counter", state: "Running", wakes: 1 }, { id: "web" }, { id: "failing" }],
    });
    expect((await run("stats")).stdout).toContain(`engine ${engine.name}`);
  });

  it("snapshot, wake, suspend, restore and kill do what they say", async () => {
    const stateOf = async (): Promise<string> => (await engine.function("counter")).state;
    expect(await run("snapshot", "counter")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^counter: snapshot made in [\d.]+ ms, now WarmSnapshot\n$/),
      stderr: "",
    });
    expect(await stateOf()).toBe("WarmSnapshot");
    expect((await run("wake", "counter")).code).toBe(0);
    expect((await get(port)).body).toBe("2\n");
    expect((await run("suspend", "counter")).code).toBe(0);
    expect(await stateOf()).toBe("Suspended");
    expect((await run("wake", "counter")).code).toBe(0);
    expect((await get(port)).body).toBe("3\n");

    const asked = await run("restore", "counter");
    expect(asked).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--yes") });
    expect((await get(port)).body).toBe("4\n");
    expect(await json("restore", "--yes", "counter")).toMatchObject({
      action: "restore",
      durationMs: expect.any(Number),
      function: { id: "counter", state: "Running" },
    });
    expect((await get(port)).body).toBe("2\n");

    expect((await run("kill", "counter")).code).toBe(0);
    expect(await stateOf()).toBe("WarmSnapshot");
    // Asleep there is no memory to lose, and nothing is asked.
    expect((await run("restore", "counter")).code).toBe(0);
    expect((await get(port)).body).toBe("2\n");
  });

  it("refusals have their codes and say why and what to do", async () => {
    const unknown = await run("wake", "nobody");
    expect(unknown).toMatchObject({ code: 2, stdout: "" });
    expect(unknown.stderr).toMatch(/^error AE_UNKNOWN_FUNCTION: .*nobody.*\n {2}do: {2}/);
    await run("snapshot", "counter");
    const illegal = await run("suspend", "counter");
    expect(illegal).toMatchObject({ code: 1, stdout: "" });
    expect(illegal.stderr).toContain("AE_INVALID_STATE_TRANSITION");
    const data = await run("suspend", "counter", "--json");
    expect(JSON.parse(data.stderr)).toMatchObject({
      error: { code: "AE_INVALID_STATE_TRANSITION", data: { function: "counter" } },
    });
  });

  it("logs -f goes on with new lines, through sleep and wake", async () => {
    const { trigger_port } = { trigger_port: (await engine.function("web")).triggerPort ?? 0 };
    const following = follow("logs", "-f", "web");
    try {
      await get(trigger_port, "/first");
      await following.says("GET /first");
      await run("snapshot", "web");
      await get(trigger_port, "/second");
      await following.says("GET /second");
      expect((await run("logs", "web", "-n", "1")).stdout).toContain("GET /second");
      expect(await json("logs", "web")).toContainEqual(
        expect.objectContaining({
          functionId: "web",
          stream: "stderr",
          text: expect.stringContaining("GET /first"),
        }),
      );
    } finally {
      following.child.kill("SIGTERM");
      printed += (await following.outcome).stdout;
    }
    expect((await run("logs", "failing")).stdout).not.toBe("");
  });

  it("events -f goes on with new events, as lines and as JSON lines", async () => {
    const [plain, lines] = [follow("events", "-f"), follow("events", "-f", "--json")];
    try {
      await plain.says("counter");
      await lines.says("counter");
      await run("wake", "counter");
      await plain.says(/counter: woken from snapshot/);
      await lines.says(/"type":"wake"/);
    } finally {
      for (const each of [plain, lines]) each.child.kill("SIGTERM");
    }
    printed += (await plain.outcome).stdout;
    for (const line of (await lines.outcome).stdout.trim().split("\n"))
      expect(JSON.parse(line)).toHaveProperty("seq");
  });

  it("ends quietly when its reader has enough", async () => {
    const shell = (line: string): Promise<Outcome> =>
      start("bash", ["-c", `set -o pipefail; ${line}`], { env: engine.env }).outcome;
    const aether_ = `'${process.execPath}' '${cli}' --engine ${engine.name}`;
    for (const verb of ["ps", "stats --json", "events -n 1000", "events --json", "logs web"]) {
      expect(await shell(`${aether_} ${verb} | head -1 | wc -l`)).toMatchObject({
        code: 0,
        stdout: "1\n",
        stderr: "",
      });
      expect((await shell(`${aether_} ${verb} | true`)).stderr).toBe("");
    }
    // A pipe without a reader is noticed at the next write, as with every program: something has to happen meanwhile.
    const reader = new AbortController();
    const following = shell(`${aether_} events -f | head -1`).finally(() => reader.abort());
    while (!reader.signal.aborted) {
      await run("suspend", "web");
      await run("wake", "web");
    }
    expect((await following).stderr).toBe("");
  });

  it("a second engine of the name is refused, naming the first", async () => {
    const second = await aether(["--headless", "-c", engine.configFile], { env: engine.env });
    // Its functions' ports are the first one's: that is what it would trip over otherwise.
    expect(second).toMatchObject({ code: 1, stdout: "" });
    expect(second.stderr).toContain("AE_ENGINE_RUNNING");
    expect(second.stderr).toContain(`process ${engine.child.pid}`);
    const detached = await aether(["-c", engine.configFile, "up", "-d"], { env: engine.env });
    expect(detached).toMatchObject({ code: 1, stderr: expect.stringContaining("AE_ENGINE_RUNNING") });
    expect((await run("ps")).code).toBe(0);
  });

  it("without a terminal `aether` attaches and prints lines; the engine outlives it", async () => {
    const attached = startAether(["-c", engine.configFile], { env: engine.env });
    await attached.says("counter");
    attached.child.kill("SIGTERM");
    const { stdout } = await attached.outcome;
    printed += stdout;
    expect((await run("ps")).code).toBe(0);
  });

  it("read-only and completion helpers", async () => {
    expect((await run("--read-only", "kill", "counter")).code).toBe(2);
    expect((await run("__ids")).stdout).toBe("counter\nweb\nfailing\n");
  });
});

describe("without an engine", () => {
  let home = "";
  let env: NodeJS.ProcessEnv = {};
  const name = `t${process.pid}cli`;
  const run = (...args: string[]): Promise<Outcome> => aether(args, { env, cwd: home });

  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "aether-"));
    env = { ...process.env, AETHER_RUNTIME_DIR: join(home, "run"), AETHER_STATE_DIR: join(home, "state") };
  });

  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it("verbs say that none runs", async () => {
    for (const verb of [["ps"], ["stats"], ["events"], ["wake", "x"], ["down"], ["logs", "x"]]) {
      expect(await run("--engine", "nobody", ...verb)).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringContaining("AE_ENGINE_NOT_RUNNING"),
      });
    }
  });

  it("unknown verbs and options are usage errors", async () => {
    expect(await run("explode")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("unknown command 'explode'"),
    });
    expect(await run("ps", "--bogus")).toMatchObject({ code: 2, stdout: "" });
  });

  it("validate: 0 for the examples, 2 with file:line:column on stderr for the broken ones", async () => {
    // The examples, on ports that nobody has just now.
    let text = readFileSync(fixture("aether.yaml"), "utf8").replaceAll(
      /cwd: (\S+)/g,
      (_, folder: string) => `cwd: ${fixture(folder)}`,
    );
    for (const [port] of text.matchAll(/\b80\d\d\b/g)) text = text.replaceAll(port, String(await freePort()));
    const file = join(home, "examples.yaml");
    writeFileSync(file, text);
    expect(await run("validate", "--engine", name, file)).toMatchObject({ code: 0, stderr: "" });
    for (const file of readdirSync(fixture("broken")).filter((each) => each.endsWith(".yaml"))) {
      const { code, stdout, stderr } = await run("validate", join(fixture("broken"), file));
      expect({ file, code, stdout }).toEqual({ file, code: 2, stdout: "" });
      expect(stderr).toMatch(new RegExp(`${file.replaceAll(".", "\\.")}(:\\d+:\\d+)?`));
      expect(stderr).not.toContain(escape);
    }
    const { stderr } = await run("validate", fixture("broken/duplicates.yaml"));
    expect(stderr).toMatch(/duplicates\.yaml:4:45/);
    const started = await run("-c", fixture("broken/duplicates.yaml"), "--headless");
    expect(started).toMatchObject({ code: 2, stdout: "", stderr });
  });

  it("run --port N -- COMMAND: one function without a file", async () => {
    const port = await freePort();
    const engine = startAether(
      ["run", "--port", String(port), "--", "/usr/bin/python3", "-m", "http.server", String(port)],
      { env, cwd: home },
    );
    try {
      await engine.says("1 of 1 functions ready");
      expect((await get(port)).body).toContain("<html");
      expect((await run("--engine", `run-${port}`, "ps", "--json")).stdout).toContain(
        `"triggerPort": ${port}`,
      );
    } finally {
      engine.child.kill("SIGINT");
    }
    expect(await engine.outcome).toMatchObject({ code: 130, stdout: expect.not.stringContaining(escape) });
    await expect(get(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("init, validate, up -d and down in an empty folder", async () => {
    const folder = join(home, "empty");
    const here = (...args: string[]): Promise<Outcome> => aether(args, { env, cwd: folder });
    expect((await run("init", "empty")).code).toBe(0);
    const port = await freePort();
    const file = join(folder, "aether.yaml");
    // The port and the name of the first file are everybody's; a test needs its own.
    const first = readFileSync(file, "utf8");
    expect(first).toContain("trigger_port: 8080");
    writeFileSync(
      file,
      `engine: { name: ${name}, snapshot_dir: ${folder}, metrics: off }\n${first.replaceAll("8080", String(port))}
  - { id: lame, command: /bin/false, trigger_port: ${await freePort()} }\n`,
    );
    expect(await here("validate")).toMatchObject({ code: 0, stderr: "" });
    const up = await here("up", "-d");
    expect(up).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        new RegExp(`engine ${name} runs as process \\d+.*\nlame did not start: AE_\\w+ .*lame`),
      ),
      stderr: expect.stringContaining("2 of 2 functions ready"),
    });
    try {
      expect((await get(port)).body).toBe("hello, request 1\n");
      expect((await here("snapshot", "hello")).code).toBe(0);
      expect((await get(port)).body).toBe("hello, request 2\n");
    } finally {
      expect(await here("down")).toMatchObject({ code: 0, stderr: "" });
    }
    expect(await here("down")).toMatchObject({ code: 1 });
    await expect(get(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(existsSync(join(home, "run", name))).toBe(false);
    expect(readdirSync(folder).toSorted()).toEqual(["aether.yaml", "hello.py"]);
    expect(readFileSync(join(home, "state", name, "logs/engine.log"), "utf8")).toContain(
      "2 of 2 functions ready",
    );
  });

  it("a machine that is not ready: exit 3, naming what is missing", async () => {
    const port = await freePort();
    const file = join(home, "nobody.yaml");
    writeFileSync(
      file,
      JSON.stringify({
        version: 1,
        engine: { name, snapshot_dir: "/tmp", metrics: "off" },
        functions: [{ id: "f", command: "/bin/sleep 1", trigger_port: port }],
      }),
    );
    const folder = mkdtempSync(join(tmpdir(), "aether-nobody-"));
    chownSync(folder, 65_534, 65_534);
    chmodSync(home, 0o755);
    const surroundings = {
      env: { ...env, AETHER_RUNTIME_DIR: join(folder, "run"), AETHER_STATE_DIR: join(folder, "state") },
      cwd: folder,
    };
    try {
      const asNobody = (...args: string[]): Promise<Outcome> =>
        start(
          "setpriv",
          ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, cli, ...args],
          surroundings,
        ).outcome;
      const outcome = await asNobody("--headless", "-c", file);
      expect(outcome).toMatchObject({ code: 3, stdout: "" });
      expect(outcome.stderr).toMatch(/^error AE_/);
      expect(outcome.stderr).toContain("do:");
      const doctor = await asNobody("doctor");
      expect(doctor.code).toBe(3);
      expect(doctor.stdout).toMatch(/^fail/m);
      expect((await asNobody("validate", file)).code).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("completion scripts are scripts", async () => {
    for (const shell of ["bash", "zsh"]) {
      const script = join(home, `completion.${shell}`);
      const { code, stdout } = await run("completion", shell);
      expect(code).toBe(0);
      writeFileSync(script, stdout);
      // zsh's is bash's behind its own compatibility layer.
      expect(await start("bash", ["-n", script]).outcome).toMatchObject({ code: 0, stderr: "" });
    }
    expect((await run("completion", "fish")).stdout).toMatch(/^complete -c aether/m);
  });

  it("doctor finds this machine ready", async () => {
    const { stdout, stderr, code } = await run("doctor", "--json");
    expect(stderr).toBe("");
    const reports = JSON.parse(stdout) as { name: string; status: string; what: string }[];
    expect(reports.length).toBeGreaterThan(8);
    expect(reports.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(code).toBe(0);
    const plain = await eventually(
      () => run("doctor"),
      () => true,
      "doctor",
    );
    expect(plain.stdout).not.toContain(escape);
    expect(plain.stdout.match(/^ok/gm)).toHaveLength(reports.length);
  });
});
