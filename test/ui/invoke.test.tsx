/** Invoking from the console: form, waiting, answer, and giving up; programs outside. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AetherError } from "../../src/protocol/errors.ts";
import type { InvokeResponse } from "../../src/protocol/invocations.ts";
import { editText } from "../../src/ui/control/programs.ts";
import { fakeConfig, fakeFunction } from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

const handler = {
  runtime: "python",
  entry: "app.handle",
  timeoutMs: 1_000,
  bodyLimitBytes: 1_024,
  concurrency: 1,
} as const;

describe("invoking", () => {
  test("a server gets a request with method, path, headers and body; its answer is read, scrolled and copied", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("i");
    let text = await screen.see("Invoke api");
    expect(text).toContain("a request on its port");
    await screen.press(
      "items?x=1",
      keys.tab,
      "accept: text/html; x-id: 7",
      keys.down,
      '{"a": 1}',
      "\u001b[Z\u001b[Z\u001b[Z",
    );
    await screen.press("\u0015post", keys.enter);
    text = await screen.see("status 200");
    expect(text).toContain("api: POST /items?x=1");
    expect(text).toContain("woken from snapshot in 9.0 ms");
    expect(text).toContain('"hello": "world"');
    expect(engine.orders).toHaveLength(1);
    expect(engine.orders[0]).toMatchObject({
      method: "POST",
      path: "/items?x=1",
      headers: { accept: "text/html", "x-id": "7" },
      encoding: "json",
    });
    expect(Buffer.from(engine.orders[0]?.event ?? []).toString()).toBe('{"a": 1}');
    await screen.press("y");
    await screen.see("the body copied by");
    // The form comes again as it was sent.
    await screen.press(keys.esc, keys.esc, "i");
    expect(await screen.see("Invoke api")).toContain("/items?x=1");
    await screen.press(keys.esc);
    await screen.hides("Invoke api");
    expect(engine.calls).toEqual(["invoke api"]);
  });

  test("what is wrong in a field is said there, and nothing is sent", async () => {
    await using running = startConsole(80, 24);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("i", "\u0015no path", keys.enter);
    await screen.see("a path begins with /");
    await screen.press("\u0015/", keys.tab, "nonsense", keys.enter);
    await screen.see("headers are written as NAME: VALUE");
    expect(engine.calls).toEqual([]);
  });

  test("a handler gets an event; a pasted one keeps its lines", async () => {
    const config = { ...fakeConfig("fn", 8080), handler, ring: true };
    await using running = startConsole(80, 24, { functions: [fakeFunction("fn", 0, { config })] });
    const { screen, engine } = running;
    await screen.see("fn");
    await screen.press("i");
    expect(await screen.see("an event for its handler")).not.toContain("method");
    await screen.press("\u0015", '\u001b[200~{\n "n": 1}\u001b[201~', keys.enter);
    await screen.see("hello");
    expect(Buffer.from(engine.orders[0]?.event ?? []).toString()).toBe('{\n "n": 1}');
  });

  test("Esc while it is waited for gives it up; hostile answers stay in their rows; bad ones are failures", async () => {
    await using running = startConsole(80, 24);
    const { screen, engine } = running;
    await screen.see("api");
    engine.answerInvocation(() => new Promise<InvokeResponse>(() => undefined));
    await screen.press("i", keys.enter);
    await screen.see("waiting for its answer");
    await screen.press(keys.esc);
    await screen.see("invocation of api given up");
    engine.answerInvocation(async (functionId) => ({
      id: "1",
      functionId,
      via: "http",
      tier: null,
      wakeMs: 0,
      durationMs: 3,
      encoding: "text",
      result: "\u001b[2J\u001b]0;evil\u0007plain\tend",
      http: { status: 404, headers: { "x-evil": "\u001b[31mred" } },
    }));
    await screen.press("i", keys.enter);
    const text = await screen.see("status 404");
    expect(text).toContain("plain");
    expect(text).toContain("x-evil: red");
    expect(screen.written()).not.toContain("evil\u0007");
    await screen.press(keys.esc);
    engine.answerInvocation(() =>
      Promise.reject(new AetherError("AE_INVOKE_FAILED", "api: it answered with status 500")),
    );
    await screen.press("i", keys.enter);
    await screen.see("AE_INVOKE_FAILED");
  });

  test("a read-only console invokes nothing", async () => {
    await using running = startConsole(80, 24, {}, { readOnly: true });
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("i");
    await screen.see("this console is read-only");
    expect(engine.calls).toEqual([]);
  });
});

describe("the user's editor", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "aether-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    vi.unstubAllEnvs();
  });

  test("edits a text, with arguments of its own; one that fails or is missing is told apart", async () => {
    expect(await editText("sed -i s/a/b/", "an a", "body")).toBe("bn a");
    await expect(editText("false", "x", "body")).rejects.toMatchObject({ why: "it ended with code 1" });
    await expect(editText("no-such-editor-here", "x", "body")).rejects.toMatchObject({
      why: "there is no such program",
    });
  });

  test("e edits the configuration and says what came of it; a refused one is asked about with its message on top", async () => {
    const file = join(folder, "aether.yaml");
    writeFileSync(file, "old\n");
    vi.stubEnv("EDITOR", "sed -i s/old/new/");
    vi.stubEnv("VISUAL", "");
    await using running = startConsole(90, 24);
    const { screen, engine } = running;
    engine.engine({ configFile: file });
    await screen.see("/aether-");
    await screen.press("e");
    await screen.see("configuration in force as it is in the file");
    expect(readFileSync(file, "utf8")).toBe("new\n");
    engine.refuseReload(
      new AetherError("AE_CONFIG_UNKNOWN_FIELD", "aether.yaml has a problem", {
        data: { problems: ["aether.yaml:4:3: idel is not a field"] },
        hint: "Did you mean idle?",
      }),
    );
    await screen.press("e");
    const text = await screen.see("Not applied: aether.yaml has a problem");
    expect(text).toContain("aether.yaml:4:3: idel is not a field");
    expect(text).toContain("The configuration before stays in force.");
    engine.refuseReload(null);
    await screen.press(keys.enter);
    await screen.hides("Not applied");
    expect(engine.calls).toEqual(["reload", "reload", "reload"]);
  });
});
