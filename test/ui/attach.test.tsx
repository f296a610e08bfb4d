/** An engine that falls silent, goes, and comes back; a console that has numbers alone. */
import { describe, expect, test } from "vitest";
import { AetherError } from "../../src/protocol/errors.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

const lost = new AetherError("AE_ENGINE_LOST", 'lost the engine "demo"', {
  why: "its process 31337 is gone",
}).toJSON();

describe("an engine elsewhere", () => {
  test("that is gone leaves no figure on the screen, and its log to be read; back, it begins anew", async () => {
    await using running = startConsole(100, 30, { mode: "attached" });
    const { screen, engine } = running;
    engine.log("api", "the last words");
    await screen.see("8.4 ms");
    engine.link({ type: "lost", atMs: Date.UTC(2026, 10, 27, 12, 0, 0), error: lost });
    let text = await screen.see("engine gone since");
    expect(text).toContain("The engine demo is gone since");
    expect(text).toContain("its process 31337 is gone");
    expect(text).toContain("aether up -d");
    expect(text).not.toContain("8.4 ms");
    expect(text).not.toContain("Running");
    await screen.press("s");
    await screen.see("the engine is gone");
    await screen.press("2");
    expect(await screen.see("the last words")).toContain("engine gone since");
    engine.link({ type: "live" });
    engine.publish();
    await screen.press("1");
    text = await screen.see("8.4 ms");
    expect(text).toContain("● running");
    expect(engine.calls).toEqual([]);
    await screen.press("s");
    await screen.see("api put to sleep");
  });

  test("that does not beat is said to be so: its figures are old", async () => {
    await using running = startConsole(100, 30, { mode: "attached" });
    const { screen, engine } = running;
    await screen.see("● running");
    engine.link({ type: "silent" });
    expect(await screen.see("engine does not answer: figures are old")).not.toContain("● running");
    engine.link({ type: "live" });
    await screen.see("● running");
  });

  test("that ended in order is waited for as well, and q leaves", async () => {
    const { screen, engine, outcome } = startConsole(100, 30, { mode: "attached" });
    await screen.see("api");
    engine.link({ type: "lost", atMs: Date.now(), error: null });
    await screen.see("It ended in order.");
    await screen.press("q");
    expect((await outcome).reason).toBe("detach");
  });
});

test("a console of numbers alone says so, gives no orders, and does not show what it does not know as if it did", async () => {
  await using running = startConsole(100, 30, { mode: "attached", numbersOnly: true });
  const { screen, engine } = running;
  expect(await screen.see("numbers only")).toContain("read-only");
  await screen.press("X", "i");
  await screen.see("this console is read-only");
  await screen.press(keys.enter);
  const text = await screen.see("DECLARED");
  expect(text).toContain("not in shared memory");
  expect(text).not.toContain("python3 api.py");
  await screen.press("2");
  await screen.see("This console reads the engine's numbers alone");
  expect(engine.calls).toEqual([]);
});
