/** Programs with a screen, in a real terminal of 160x50: started, measured from outside, ended. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

export const columns = 160;
export const rows = 50;

const clockTicks = 100; // USER_HZ
const frameDeadlineMs = 15_000;
const size = `stty cols ${columns} rows ${rows}`;

/** A word for the shell, whatever is in it. */
const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
const shellCommand = (command: readonly string[]): string =>
  `exec ${command.map((word) => quote(word)).join(" ")}`;

/** What a program of this terminal sees of the environment it was started in. */
export function terminalEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { CI: _ci, NO_COLOR: _noColor, FORCE_COLOR: _forceColor, TMUX: _tmux, ...rest } = process.env;
  return { ...rest, TERM: "xterm-256color", LC_ALL: "C.UTF-8", ...extra };
}

export interface Usage {
  /** Of one processor, all threads of the process together. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

/** proc(5): user and system time, fields 14 and 15, of all threads. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / clockTicks;
}

function statusKib(pid: number, name: string): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A program in a tmux window with a server of its own. */
export class InTerminal implements Disposable {
  readonly #socket = `aether-bench-${process.pid}-${Math.round(performance.now())}`;
  readonly #socketPath: string;
  readonly pid: number;

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const session = ["new-session", "-d", "-s", "b", "-x", String(columns), "-y", String(rows)];
    execFileSync("tmux", ["-L", this.#socket, "-f", "/dev/null", ...session, shellCommand(command)], { env });
    this.#socketPath = this.#tmux("display-message", "-p", "#{socket_path}").trim();
    this.pid = Number(this.#tmux("display-message", "-p", "-t", "b", "#{pane_pid}"));
  }

  #tmux(...args: string[]): string {
    return execFileSync("tmux", ["-L", this.#socket, ...args], { encoding: "utf8" });
  }

  screen(): string {
    return this.#tmux("capture-pane", "-p", "-t", "b");
  }

  async usage(observedMs: number): Promise<Usage> {
    const before = cpuMs(this.pid);
    const startedAt = performance.now();
    await sleep(observedMs);
    const share = (cpuMs(this.pid) - before) / (performance.now() - startedAt);
    return {
      cpuPercent: Math.round(share * 10_000) / 100,
      rssBytes: statusKib(this.pid, "VmRSS") * 1024,
      peakRssBytes: statusKib(this.pid, "VmHWM") * 1024,
    };
  }

  [Symbol.dispose](): void {
    try {
      this.#tmux("kill-server");
    } catch {
      // It ended with its last window.
    }
    rmSync(this.#socketPath, { force: true });
  }
}

/**
 * From the command to the first frame, ms: until `isFrame` holds of what was written so far. The pty is that of
 * script(1), which is read without a look at a screen in between.
 */
export async function firstFrameMs(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  isFrame: (written: string) => boolean,
): Promise<number> {
  const startedAt = performance.now();
  const child = spawn("script", ["-qec", `${size}; ${shellCommand(command)}`, "/dev/null"], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  let written = "";
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no frame of ${command[0] ?? ""}`)), frameDeadlineMs);
      child.stdout.on("data", (chunk: Buffer) => {
        written += chunk.toString();
        if (!isFrame(written)) return;
        clearTimeout(timer);
        resolve(performance.now() - startedAt);
      });
      child.once("error", reject);
    });
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}
