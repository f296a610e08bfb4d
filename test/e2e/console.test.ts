/** The console as a person has it: the real program in a real terminal. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { aether, cli, eventually } from "../helpers/command-line.ts";
import { fixture, freePort } from "../helpers/engine.ts";
import { childrenOf, processTree, stillThere } from "../helpers/processes.ts";
import { Terminal } from "../helpers/terminal.ts";

const never = { suspend_after: "never", snapshot_after: "never" };
const escape = String.fromCodePoint(27);
/** Foreground and background colours, named, bright, of 256 and true ones. */
const colour = new RegExp(`${escape}\\[(?:\\d+;)*(?:[34][0-8]|9[0-7]|10[0-7])[;m]`);
/** Nothing that a console on leaving would have to put back. */
const plainModes = { alternateScreen: false, cursorVisible: true, mouse: false, keypad: false };

let counter = 0;
let folder = "";
let name = "";
let port = 0;
let terminal: Terminal;
let env: NodeJS.ProcessEnv = {};

const file = (): string => join(folder, "aether.yaml");
const config = (more = ""): string => {
  const handler = `command: /usr/bin/python3 handler.py, cwd: ${fixture("counter")}`;
  return `version: 1
engine: { name: ${name}, snapshot_dir: /dev/shm/${name}, on_violation: serve, metrics: off }
functions:
  - { id: counter, ${handler}, trigger_port: ${port}, idle: ${JSON.stringify(never)} }
  - { id: hello, ${handler.replace(/counter$/, "hello-python")}, trigger_port: ${port + 1}, idle: ${JSON.stringify(never)} }
${more}`;
};

const rowOf = (screen: string, id: string): string =>
  screen.split("\n").find((line) => new RegExp(`^[▌▏ ] ${id} `).test(line)) ?? "";
const aetherLine = (args = ""): string => `'${process.execPath}' '${cli}' ${args}; echo code=$?`;

/** Two ports next to one another. */
async function twoPorts(): Promise<number> {
  for (;;) {
    const first = await freePort();
    try {
      await get(first + 1);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return first;
    }
  }
}

beforeEach(async () => {
  counter += 1;
  name = `t${process.pid}c${counter}`;
  folder = mkdtempSync(join(tmpdir(), "aether-"));
  mkdirSync(`/dev/shm/${name}`, { mode: 0o700 });
  port = await twoPorts();
  writeFileSync(file(), config());
  env = { ...process.env, AETHER_RUNTIME_DIR: join(folder, "run"), AETHER_STATE_DIR: join(folder, "state") };
  terminal = Terminal.open({ columns: 100, rows: 30, cwd: folder, env });
});

afterEach(async () => {
  const before = processTree(terminal.shellPid);
  terminal[Symbol.dispose]();
  // The terminal closes: whatever still ran in it ends in order.
  await eventually(
    () => stillThere(before),
    (left) => left.length === 0,
    "the end of what ran in the terminal",
  );
  expect(existsSync(join(folder, "run", name))).toBe(false);
  expect(
    existsSync(`/sys/fs/cgroup/unified/aether-${name}`) || existsSync(`/sys/fs/cgroup/aether-${name}`),
  ).toBe(false);
  rmSync(folder, { recursive: true, force: true });
  rmSync(`/dev/shm/${name}`, { recursive: true, force: true });
});

/** Opens the console and waits until both functions sleep. */
async function open(prefix = "", args = ""): Promise<void> {
  terminal.line(prefix + aetherLine(args));
  await terminal.shows("● running");
  await terminal.shows(/counter +○ WarmSnapshot[\s\S]*hello +○ WarmSnapshot/);
}

/** The program in the terminal. */
const consolePid = (): number => childrenOf(terminal.shellPid).find(({ name }) => name !== "cat")?.pid ?? 0;

/** Esc closes what is on top, which may be a message: until what is meant is gone. */
async function escapeFrom(text: string): Promise<void> {
  const press = (): string => {
    if (terminal.screen().includes(text)) terminal.press("Escape");
    return terminal.screen();
  };
  await eventually(press, (screen) => !screen.includes(text), `the end of ${text}`, 15_000, 300);
}

/** What `stty -a` says, printed into a file so that the screen stays as it is. */
async function settings(): Promise<string> {
  const out = join(folder, "stty");
  rmSync(out, { force: true });
  terminal.line(`stty -a > ${out}.new; mv ${out}.new ${out}`);
  await eventually(() => existsSync(out), Boolean, "stty");
  return readFileSync(out, "utf8");
}

describe("the console in a terminal of 100x30", () => {
  it("shows functions, wakes, and what the keys do", async () => {
    await open();
    let screen = terminal.screen();
    expect(screen.split("\n")[0]).toContain(`aether ${name}  in this process`);
    expect(screen).toMatch(/FUNCTION +STATE +AGE +PORT/);
    expect(rowOf(screen, "counter")).toContain(String(port));
    expect(terminal.modes.alternateScreen).toBe(true);
    expect(terminal.modes.cursorVisible).toBe(false);

    // A client wakes it: the screen has the state, the pid and the time.
    expect((await get(port)).body).toBe("1\n");
    screen = await terminal.shows(/counter +● Running +\S+ +\d+ +\d+ +1 +[\d.]+ ms +[\d.]+ ms/);
    await terminal.shows(
      /counter +woken from snapshot in [\d.]+ ms, (restore|restored ahead, resumed in) [\d.]+ ms/,
    );

    // s
    terminal.press("s");
    await terminal.shows(/✓ counter put to sleep in [\d.]+ ms, image/);
    await terminal.shows(/counter +○ WarmSnapshot/);
    // W
    terminal.press("W");
    await terminal.shows(/counter +● Running/);
    expect((await get(port)).body).toBe("2\n");
    // u
    terminal.press("u");
    await terminal.shows(/counter +◐ Suspended/);
    expect((await get(port)).body).toBe("3\n");
    await terminal.shows(/counter +● Running/);

    // r asks; Esc leaves it, y does it.
    terminal.press("r");
    await terminal.shows("Restore counter?");
    terminal.press("Escape");
    await terminal.hides("Restore counter?");
    expect((await get(port)).body).toBe("4\n");
    terminal.press("r");
    await terminal.shows("Restore counter?");
    terminal.press("y");
    await terminal.shows(/✓ counter restored in/);
    expect((await get(port)).body).toBe("2\n");

    // X asks, naming the id and the process; Esc leaves it.
    await terminal.shows(/counter +● Running/);
    const pid = /● Running +\S+ +\d+ +(\d+)/.exec(rowOf(terminal.screen(), "counter"))?.[1] ?? "?";
    terminal.press("X");
    screen = await terminal.shows("Kill counter?");
    expect(screen).toContain(`Process ${pid} ends at once`);
    terminal.press("Escape");
    await terminal.hides("Kill counter?");
    expect((await get(port)).body).toBe("3\n");
    terminal.press("X");
    await terminal.shows("Kill counter?");
    terminal.press("y");
    await terminal.shows(/counter +○ WarmSnapshot/);

    // Down to the other one; details.
    terminal.press("j", "Enter");
    await terminal.shows(/hello details/);
    await escapeFrom("hello details");
    terminal.press("W");
    await terminal.shows(/hello +● Running/);
    await get(port + 1);
    terminal.press("l");
    await terminal.shows("hello log");
    await escapeFrom("hello log");

    // ? and : and L
    terminal.press("?");
    await terminal.shows("ON THE SELECTED FUNCTION");
    terminal.press("?");
    await terminal.hides("ON THE SELECTED FUNCTION");
    terminal.press(":");
    terminal.type("events");
    await terminal.shows("What happened, step by step.");
    terminal.press("Enter");
    await terminal.shows("▐3 Events");
    terminal.press("1", "L");
    await terminal.shows("✓ configuration read: nothing had changed");

    // q asks while something is awake.
    terminal.press("q");
    screen = await terminal.shows(`Quit and stop the engine ${name}?`);
    expect(screen).toContain("hello is awake and will be stopped");
    terminal.press("n");
    await terminal.hides("Quit and stop");
    const tree = processTree(consolePid());
    terminal.press("q");
    await terminal.shows("Quit and stop");
    terminal.press("y");
    await terminal.shows("code=0");
    expect(terminal.modes).toEqual(plainModes);
    expect(stillThere(tree)).toEqual([]);
    await expect(get(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("follows the size of the terminal, down to nothing useful and back", async () => {
    await open();
    await get(port);
    await terminal.shows(/counter +● Running/);
    const fits = (screen: string, columns: number): boolean =>
      screen.split("\n").every((line) => Array.from(line).length <= columns);
    terminal.resize(60, 15);
    await eventually(
      () => terminal.screen(),
      (now) => fits(now, 60) && /● Running/.test(rowOf(now, "counter")) && /q quit\s*$/.test(now),
      "a screen of 60x15",
    );
    terminal.resize(20, 5);
    await eventually(
      () => terminal.screen().replaceAll(/\s+/g, " "),
      (now) => now.includes("this terminal has 20x5"),
      "a screen of 20x5",
    );
    terminal.resize(100, 30);
    const screen = await terminal.shows(/FUNCTION +STATE +AGE/);
    expect(rowOf(screen, "counter")).toMatch(/● Running/);
    expect(screen.match(/^▐1 Functions/gm)).toHaveLength(1);
    // Still alive in there.
    terminal.press("s");
    await terminal.shows(/counter +○ WarmSnapshot/);
    // Nothing is awake: nothing is asked.
    terminal.press("q");
    await terminal.shows("code=0");
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
  ] as const)("%s gives the terminal back as it was", async (signal, code) => {
    const before = await settings();
    terminal.line("clear; echo above");
    await open();
    await get(port);
    await terminal.shows(/counter +● Running/);
    const tree = processTree(consolePid());
    process.kill(consolePid(), signal);
    const screen = await terminal.shows(`code=${code}`);
    expect(screen).toContain("above");
    expect(screen).not.toMatch(/FUNCTION +STATE/);
    expect(terminal.modes).toEqual(plainModes);
    expect(stillThere(tree)).toEqual([]);
    expect(await settings()).toBe(before);
  });

  it("a crash in a render: the engine ends in order, the terminal is back, and the error is printed there", async () => {
    const before = await settings();
    const crash = `import { existsSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
const break_ = () => { throw new Error("drawn into a wall"); };
if (isMainThread) setInterval(() => existsSync("now") && (String.prototype.padEnd = break_), 50).unref();`;
    writeFileSync(join(folder, "crash.mjs"), crash);
    terminal.line("clear; echo above");
    await open(`NODE_OPTIONS='--import ${join(folder, "crash.mjs")}' `);
    await get(port);
    await terminal.shows(/counter +● Running/);
    const tree = processTree(consolePid());
    writeFileSync(join(folder, "now"), "");
    // What is drawn next comes to it.
    const draw = (): string => {
      if (terminal.modes.alternateScreen) terminal.press("?");
      return terminal.screen();
    };
    const screen = await eventually(draw, (now) => now.includes("code=1"), "the end", 30_000, 300);
    expect(screen).toContain("above");
    expect(screen).toContain("AE_INTERNAL");
    expect(screen).toContain("drawn into a wall");
    expect(screen).not.toMatch(/FUNCTION +STATE/);
    expect(terminal.modes).toEqual(plainModes);
    expect(stillThere(tree)).toEqual([]);
    expect(await settings()).toBe(before);
  });

  it("C-c twice leaves at once", async () => {
    await open();
    await get(port);
    await terminal.shows(/counter +● Running/);
    terminal.press("C-c");
    await terminal.shows("C-c again leaves and stops the engine");
    terminal.press("C-c");
    await terminal.shows("code=0");
    expect(terminal.modes).toEqual(plainModes);
  });

  it("the terminal is closed: the engine ends in order", async () => {
    await open();
    await get(port);
    const tree = processTree(consolePid());
    terminal[Symbol.dispose]();
    await eventually(
      () => stillThere(tree),
      (left) => left.length === 0,
      "the end of the engine",
    );
    expect(existsSync(join(folder, "run", name))).toBe(false);
    await expect(get(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    terminal = Terminal.open({ columns: 80, rows: 24, cwd: folder, env });
  });

  it("NO_COLOR has no colours; otherwise there are some", async () => {
    await open();
    expect(terminal.colours()).toMatch(colour);
    terminal.press("q");
    await terminal.shows("code=0");
    terminal.line("clear");
    await open("NO_COLOR=1 ");
    expect(terminal.colours()).not.toMatch(colour);
    terminal.press("q");
    await terminal.shows("code=0");
  });

  it("not a terminal: lines without escape codes", async () => {
    terminal.line(`'${process.execPath}' '${cli}' | cat -v; echo code=\${PIPESTATUS[0]}`);
    const screen = await terminal.shows("2 of 2 functions ready");
    expect(screen).not.toContain("^[");
    expect(terminal.modes.alternateScreen).toBe(false);
    await get(port);
    await terminal.shows("counter: woken from snapshot");
    process.kill(consolePid(), "SIGTERM");
    await terminal.shows("code=143");
    terminal.line(`clear; '${process.execPath}' '${cli}' < /dev/null; echo code=$?`);
    await terminal.hides("code=143");
    await terminal.shows("2 of 2 functions ready");
    expect(terminal.modes.alternateScreen).toBe(false);
    terminal.press("C-c");
    await terminal.shows("code=130");
  });

  it("a bad file: its places, exit 2, and no console", async () => {
    const bad = config().replace("idle:", "idel:").replace("version: 1", "version: 7");
    writeFileSync(join(folder, "bad.yaml"), bad);
    terminal.line(aetherLine("-c bad.yaml"));
    const screen = await terminal.shows("code=2");
    expect(screen).toContain("bad.yaml:1:10");
    expect(screen).toMatch(/bad\.yaml:4:\d+/);
    expect(screen).toContain("idle");
    expect(terminal.modes).toEqual(plainModes);
  });

  it("a file broken while it runs is shown, and nothing else changes", async () => {
    await open();
    expect((await get(port)).body).toBe("1\n");
    const save = (text: string): void => {
      writeFileSync(join(folder, "draft"), text);
      renameSync(join(folder, "draft"), file());
    };
    save(config().replace("idle:", "idel:"));
    await terminal.shows("6 Config ✗");
    terminal.press("6");
    let screen = await terminal.shows("Not applied");
    expect(screen).toMatch(/aether\.yaml:4:\d+/);
    expect(screen).toContain("Did you mean idle?");
    expect((await get(port)).body).toBe("2\n");
    terminal.press("L");
    await terminal.shows("AE_CONFIG_UNKNOWN_FIELD  ");
    save(
      config(
        `  - { id: added, command: /usr/bin/python3 handler.py, cwd: ${fixture("counter")}, trigger_port: ${await freePort()} }\n`,
      ),
    );
    screen = await terminal.shows(/\+ added +added/);
    terminal.press("1");
    await terminal.shows(/added +○ WarmSnapshot/);
    terminal.press("C-c", "C-c");
    await terminal.shows("code=0");
  });

  it("attaches from a second terminal; q leaves, and the engine goes on", async () => {
    await open();
    using second = Terminal.open({ columns: 80, rows: 24, cwd: folder, env });
    second.line(aetherLine());
    await second.shows(`aether ${name}  attached`);
    await second.shows(/counter +○ WarmSnapshot/);
    expect((await get(port)).body).toBe("1\n");
    await terminal.shows(/counter +● Running/);
    await second.shows(/counter +● Running/);
    second.press("s");
    await second.shows(/counter +○ WarmSnapshot/);
    await terminal.shows(/counter +○ WarmSnapshot/);
    expect((await get(port)).body).toBe("2\n");
    second.press("q");
    await second.shows("code=0");
    expect(second.modes).toEqual(plainModes);
    expect((await get(port)).body).toBe("3\n");
    await terminal.shows(/counter +● Running/);

    // A console that only looks may not change anything.
    second.line(`clear; ${aetherLine("--read-only")}`);
    await second.shows("read-only");
    second.press("s");
    await second.shows("this console is read-only");
    expect((await get(port)).body).toBe("4\n");

    // The engine ends under both consoles: its own leaves, the other one waits for the next.
    expect((await aether(["--engine", name, "down"], { env })).code).toBe(0);
    await terminal.shows("code=0");
    await second.shows("It ended in order.");
    second.press("q");
    await second.shows(/code=0\s*\$\s*$/);
    for (const each of [terminal, second]) expect(each.modes).toEqual(plainModes);
  });
});
