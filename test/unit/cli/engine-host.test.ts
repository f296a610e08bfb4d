/** `aether`, `up` and `run`, with a fake in the place of the engine's worker. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "vitest";
import { cliHome } from "../../helpers/fake-core-cli.ts";

const config = (name: string): string =>
  `version: 1\nengine: { name: ${name} }\nfunctions:\n  - { id: hello, command: sh, trigger_port: 18999 }\n`;

describe("an engine in this process", () => {
  test.for([["--headless"], ["up"], ["up", "--foreground"], []])(
    "aether %j prints lines and ends in order on SIGTERM",
    async (args, { expect }) => {
      await using home = await cliHome();
      await writeFile(join(home.dir, "aether.yaml"), config("default"));
      const engine = home.start("--engine", "one", ...args);
      await expect.poll(engine.output, { timeout: 15_000 }).toContain("2 of 2 functions ready");
      engine.child.kill("SIGTERM");
      const { code, stdout, stderr } = await engine.result;
      expect(code).toBe(143);
      expect(stdout).not.toContain(String.fromCodePoint(27));
      expect(stderr).toContain("stopping: SIGTERM");
      expect((await home.run("--engine", "one", "ps")).stderr).toContain("AE_ENGINE_NOT_RUNNING");
    },
  );

  test("--json prints JSON lines", async ({ expect }) => {
    await using home = await cliHome();
    await writeFile(join(home.dir, "aether.yaml"), config("default"));
    const engine = home.start("--engine", "one", "--json");
    await expect.poll(engine.output, { timeout: 15_000 }).toContain("\n");
    engine.child.kill("SIGINT");
    const { code, stdout } = await engine.result;
    expect(code).toBe(130);
    expect(JSON.parse(stdout.split("\n")[0] ?? "")).toMatchObject({
      type: "event",
      event: { type: "progress" },
    });
  });

  test("Ctrl-C that comes twice at once is one; a second one later ends at once", async ({ expect }) => {
    await using home = await cliHome();
    await writeFile(join(home.dir, "aether.yaml"), config("default"));
    const engine = home.start("--engine", "stubborn", "up");
    await expect.poll(engine.output, { timeout: 15_000 }).toContain("ready");
    engine.child.kill("SIGINT");
    engine.child.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(engine.child.exitCode).toBeNull();
    engine.child.kill("SIGINT");
    expect((await engine.result).code).toBe(130);
  });

  test("a second engine is refused by --headless, and attached to without", async ({ expect }) => {
    await using home = await cliHome();
    await writeFile(join(home.dir, "aether.yaml"), config("default"));
    const engine = home.start("--engine", "one", "up");
    await expect.poll(engine.output, { timeout: 15_000 }).toContain("ready");
    const second = await home.run("--engine", "one", "--headless");
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`process ${engine.child.pid} has held the name since`);
    const attached = home.start("--engine", "one");
    await expect.poll(attached.output, { timeout: 15_000 }).toContain("ready");
    expect(await home.run("--engine", "one", "down")).toMatchObject({ code: 0 });
    expect((await attached.result).code).toBe(0);
    expect((await engine.result).code).toBe(0);
  });

  test("failures have their exit codes", async ({ expect }) => {
    await using home = await cliHome();
    expect(await home.run("up")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("aether init") as string,
    });
    await writeFile(join(home.dir, "aether.yaml"), config("default"));
    expect(await home.run("--engine", "invalid", "up")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("id is missing") as string,
    });
    expect(await home.run("--engine", "broken", "up")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("AE_INTERNAL") as string,
    });
  });

  test.for(["dies", "dies-at-once"])(
    "an engine that %s is told by its own reason",
    async (name, { expect }) => {
      await using home = await cliHome();
      await writeFile(join(home.dir, "aether.yaml"), config("default"));
      const { code, stderr } = await home.run("--engine", name, "up");
      expect(stderr).toContain("AE_LAUNCHER_LOST");
      expect(stderr).not.toContain("AE_ENGINE_NOT_RUNNING");
      expect(code).toBe(1);
    },
  );

  test("run makes an engine of its own name from a command", async ({ expect }) => {
    await using home = await cliHome();
    const engine = home.start("run", "--port", "18998", "--", "sh", "-c", "exit 0");
    await expect.poll(engine.output, { timeout: 15_000 }).toMatch(/ready|error/);
    engine.child.kill("SIGTERM");
    expect((await engine.result).code).toBe(143);
    expect(await home.run("run", "--port", "18998", "--", "no-such-program")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("AE_CONFIG_PROGRAM_NOT_FOUND") as string,
    });
  });
});

describe("an engine in the background", () => {
  test("up -d returns when it is ready; down ends it; its log has the events", async ({ expect }) => {
    await using home = await cliHome();
    await writeFile(join(home.dir, "aether.yaml"), config("one"));
    const up = await home.run("--engine", "one", "up", "-d");
    expect(up).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("2 of 2 functions ready") as string,
    });
    expect(await home.run("up", "-d")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("AE_ENGINE_RUNNING") as string,
    });
    expect(await home.run("ps")).toMatchObject({ code: 0 });
    expect(await home.run("down")).toMatchObject({ code: 0 });
    expect(await readFile(join(home.dir, "state/one/logs/engine.log"), "utf8")).toContain(
      "2 of 2 functions ready",
    );
  });

  test("up -d tells why it did not start", async ({ expect }) => {
    await using home = await cliHome();
    await writeFile(join(home.dir, "aether.yaml"), config("default"));
    const failed = await home.run("--engine", "broken", "up", "-d");
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("a defect") as string });
    await writeFile(join(home.dir, "aether.yaml"), "version: 2\n");
    expect(await home.run("up", "-d")).toMatchObject({ code: 2 });
  });
});
