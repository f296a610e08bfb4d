/** What keys do: dialogs stay bound to their id, every action answers, Esc never quits, every way out restores the terminal. */
import { describe, expect, test } from "vitest";
import { AetherError } from "../../src/protocol/errors.ts";
import type { FunctionView } from "../../src/protocol/views.ts";
import { asleep, fakeFunction, fakeWake } from "../helpers/fake-engine-views.ts";
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
    const text = await screen.see("AE_CONNECTIONS_OPEN api cannot sleep");
    expect(text).toContain("2 connections are open");
    expect(text).toContain("→ Set `connections: close`.");
    await screen.press(keys.esc);
    await screen.hides("AE_CONNECTIONS_OPEN");
  });

  test("failures stay until they are read: a burst is one dialog, which scrolls, is copied, and comes again with E", async () => {
    await using running = startConsole(80, 20, {
      functions: ["a", "b", "c", "d"].map((id, n) => fakeFunction(id, n)),
    });
    const { screen, engine } = running;
    engine.answer((id) =>
      Promise.reject(
        new AetherError("AE_DUMP_FAILED", `${id} cannot be saved`, { why: "x".repeat(200), hint: "Try." }),
      ),
    );
    await screen.see("running");
    await screen.press("E");
    await screen.see("no order has failed");
    await screen.press("a", "s");
    let text = await screen.see("4 orders failed");
    expect(text).toContain("AE_DUMP_FAILED d cannot be saved");
    expect(text).not.toContain("a cannot be saved");
    await screen.press("G");
    text = await screen.see("AE_DUMP_FAILED a cannot be saved");
    expect(text).toContain("asked: snapshot of a");
    await screen.press("y");
    await screen.see("4 errors copied by");
    const encoded = screen.written().split("]52;c;")[1]?.split("\u0007")[0] ?? "";
    expect(Buffer.from(encoded, "base64").toString()).toContain("AE_DUMP_FAILED b cannot be saved\nwhy: xxx");
    // Keys of actions do nothing in there.
    await screen.press("X", "s", "q");
    await screen.hides("cannot be saved");
    expect(engine.calls).toHaveLength(4);
    await screen.press("E");
    await screen.see("4 orders failed");
    await screen.press(keys.esc);
    // While something is asked, a failure does not take its keys.
    const later = Promise.withResolvers<void>();
    engine.answer(async () => {
      await later.promise;
      throw new AetherError("AE_DUMP_FAILED", "too late");
    });
    await screen.press("s", "X");
    later.resolve();
    text = await screen.see("AE_DUMP_FAILED  too late");
    expect(text).toContain("Kill a?");
  });

  test("Space marks rows, and an action hits all of them, as they are named", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press(" ", "j", " ");
    let text = await screen.see("2 marked");
    expect(text).toMatch(/^.\+ ?api/m);
    expect(text).toMatch(/^.\+ ?worker/m);
    expect(text).not.toMatch(/^.\+ ?web/m);
    await screen.press("X");
    text = await screen.see("Kill 2 functions?");
    expect(text).toContain("api, worker.");
    // Sorted anew meanwhile, and a function less: what was named is what is hit.
    engine.setFunctions(engine.view.functions.toReversed());
    await screen.press("y");
    await screen.see("2 of 2 functions killed");
    expect(engine.calls).toEqual(["kill api", "kill worker"]);
    await screen.hides("marked");
    // From the palette, all rows of a filter, and Esc.
    await screen.press("/", "warm", keys.enter, "a", ":", "suspend", keys.enter);
    await screen.see("2 of 2 functions suspended");
    expect(engine.calls.slice(2).toSorted()).toEqual(["suspend api", "suspend worker"]);
    await screen.press("/", "\u0015", keys.enter, "a");
    await screen.see("3 marked");
    // Messages lie on top of marks.
    await screen.press(...Array.from({ length: 6 }, () => keys.esc));
    await screen.hides("marked");
    // In a pane the function of that pane is meant, whatever is marked.
    await screen.press("g", " ", keys.enter, "W");
    await screen.see("web awake in");
    expect(engine.calls.slice(4)).toEqual(["wake web"]);
  });

  test("a restart says what is lost, and asks only where something is", async () => {
    const empty = fakeFunction("empty", 1, { state: "Uninitialized", instances: [], snapshot: null });
    await using running = startConsole(100, 30, { functions: [fakeFunction("api"), empty] });
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("R");
    const text = await screen.see("Restart api?");
    expect(text).toContain("Process 4200 gets SIGTERM");
    expect(text).toContain("Port 8080 stays open");
    await screen.press("y");
    await screen.see("api restarted in");
    await screen.press("j", "R");
    await screen.see("empty restarted in");
    expect(engine.calls).toEqual(["restart api", "restart empty"]);
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

  test("the palette acts on a function that is named, from any view, and on nothing that is marked", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("a", "3", ":", "kl work");
    await screen.see("kill worker");
    await screen.press(keys.enter);
    await screen.see("Kill worker?");
    await screen.press("y");
    await screen.see("worker killed");
    expect(engine.calls).toEqual(["kill worker"]);
    await screen.press(":", "worker det", keys.enter);
    await screen.see("worker");
    await screen.press(keys.esc, ":", "no such thing");
    await screen.see("No command of that name");
  });

  test("the palette finds a command that does not hold here, and says where it does", async () => {
    await using running = startConsole(100, 30);
    const { screen } = running;
    await screen.see("api");
    await screen.press(":", "wrap");
    await screen.see("(log, all logs) Wrap long lines");
    await screen.press(keys.enter);
    const text = await screen.see("wrap means something in: log, all logs");
    expect(text).not.toContain("No command of that name");
  });

  test("no key hits a function that the filter hides", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    await screen.press("/", "zzz", keys.enter);
    await screen.see("No function matches zzz");
    await screen.press("s", "X");
    await screen.see("no function is selected");
    expect(engine.calls).toEqual([]);
    await screen.press(keys.esc, keys.esc, "s");
    await screen.see("api put to sleep");
  });

  test("a terminal that is too small takes no key but those that leave", async () => {
    await using running = startConsole(50, 12);
    const { screen, engine } = running;
    await screen.see("needs 60x15");
    await screen.press("s", "W", "X", "y");
    screen.resize(100, 30);
    await screen.see("api");
    expect(engine.calls).toEqual([]);
    expect(await screen.text()).not.toContain("Kill");
  });

  test("what is as it was asked for is said, and is no failure", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    engine.answer(() =>
      Promise.reject(
        new AetherError("AE_INVALID_STATE_TRANSITION", "api: Running -> Running is no step", {
          data: { function: "api", from: "Running", to: "Running" },
        }),
      ),
    );
    await screen.see("api");
    await screen.press("W");
    await screen.see("api is Running already");
    expect(await screen.text()).not.toContain("AE_INVALID");
  });

  test("events, wakes and invocations are copied as JSON", async () => {
    await using running = startConsole(100, 30);
    const { screen, engine } = running;
    await screen.see("api");
    engine.event(fakeWake("api"));
    await screen.press("4");
    await screen.see("api");
    await screen.press("y");
    await screen.see("wake copied by");
    await screen.press("3", "y");
    await screen.see("1 event copied by");
    await screen.press("7", "y");
    await screen.see("there is nothing to copy");
    const [wake, events] = screen
      .written()
      .split("]52;c;")
      .slice(1)
      .map((rest) => JSON.parse(Buffer.from(rest.split("\u0007")[0] ?? "", "base64").toString()) as unknown);
    expect(wake).toMatchObject({ functionId: "api", restoreMs: 8 });
    expect(events).toMatchObject({ type: "wake", functionId: "api" });
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

  test("D detaches from an engine elsewhere; in-process it says why not", async () => {
    const attached = startConsole(100, 30, { mode: "attached" });
    await attached.screen.see("api");
    await attached.screen.press("D");
    expect((await attached.outcome).reason).toBe("detach");
    await using running = startConsole(100, 30);
    await running.screen.see("api");
    await running.screen.press("D");
    await running.screen.see("the engine lives in this process and ends with it");
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

describe("keys as terminals send them", () => {
  test("several keys in one chunk, sequences in the midst of them, and a sequence in two chunks", async () => {
    await using running = startConsole(100, 30);
    const { screen } = running;
    await screen.see("api");
    const at = async (id: string): Promise<string> => screen.see(new RegExp(`^▌.${id} `, "m"));
    await screen.press("jj");
    await at("worker");
    await screen.press("k\u001b[Bk\u001b[A");
    await at("api");
    await screen.press(`G${keys.up}`);
    await at("web");
    screen.type("\u001b");
    screen.type("[");
    screen.type("B");
    await at("worker");
    // Esc and what follows it at once.
    await screen.press("X");
    await screen.see("Kill worker?");
    await screen.press("\u001bk");
    await screen.hides("Kill worker?");
    await at("web");
    // A whole order in one chunk: the filter is typed, taken, and the row is asked about.
    await screen.press("/api\rX");
    expect(await screen.see("Kill api?")).toContain("Process 4200");
  });
});
