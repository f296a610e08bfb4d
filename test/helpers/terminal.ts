/** A real terminal for a test: tmux with a server of its own, a shell in it, and the screen as a person sees it. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { eventually } from "./command-line.ts";

let counter = 0;

export interface TerminalOptions {
  readonly columns: number;
  readonly rows: number;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** How the terminal itself is set, which a program on leaving must put back. */
export interface TerminalModes {
  readonly alternateScreen: boolean;
  readonly cursorVisible: boolean;
  readonly mouse: boolean;
  readonly keypad: boolean;
}

const noise =
  /^(CI|NO_COLOR|FORCE_COLOR|NODE_ENV|NODE_OPTIONS|TMUX.*|VITEST.*|TEST|COLORTERM|AETHER_TEST.*)$/;

export class Terminal implements Disposable {
  readonly #socket: string;
  readonly #window = "t:0";
  /** tmux leaves it behind. */
  #socketPath = "";

  private constructor(socket: string) {
    this.#socket = socket;
  }

  static open({ columns, rows, cwd, env }: TerminalOptions): Terminal {
    counter += 1;
    const socket = `aether-test-${process.pid}-${counter}`;
    const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !noise.test(name)));
    const shell = ["env", "PS1=$ ", "bash", "--norc", "--noprofile"];
    execFileSync(
      "tmux",
      [
        "-L",
        socket,
        "-f",
        "/dev/null",
        "new-session",
        "-d",
        "-s",
        "t",
        "-x",
        String(columns),
        "-y",
        String(rows),
        "-c",
        cwd,
        ...shell,
      ],
      { env: { ...clean, TERM: "xterm-256color" } },
    );
    const terminal = new Terminal(socket);
    terminal.#tmux("set-option", "-g", "window-size", "manual");
    terminal.#tmux("set-option", "-s", "escape-time", "0");
    terminal.#tmux("set-option", "-g", "remain-on-exit", "off");
    terminal.#socketPath = terminal.#tmux("display-message", "-p", "#{socket_path}").trim();
    return terminal;
  }

  #tmux(...args: string[]): string {
    return execFileSync("tmux", ["-L", this.#socket, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Process id of the shell in the window. */
  get shellPid(): number {
    return Number(this.#tmux("display-message", "-p", "-t", this.#window, "#{pane_pid}"));
  }

  get modes(): TerminalModes {
    const flags = ["alternate_on", "cursor_flag", "mouse_any_flag", "keypad_flag"]
      .map((name) => `#{${name}}`)
      .join(" ");
    const [alternate, cursor, mouse, keypad] = this.#tmux("display-message", "-p", "-t", this.#window, flags)
      .trim()
      .split(" ");
    return {
      alternateScreen: alternate === "1",
      cursorVisible: cursor === "1",
      mouse: mouse === "1",
      keypad: keypad === "1",
    };
  }

  /** Types a line into the shell. */
  line(text: string): void {
    this.#tmux("send-keys", "-t", this.#window, "-l", text);
    this.#tmux("send-keys", "-t", this.#window, "Enter");
  }

  /** Presses keys, by tmux's names: "a", "Escape", "Enter", "C-c". */
  press(...keys: string[]): void {
    for (const key of keys) this.#tmux("send-keys", "-t", this.#window, key);
  }

  type(text: string): void {
    this.#tmux("send-keys", "-t", this.#window, "-l", text);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-t", this.#window, "-x", String(columns), "-y", String(rows));
  }

  /** What stands on the screen, line by line, without colours. */
  screen(): string {
    return this.#tmux("capture-pane", "-p", "-t", this.#window);
  }

  /** The screen with its colours as escape codes. */
  colours(): string {
    return this.#tmux("capture-pane", "-p", "-e", "-t", this.#window);
  }

  /** Waits until the screen shows it; returns the screen. */
  async shows(text: string | RegExp, timeoutMs = 15_000): Promise<string> {
    const holds = (screen: string): boolean =>
      typeof text === "string" ? screen.includes(text) : text.test(screen);
    try {
      return await eventually(() => this.screen(), holds, String(text), timeoutMs, 40);
    } catch {
      throw new Error(`the screen did not show ${String(text)}:\n${this.screen()}`);
    }
  }

  async hides(text: string | RegExp): Promise<string> {
    const holds = (screen: string): boolean =>
      !(typeof text === "string" ? screen.includes(text) : text.test(screen));
    try {
      return await eventually(() => this.screen(), holds, String(text), 15_000, 40);
    } catch {
      throw new Error(`the screen went on showing ${String(text)}:\n${this.screen()}`);
    }
  }

  /** Closes the window, as the user's click on the terminal's cross does. */
  [Symbol.dispose](): void {
    try {
      this.#tmux("kill-server");
    } catch {
      // It ended with its last window.
    }
    rmSync(this.#socketPath, { force: true });
  }
}
