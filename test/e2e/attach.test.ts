/** Consoles on an engine that lives elsewhere, as people have them: going, coming back, standing still; editor and pager; keys of one's own. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { aether, cli, eventually } from "../helpers/command-line.ts";
import { fixture, freePort } from "../helpers/engine.ts";
import { childrenOf } from "../helpers/processes.ts";
import { Terminal } from "../helpers/terminal.ts";

const name = `t${process.pid}a`;
let folder = "";
let port = 0;
let env: NodeJS.ProcessEnv = {};

const line = (args = "", prefix = ""): string =>
  `clear; ${prefix} '${process.execPath}' '${cli}' ${args}; echo code=$?`;
const run = (...args: string[]) => aether(args, { env, cwd: folder });
const open = (rows = 30): Terminal => Terminal.open({ columns: 100, rows, cwd: folder, env });
const enginePid = (): number =>
  (JSON.parse(readFileSync(join(folder, "run", name, "engine.json"), "utf8")) as { pid: number }).pid;
/** The program under the shell's own shell. */
const pidIn = (terminal: Terminal): number =>
  childrenOf(childrenOf(terminal.shellPid)[0]?.pid ?? 0)[0]?.pid ?? 0;
const modes = { alternateScreen: false, cursorVisible: true, mouse: false, keypad: false };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "aether-"));
  mkdirSync(`/dev/shm/${name}`, { mode: 0o700 });
  port = await freePort();
  env = { ...process.env, AETHER_RUNTIME_DIR: join(folder, "run"), AETHER_STATE_DIR: join(folder, "state") };
  writeFileSync(
    join(folder, "aether.yaml"),
    `version: 1
engine: { name: ${name}, snapshot_dir: /dev/shm/${name}, on_violation: serve, metrics: off }
functions:
  - { id: counter, command: /usr/bin/python3 handler.py, cwd: ${fixture("counter")}, trigger_port: ${port}, idle: { suspend_after: never, snapshot_after: never } }
`,
  );
  expect((await run("up", "-d")).code).toBe(0);
});

afterAll(async () => {
  await run("down");
  rmSync(folder, { recursive: true, force: true });
  rmSync(`/dev/shm/${name}`, { recursive: true, force: true });
});

it("C-z goes to the shell and fg comes back; the engine serves meanwhile", async () => {
  using terminal = open();
  terminal.line(line());
  await terminal.shows(`aether ${name}  attached`);
  terminal.press("C-z");
  await terminal.shows("Stopped");
  expect(terminal.modes.alternateScreen).toBe(false);
  expect((await get(port)).body).toBe("1\n");
  terminal.line("fg");
  await terminal.shows(/counter +● Running/);
  expect(terminal.modes.alternateScreen).toBe(true);
  terminal.press("D");
  // The rest of the line ran when the job was stopped.
  await eventually(
    () => terminal.modes.alternateScreen,
    (inConsole) => !inConsole,
    "the shell",
  );
  expect(terminal.modes).toEqual(modes);
});

it("e and P hand the terminal to editor and pager, whole: every key, C-c too, and the console is back", async () => {
  using terminal = open();
  terminal.line(line("", "EDITOR=vi PAGER=less"));
  await terminal.shows("● running");
  terminal.press("e");
  await terminal.shows("metrics: off");
  await eventually(
    () => terminal.modes.alternateScreen && !terminal.screen().includes("FUNCTION"),
    Boolean,
    "the editor",
  );
  terminal.type("Go# 0123456789abcdefghijklmnopqrstuvwxyz");
  terminal.press("Escape");
  terminal.type(":wq");
  terminal.press("Enter");
  await terminal.shows("configuration in force as it is in the file");
  expect(readFileSync(join(folder, "aether.yaml"), "utf8")).toContain(
    "# 0123456789abcdefghijklmnopqrstuvwxyz\n",
  );
  await get(port);
  // What it printed is in its file a moment later.
  await eventually(() => existsSync(join(folder, "state", name, "logs", "counter.log")), Boolean, "the log");
  terminal.press("P");
  await terminal.shows("(END)");
  terminal.press("C-c");
  // What is typed at the moment of an interrupt is lost to less.
  const back = (): string => {
    if (!terminal.screen().includes("● running")) terminal.press("q");
    return terminal.screen();
  };
  await eventually(back, (screen) => screen.includes("● running"), "the console", 15_000, 500);
  expect(terminal.screen()).not.toContain("AE_USAGE");
  terminal.press("q");
  await terminal.shows("code=0");
  expect(terminal.modes).toEqual(modes);
});

it("i invokes, and shows the answer", async () => {
  using terminal = open();
  terminal.line(line());
  await terminal.shows("● running");
  terminal.press("i");
  await terminal.shows("Invoke counter");
  terminal.press("Enter");
  const screen = await terminal.shows("status 200");
  expect(screen).toContain("over its port");
  terminal.press("Escape");
  await terminal.hides("status 200");
  terminal.press("q");
  await terminal.shows("code=0");
});

it("keys of one's own are in force; a wrong file is refused with its place before anything starts", async () => {
  using terminal = open();
  writeFileSync(join(folder, "keys.yaml"), "kill: K\n");
  terminal.line(line("", "AETHER_KEYS=keys.yaml"));
  await terminal.shows("K kill");
  terminal.press("K");
  await terminal.shows("Kill counter?");
  terminal.press("n", "q");
  await terminal.shows("code=0");
  writeFileSync(join(folder, "keys.yaml"), "kill: s\n");
  terminal.line(line("", "AETHER_KEYS=keys.yaml"));
  const screen = await terminal.shows("code=2");
  expect(screen).toContain("AE_KEYS_CONFLICT");
  expect(screen).toContain("keys.yaml:1:7: s is also the key of snapshot");
});

it("consoles that stand still hold nothing up: requests, sleeps and wakes go on, and other consoles see them", async () => {
  using stopped = open();
  using dashboard = open();
  using watching = open();
  // Under a shell without job control, which would take the terminal from what is stopped.
  const held = (args: string): string =>
    `clear; sh -c "'${process.execPath}' '${cli}' ${args}; true"; echo code=$?`;
  stopped.line(held(""));
  dashboard.line(held("stats --dashboard"));
  watching.line(line());
  await stopped.shows("attached");
  await dashboard.shows("numbers only");
  await watching.shows("attached");
  const still = [pidIn(stopped), pidIn(dashboard)];
  for (const pid of still) process.kill(pid, "SIGSTOP");
  try {
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => get(port)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect((await run("snapshot", "counter")).code).toBe(0);
    }
    await watching.shows(/counter +○ WarmSnapshot/);
  } finally {
    for (const pid of still) process.kill(pid, "SIGCONT");
  }
  await get(port);
  await stopped.shows(/counter +● Running/);
  await dashboard.shows(/counter +● Running/);
  for (const each of [stopped, dashboard, watching]) each.press("q");
  for (const each of [stopped, dashboard, watching]) await each.shows("code=0");
});

it("an engine that is killed is told at once, with no figure left, and followed when it is back", async () => {
  using attached = open();
  using dashboard = open();
  attached.line(line());
  dashboard.line(line("stats --dashboard"));
  await attached.shows(/counter +[●○]/);
  await dashboard.shows(/counter +[●○]/);
  process.kill(enginePid(), "SIGSTOP");
  await dashboard.shows("figures are old");
  await attached.shows("figures are old");
  process.kill(enginePid(), "SIGKILL");
  for (const each of [attached, dashboard]) {
    const screen = await each.shows("engine gone since");
    expect(screen).not.toMatch(/counter +[●○]/);
  }
  expect((await run("up", "-d")).code).toBe(0);
  for (const each of [attached, dashboard]) {
    await each.shows(/counter +[●○]/);
    await each.shows("● running");
    each.press("q");
    await each.shows("code=0");
    expect(each.modes).toEqual(modes);
  }
});
