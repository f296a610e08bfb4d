/** Each view once, through ink-testing-library or the screen: what has to be found on it. */
import { cleanup, render } from "ink-testing-library";
import { afterEach, expect, test } from "vitest";
import { SpokenLines } from "../../src/ui/components/spoken-lines.tsx";
import { line } from "../../src/ui/format/line.ts";
import { fakeFunction, fakeWake } from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

afterEach(cleanup);

test("lines for a screen reader are whole, however long", () => {
  const { lastFrame } = render(<SpokenLines lines={[line("short"), line("word ".repeat(30))]} width={40} />);
  expect((lastFrame() ?? "").replaceAll(/\s+/g, " ").trim()).toBe(`short ${"word ".repeat(30).trim()}`);
});

test("the header counts functions while the engine starts", async () => {
  await using running = startConsole(100, 30, {
    functions: Array.from({ length: 40 }, (_, index) => fakeFunction(`f${index}`, index)),
  });
  running.engine.engine({ phase: "starting", readyCount: 12 });
  await running.screen.see("12 of 40 functions ready");
  running.engine.engine({ phase: "running", readyCount: 40 });
  expect(await running.screen.see("● running")).not.toContain("functions ready");
});

test("details show the configuration without values of env, snapshot, latencies and connections", async () => {
  await using running = startConsole(120, 45);
  const { screen } = running;
  await screen.see("api");
  await screen.press(keys.enter);
  const text = await screen.see("DECLARED");
  for (const wanted of [
    "DATABASE_URL, API_TOKEN (values hidden)",
    "9.8 MiB, golden",
    "mapped: CPython",
    "0 open",
    "median",
    "p99",
    "128 MiB",
  ]) {
    expect(text).toContain(wanted);
  }
  await screen.press(keys.tab, "j");
  await screen.see("web details");
});

test("wakes show restore, total and what was over budget", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  await screen.press("4");
  await screen.see("No function has been woken yet.");
  const wake = fakeWake("api");
  engine.event({ ...wake, restoreMs: 8.4, totalMs: 9.1, overBudget: false });
  engine.event({ ...wake, restoreMs: 21.4, totalMs: 24, overBudget: true });
  const text = await screen.see("1 over budget");
  expect(text).toMatch(/api .*snapshot .*21\.4 ms .*24\.0 ms .*━/);
});

test("a refused reload marks the tab and shows each problem at its place", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  engine.event({
    type: "reload-refused",
    problems: [
      {
        code: "AE_CONFIG_UNKNOWN_FIELD",
        file: "/srv/shop/aether.yaml",
        line: 12,
        column: 5,
        path: "functions[2].triger_port",
        text: "triger_port",
        message: "unknown key",
        hint: "did you mean trigger_port?",
      },
    ],
  });
  await screen.see("6 Config ✗");
  await screen.press("6");
  const text = await screen.see("/srv/shop/aether.yaml:12:5");
  expect(text).toContain("AE_CONFIG_UNKNOWN_FIELD");
  expect(text).toContain("→ did you mean trigger_port?");
  expect(text).toContain("The previous configuration stays in force.");
});

test("errors not seen yet are counted at the events tab until it is opened", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  const error = {
    code: "AE_EARLY_EXIT",
    family: "SandboxError",
    kind: "user",
    what: "api ended early",
    why: null,
    hint: "Read its log.",
    data: {},
    stack: null,
  } as const;
  engine.event({ type: "error", functionId: "api", error });
  await screen.see("3 Events ✗1");
  await screen.press("3");
  await screen.see("→ Read its log.");
  expect(await screen.text()).not.toContain("✗1");
});

test("help comes from the key table and Esc closes it", async () => {
  await using running = startConsole(130, 90);
  const { screen } = running;
  await screen.see("api");
  await screen.press("?");
  const text = await screen.see("ON THE SELECTED FUNCTION");
  for (const wanted of [
    "Freeze the function in memory.",
    "WarmSnapshot",
    "Find and run any command by name.",
  ])
    expect(text).toContain(wanted);
  await screen.press(keys.esc);
  await screen.see("FUNCTION ");
});

test("an engine without functions says what to write", async () => {
  await using running = startConsole(80, 24, { functions: [] });
  await running.screen.see("No functions yet.");
  expect(await running.screen.text()).toContain("trigger_port: 8080");
});

test("held screens stand still until they are let go", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  await screen.press("p");
  await screen.see("screen held");
  engine.setFunctions([fakeFunction("other")]);
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(await screen.text()).toContain("worker");
  await screen.press("p");
  await screen.see("other");
});

test.each([30, 15])("the order of the file turned round is seen as such on %s rows", async (rows) => {
  const functions = Array.from({ length: 10 }, (_, index) => fakeFunction(`f${index}`, index));
  await using running = startConsole(100, rows, { functions });
  const { screen } = running;
  expect(await screen.see("f0")).not.toContain("file order");
  await screen.press("O");
  expect(await screen.see("file order ▴ reversed")).toMatch(/f9[^]*f8/);
  await screen.press("O");
  await screen.hides("file order");
});

test("a screen reader gets labelled lines on the normal screen", async () => {
  await using running = startConsole(100, 30, {}, { screenReader: true });
  const { screen } = running;
  const text = await screen.see(
    "(selected) api, Running, port 8080, 12 wakes, last restore 8.4 ms, memory 11.0 MiB.",
  );
  expect(text).toContain("Aether engine demo, in this process, running. View: functions.");
  expect(await screen.isAlternate()).toBe(false);
});
