/** What keys do: dialogs stay bound to their id, every action answers, Esc never quits, every way out restores the terminal. */
import { describe, expect, test } from "vitest";
import { AetherError } from "../../src/protocol/errors.ts";
import type { FunctionView } from "../../src/protocol/views.ts";
import { asleep, fakeFunction } from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

describe("actions", () => {
  test("a snapshot is marked as asked at once, then its result is said", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    const answer = Promise.withResolvers<void>();
    engine.answer(async () => {
      await answer.promise;
      return { function: fakeFunction("api"), durationMs: 132 };
    });
    await screen.see("api");
    await screen.press("s");
    expect(await screen.text()).toMatch(/api .*… snapshot/);
    answer.resolve();
    await screen.see("api put to sleep in 132 ms, image 9.8 MiB");
    expect(await screen.text()).not.toContain("… snapshot");
    expect(engine.calls).toEqual(["snapshot api"]);
  });

  test("a failed action shows code, reason and remedy", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    engine.answer(() =>
      Promise.reject(
        new AetherError("AE_CONNECTIONS_OPEN", "api cannot sleep", {
          why: "2 connections are open",
          hint: "Set `connections: close`.",
        }),
      ),
    );
    await screen.see("api");
    await screen.press("s");
    const text = await screen.see("AE_CONNECTIONS_OPEN  api cannot sleep");
    expect(text).toContain("2 connections are open");
    expect(text).toContain("→ Set `connections: close`.");
    await screen.press(keys.esc);
    expect(await screen.text()).not.toContain("AE_CONNECTIONS_OPEN");
  });

  test("a kill hits the function it named, though the list is sorted anew and the function moved", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("j", "X");
    await screen.see("Kill web?");
    engine.setFunctions(engine.view.functions.toReversed());
    engine.setFunctions([fakeFunction("aaa", 9), ...engine.view.functions]);
    await screen.see("aaa");
    expect(await screen.text()).toContain("Kill web?");
    expect(engine.calls).toEqual([]);
    await screen.press("y");
    expect(engine.calls).toEqual(["kill web"]);
  });

  test("a kill of a function that is gone by then is an error, not another function's end", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("X");
    engine.setFunctions(engine.view.functions.slice(1));
    await screen.press("y");
    await screen.see("AE_UNKNOWN_FUNCTION");
    expect(engine.calls).toEqual(["kill api"]);
  });

  test("dialogs take arrows, vi keys, Tab, Enter and Esc; the harmless answer is marked first", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("X", keys.enter);
    await screen.press("X", keys.esc);
    await screen.press("X", "n");
    expect(engine.calls).toEqual([]);
    expect(await screen.text()).not.toContain("Kill");
    for (const move of ["h", "\u001b[D", keys.tab, "j"]) await screen.press("X", move, keys.enter);
    expect(engine.calls).toEqual(["kill api", "kill api", "kill api", "kill api"]);
  });

  test("restoring asks where memory would be discarded, and only there", async () => {
    await using running = startConsole(100, 30, { functions: [fakeFunction("awake"), asleep("sleeper", 1)] });
    const { screen, engine } = running;
    await screen.see("awake");
    await screen.press("r");
    await screen.see("Restore awake?");
    await screen.press("n", "j", "r");
    await screen.see("sleeper restored");
    expect(engine.calls).toEqual(["restore sleeper"]);
  });

  test("u suspends, W wakes, L reloads", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("u", "W", "L");
    await screen.see("nothing had changed");
    expect(engine.calls).toEqual(["suspend api", "wake api", "reload"]);
  });

  test("a read-only console changes nothing", async () => {
    await using running = startConsole(100, 30, {}, { readOnly: true });
    const { screen, engine } = running;
    await screen.see("read-only");
    await screen.press("s", "X", "y", "L");
    await screen.see("this console is read-only");
    expect(engine.calls).toEqual([]);
  });

  test("the palette finds a command by name and runs it", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press(":", "susp", keys.enter);
    await screen.see("api suspended");
    expect(engine.calls).toEqual(["suspend api"]);
    await screen.press("2", ":", "kill", keys.enter);
    await screen.see("Kill api?");
  });

  test("typing into the filter narrows the rows; keys are text there; pasted text never runs", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("\u001b[200~Xys\u001b[201~");
    expect(engine.calls).toEqual([]);
    await screen.press("/", "wsX", keys.backspace, keys.backspace);
    expect(await screen.text()).toContain("filter");
    await screen.see("worker");
    expect(await screen.text()).not.toMatch(/^[▌▏ ] api/m);
    await screen.press(keys.enter, keys.esc);
    await screen.see("api");
    await screen.press("/", "zzz");
    await screen.see("No function matches zzz");
    await screen.press(keys.esc);
    await screen.see("api");
  });
});

describe("leaving", () => {
  const asleepOnly: readonly FunctionView[] = [asleep("api")];

  test("q in-process asks while functions are awake; Esc stays", async () => {
    const running = startConsole(100, 30);
    const { screen, outcome } = running;
    await screen.see("api");
    await screen.press("q");
    await screen.see("Quit and stop the engine demo?");
    await screen.press(keys.esc, keys.esc, keys.esc);
    expect(await screen.text()).not.toContain("Quit and stop");
    await screen.press("q", "y");
    expect(await outcome).toEqual({ reason: "quit", error: null, signal: null });
    expect(await screen.isAlternate()).toBe(false);
    expect(screen.rawMode()).toBe(false);
    // The cursor is shown again, and nothing hides it afterwards.
    expect(screen.written().lastIndexOf("\u001b[?25h")).toBeGreaterThan(
      screen.written().lastIndexOf("\u001b[?25l"),
    );
  });

  test("q in-process does not ask while everything sleeps", async () => {
    const { screen, outcome } = startConsole(100, 30, { functions: asleepOnly });
    await screen.see("api");
    await screen.press("q");
    expect((await outcome).reason).toBe("quit");
  });

  test("q attached leaves and stops nothing", async () => {
    const { screen, engine, outcome } = startConsole(100, 30, { mode: "attached" });
    await screen.see("attached");
    await screen.press("q");
    expect((await outcome).reason).toBe("detach");
    expect(engine.calls).toEqual([]);
  });

  test("C-c once says what a second one does; twice leaves, from a dialog too", async () => {
    const { screen, outcome } = startConsole(100, 30);
    await screen.see("api");
    await screen.press("X", keys.ctrlC);
    await screen.see("C-c again leaves and stops the engine");
    await screen.press(keys.ctrlC);
    expect((await outcome).reason).toBe("quit");
  });

  test("C-z in-process says why not, and what to do", async () => {
    await using running = startConsole(100, 30);
    const { screen } = running;
    await screen.see("api");
    await screen.press(keys.ctrlZ);
    expect(await screen.see("aether up -d")).toContain("the engine lives in this process");
  });

  test("the engine's end ends the console, with the reason", async () => {
    const { screen, engine, outcome } = startConsole(100, 30, { mode: "attached" });
    await screen.see("api");
    const lost = new AetherError("AE_ENGINE_LOST", "the engine demo does not answer");
    engine.die(lost);
    expect(await outcome).toEqual({ reason: "engine-gone", error: lost, signal: null });
    expect(await screen.isAlternate()).toBe(false);
  });

  test("a signal ends the console in order and names itself", async () => {
    const { screen, outcome } = startConsole(100, 30);
    await screen.see("api");
    process.emit("SIGTERM", "SIGTERM");
    expect(await outcome).toEqual({ reason: "signal", error: null, signal: "SIGTERM" });
    expect(await screen.isAlternate()).toBe(false);
    expect(process.listeners("SIGTERM").length).toBe(process.listeners("SIGHUP").length);
  });

  test("a terminal that goes away counts as hanging up and does not crash", async () => {
    const { screen, outcome } = startConsole(100, 30);
    await screen.see("api");
    screen.stdout.emit("error", Object.assign(new Error("write EIO"), { code: "EIO" }));
    expect((await outcome).signal).toBe("SIGHUP");
  });

  test("an error in drawing gives the terminal back and reaches the caller", async () => {
    const { screen, engine, outcome } = startConsole(100, 30);
    await screen.see("api");
    engine.change("api", { instances: null as unknown as FunctionView["instances"] });
    const { reason, error } = await outcome;
    expect(reason).toBe("quit");
    expect(error).toBeInstanceOf(TypeError);
    expect(await screen.isAlternate()).toBe(false);
    expect(screen.rawMode()).toBe(false);
  });
});
