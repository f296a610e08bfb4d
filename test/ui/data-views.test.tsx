/** The views of wakes, network, packets, invocations, system and configuration, on a real screen. */
import { expect, test } from "vitest";
import { AetherError } from "../../src/protocol/errors.ts";
import {
  asleep,
  fakeEngineView,
  fakeFigures,
  fakeFunction,
  fakeInvocation,
  fakePackets,
  fakeWake,
} from "../helpers/fake-engine-views.ts";
import { keys } from "../helpers/screen.ts";
import { startConsole } from "./start-console.ts";

const sizes = [
  [60, 15],
  [80, 24],
  [160, 50],
] as const;

const withDataPlane = {
  interfaces: [{ name: "lo", mode: "generic" as const, programId: 7 }],
  portMapId: 3,
  ports: [],
};

test("why was the last wake slow: the part that dominates, the budget, what is usual, what to do", async () => {
  await using running = startConsole(120, 40);
  const { screen, engine } = running;
  await screen.see("api");
  await screen.press("4");
  await screen.see("No function has been woken yet.");
  for (let count = 0; count < 4; count += 1) engine.event(fakeWake("api"));
  engine.event({
    ...fakeWake("api"),
    phases: { handshake: 60, queue: 20, sandbox: 40, restore: 21_400, listeners: 300, handover: 80 },
    restoreMs: 21.4,
    totalMs: 22,
    overBudget: true,
  });
  const text = await screen.see(
    "Over its budget: the restore took 21.4 ms, 6.4 ms more than the 15 ms allowed.",
  );
  expect(text).toContain("97 % of it was restore (21.4 ms)");
  expect(text).toContain("That is 2.4 times its usual 9.0 ms.");
  expect(text).toMatch(/restore +━+ +21,400 µs +97 %/);
  expect(text).toMatch(/5 wakes +[▁▂▃▄▅▆▇█]{5} +budget 15 ms is/);
  await screen.press("j");
  await screen.see("Within its budget: the restore took 8.0 ms of 15 ms.");
  engine.event({ ...fakeWake("web"), totalMs: 9.3 });
  // The selection stays with its wake while new ones come.
  expect(await screen.see(/web .*snapshot/)).toContain("Within its budget: the restore took 8.0 ms");
  await screen.press("a");
  await screen.see("of api, the last 5");
  await screen.press(keys.enter);
  await screen.see("api details");
});

test("a wake that failed says so, and its code", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  engine.event({ ...fakeWake("api"), type: "wake-failed", instance: null, error: "AE_RESTORE_FAILED" });
  await screen.press("4");
  const text = await screen.see("1 failed");
  expect(text).toContain("Failed after 9.0 ms with AE_RESTORE_FAILED: its clients were reset.");
});

test("without a data plane the network view says so, and how to switch it on", async () => {
  await using running = startConsole(80, 24);
  const { screen } = running;
  await screen.see("api");
  await screen.press("8");
  const text = await screen.see("The data plane is off: no packets are counted.");
  expect(text).toContain("data_plane: { interfaces: [lo] }");
});

test("rates by interface and by port, and drops by their reason", async () => {
  await using running = startConsole(120, 40);
  const { screen, engine } = running;
  await screen.see("api");
  engine.engine({ dataPlane: withDataPlane });
  engine.emit({ type: "figures", figures: fakeFigures(engine.view) });
  await screen.press("8");
  const text = await screen.see("DROPPED, BY REASON");
  expect(text).toMatch(/lo +generic +30 +2\.3 KiB/);
  expect(text).toMatch(/api +8080 +30 .* 3 /);
  expect(text).toContain("3  api: connection attempts over max_connections_per_second");
  expect(text).toContain("not_ip: neither IPv4 nor IPv6");
});

test("packets are tapped while their view is open, of the selected function, and no longer", async () => {
  await using running = startConsole(120, 30);
  const { screen, engine } = running;
  await screen.see("api");
  await screen.press("j", "9");
  await screen.see("packets of web, port 8081");
  engine.packets(["127.0.0.1:40000 > 127.0.0.1:8081 TCP [S] hostile \u001b[2J"], 7);
  const text = await screen.see("TCP [S] hostile");
  expect(text).toContain("7 not shown: they came too fast");
  expect(engine.calls).toEqual(["tap 8081"]);
  await screen.press("a");
  await screen.see("packets of all ports");
  await screen.press("1");
  await screen.see("FUNCTION");
  // The end of one and the beginning of the next come in either order.
  expect(engine.calls.toSorted()).toEqual(["tap 8081", "tap all", "tap ended", "tap ended"]);
});

test("a tap that is refused shows the error and what to do", async () => {
  await using running = startConsole(80, 24);
  const { screen, engine } = running;
  await screen.see("api");
  engine.refuseTap(
    new AetherError("AE_XSK_PERMISSION", "packets cannot be captured", { hint: "Run as root." }),
  );
  await screen.press("9");
  expect(await screen.see("AE_XSK_PERMISSION")).toContain("→ Run as root.");
});

test("invocations come once, change when they end, and tell their error", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  await screen.press("7");
  await screen.see("Nothing has been invoked yet.");
  const running_ = { ...fakeInvocation("api", 2), status: "running", durationMs: null, error: null } as const;
  engine.emit({ type: "invocations", records: [running_] });
  await screen.see("▸ running");
  engine.emit({ type: "invocations", records: [fakeInvocation("api", 2), fakeInvocation("web", 1)] });
  const text = await screen.see("1 failed");
  expect(text).not.toContain("▸ running");
  await screen.press("j");
  expect(await screen.see("AE_INVOKE_FAILED")).toContain("ValueError: no such item");
});

test("the system view has machine, engine and functions", async () => {
  await using running = startConsole(120, 40);
  const { screen, engine } = running;
  await screen.see("api");
  engine.emit({ type: "figures", figures: fakeFigures(engine.view) });
  await screen.press("5");
  const text = await screen.see("load average");
  for (const wanted of ["3.1 % of a core", "180 MiB", "beats, ten times a second", "tcp_migrate_req"])
    expect(text).toContain(wanted);
});

test("the configuration view has the file with each problem under its line", async () => {
  await using running = startConsole(100, 40);
  const { screen, engine } = running;
  await screen.see("api");
  engine.setConfig("version: 1\nfunctions:\n  - id: api\n    triger_port: 8080\n");
  await screen.press("6");
  await screen.see("triger_port: 8080");
  engine.event({
    type: "reload-refused",
    problems: [
      {
        code: "AE_CONFIG_UNKNOWN_FIELD",
        file: "/srv/shop/aether.yaml",
        line: 4,
        column: 5,
        path: "functions[0].triger_port",
        text: "triger_port",
        message: "unknown key",
        hint: "did you mean trigger_port?",
      },
    ],
  });
  const text = await screen.see(
    /✗ 4 {6}triger_port: 8080\n +\^ unknown key\n +→ did you mean trigger_port\?/,
  );
  expect(text).toContain("THE FILE");
  // Asked once for the view, and once for the reload.
  expect(engine.calls).toEqual(["config", "config"]);
});

test("a reload is told field by field", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  engine.event({
    type: "reload",
    added: [],
    changed: ["api"],
    removed: [],
    unchanged: ["web"],
    changes: [
      { functionId: "api", field: "restore_budget_ms", from: "15", to: "40", effect: "at-once" },
      { functionId: null, field: "snapshot_dir", from: "/dev/shm", to: "/var/x", effect: "next-start" },
    ],
  });
  await screen.press("6");
  const text = await screen.see("WHAT CHANGED");
  expect(text).toContain("api restore_budget_ms  15 → 40  in force at once");
  expect(text).toContain("engine snapshot_dir  /dev/shm → /var/x  not in force: start the engine anew");
});

test("a function is expanded to its instances, and a sleeping one to its image", async () => {
  await using running = startConsole(160, 30, { functions: [fakeFunction("api"), asleep("web", 1)] });
  const { screen, engine } = running;
  await screen.see("api");
  engine.emit({ type: "figures", figures: fakeFigures(engine.view) });
  await screen.press("+", "j", "+");
  const text = await screen.see("no process: it sleeps as an image, 9.8 MiB mapped, 11m old");
  expect(text).toMatch(/└ process +● Running .*4200/);
  await screen.press("-");
  await screen.see(/^(?![^]*no process: it sleeps)/);
});

test("the filter is fuzzy, takes regular expressions and their opposite, and says what is broken", async () => {
  const functions = ["hello-python", "hello-node", "counter"].map((id, index) => fakeFunction(id, index));
  await using running = startConsole(100, 30, { functions });
  const { screen } = running;
  await screen.see("counter");
  await screen.press("/", "hpy", keys.enter);
  await screen.see("1 of 3");
  await screen.press("/", ...Array.from("hpy", () => keys.backspace), "!/^hello", keys.enter);
  expect(await screen.see(/filter !\/\^hello 1 of 3/)).toContain("counter");
  await screen.press("/", "(", keys.enter);
  await screen.see("is no regular expression");
  await screen.press(keys.esc);
  await screen.see(/hello-node[^]*counter/);
});

test("events are filtered by the same rules", async () => {
  await using running = startConsole(100, 30);
  const { screen, engine } = running;
  await screen.see("api");
  engine.event(fakeWake("api"));
  engine.event({ type: "notice", functionId: "web", text: "something else" });
  await screen.press("3");
  await screen.see("something else");
  await screen.press("/", "!wake", keys.enter);
  await screen.see(/filter !wake 1/);
  expect(await screen.text()).not.toContain("woken from");
  await screen.press(keys.esc);
  await screen.see("woken from");
});

test.each(sizes)("every view keeps its frame at %ix%i, whatever is in it", async (columns, rows) => {
  await using running = startConsole(columns, rows);
  const { screen, engine } = running;
  await screen.see("api");
  engine.engine({ dataPlane: withDataPlane });
  engine.emit({ type: "figures", figures: fakeFigures(engine.view) });
  for (let count = 0; count < 30; count += 1) {
    engine.event({ ...fakeWake("api"), cause: "連接 \u001b[2J".repeat(9) });
    engine.emit({ type: "invocations", records: [fakeInvocation("web", count)] });
  }
  engine.setConfig(`# 設定 ${"日本語".repeat(60)}\n\u001b[2Jversion: 1\n`);
  for (const view of "123456789") {
    await screen.press(view);
    if (view === "9") engine.packets(fakePackets(60).packets.map(({ summary }) => `${summary} 日本`));
    const wanted = view === "9" ? "not shown|kept" : "";
    await screen.see(new RegExp(`${wanted}[^]*q quit`));
    const lines = await screen.rows();
    expect(lines).toHaveLength(rows);
    expect(lines[0]).toContain("aether demo");
    expect(lines[1]).toMatch(/1 F/);
    expect(lines.at(-1)).toContain("q quit");
  }
  await screen.press("1", keys.enter);
  await screen.see(/details[^]*q quit/);
});

test("a screen reader gets the wake in words and its parts in figures", async () => {
  await using running = startConsole(100, 40, {}, { screenReader: true });
  const { screen, engine } = running;
  await screen.see("(selected) api");
  engine.event(fakeWake("api"));
  await screen.press("4");
  const text = await screen.see("Within its budget: the restore took 8.0 ms of 15 ms.");
  expect(text).toMatch(/restore, 8,000 µs, 89 %/);
});

test("figures of an engine without functions are no trouble", async () => {
  await using running = startConsole(80, 24, { functions: [] });
  const { screen, engine } = running;
  await screen.see("No functions yet.");
  engine.emit({ type: "figures", figures: fakeFigures(fakeEngineView([])) });
  await screen.press("5");
  expect(await screen.see("FUNCTIONS")).toContain("Running       ● 0");
});
