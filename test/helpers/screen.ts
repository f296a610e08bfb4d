/** A terminal for tests: what Ink writes is read back as the screen a person would see. Knows resize and the alternate screen. */
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import xterm from "@xterm/headless";

export interface Screen {
  readonly stdout: NodeJS.WriteStream;
  readonly stdin: NodeJS.ReadStream;
  /** The rows on the screen, blanks at their ends removed. */
  readonly rows: () => Promise<readonly string[]>;
  readonly text: () => Promise<string>;
  readonly isAlternate: () => Promise<boolean>;
  readonly resize: (columns: number, rows: number) => void;
  /** Types keys as the terminal sends them. */
  readonly press: (...chunks: readonly string[]) => Promise<void>;
  /** Sends a chunk without waiting for anything. */
  readonly type: (chunk: string) => void;
  /** Waits until the screen shows a text; fails with the screen as it is. */
  readonly see: (wanted: string | RegExp) => Promise<string>;
  /** Waits until the screen shows a text no more. */
  readonly hides: (unwanted: string) => Promise<string>;
  /** The terminal itself, once what was written has arrived there: colours can be asked of it. */
  readonly settled: () => Promise<InstanceType<typeof xterm.Terminal>>;
  /** Everything written so far. */
  readonly written: () => string;
  readonly rawMode: () => boolean;
}

export const keys = {
  enter: "\r",
  esc: "\u001b",
  tab: "\t",
  up: "\u001b[A",
  down: "\u001b[B",
  ctrlC: "\u0003",
  ctrlZ: "\u001a",
  pageDown: "\u001b[6~",
  backspace: "\u007f",
};

/** Ink draws at most every 50 ms, and waits 20 ms after an escape for the rest of a sequence. */
const turnMs = 20;
const quietTurns = 3;
/** A screen on which something moves is never quiet. */
const restlessTurns = 20;
const patienceMs = 10_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class FakeStdin extends EventEmitter {
  isTTY = true;
  isRaw = false;
  #chunks: string[] = [];
  constructor() {
    super();
    // As a real stream: what was typed before anybody listened is there for who begins to.
    this.on("newListener", (event) => {
      if (event === "readable" && this.#chunks.length > 0) queueMicrotask(() => this.emit("readable"));
    });
  }
  setEncoding(): this {
    return this;
  }
  setRawMode(raw: boolean): this {
    this.isRaw = raw;
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  resume(): this {
    return this;
  }
  pause(): this {
    return this;
  }
  read(): string | null {
    return this.#chunks.shift() ?? null;
  }
  type(chunk: string): void {
    this.#chunks.push(chunk);
    this.emit("readable");
  }
}

export function createScreen(columns: number, rows: number): Screen {
  // convertEol: Ink writes line feeds alone, as a terminal in cooked output mode expects.
  const terminal = new xterm.Terminal({
    cols: Math.max(2, columns),
    rows: Math.max(1, rows),
    convertEol: true,
    allowProposedApi: true,
    scrollback: 0,
  });
  let all = "";
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      all += chunk.toString();
      terminal.write(chunk, () => done());
    },
  });
  Object.assign(stdout, { columns, rows, isTTY: true, getColorDepth: () => 8 });
  const stdin = new FakeStdin();
  const flushed = (): Promise<void> => new Promise((resolve) => terminal.write("", resolve));
  const read = async (): Promise<readonly string[]> => {
    await flushed();
    const buffer = terminal.buffer.active;
    return Array.from(
      { length: terminal.rows },
      (_, row) => buffer.getLine(buffer.baseY + row)?.translateToString(true) ?? "",
    );
  };
  const text = async (): Promise<string> => (await read()).join("\n");
  const until = async (holds: (now: string) => boolean, what: string): Promise<string> => {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const now = await text();
      if (holds(now)) return now;
      if (Date.now() > deadline) throw new Error(`never ${what} on:\n${now}`);
      await pause(20);
    }
  };
  /** Until nothing was drawn for a while in which this process was not held up, by itself or by others. */
  const settled = async (): Promise<void> => {
    let quiet = 0;
    for (let turn = 0; quiet < quietTurns && turn < restlessTurns; turn += 1) {
      const [drawn, from] = [all.length, performance.now()];
      await pause(turnMs);
      const heldUp = performance.now() - from > 2 * turnMs;
      quiet = heldUp || all.length !== drawn ? 0 : quiet + 1;
    }
  };
  return {
    stdout: stdout as unknown as NodeJS.WriteStream,
    stdin: stdin as unknown as NodeJS.ReadStream,
    rows: read,
    text,
    isAlternate: async () => {
      await flushed();
      return terminal.buffer.active.type === "alternate";
    },
    resize: (newColumns, newRows) => {
      terminal.resize(Math.max(2, newColumns), Math.max(1, newRows));
      Object.assign(stdout, { columns: newColumns, rows: newRows });
      stdout.emit("resize");
    },
    type: (chunk) => stdin.type(chunk),
    press: async (...chunks) => {
      for (const chunk of chunks) {
        stdin.type(chunk);
        await settled();
      }
    },
    see: (wanted) =>
      until(
        (now) => (typeof wanted === "string" ? now.includes(wanted) : wanted.test(now)),
        `saw ${String(wanted)}`,
      ),
    hides: (unwanted) => until((now) => !now.includes(unwanted), `without ${unwanted}`),
    settled: async () => {
      await flushed();
      return terminal;
    },
    written: () => all,
    rawMode: () => stdin.isRaw,
  };
}
