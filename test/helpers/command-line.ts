/** The command line as a shell runs it: `dist/cli.js` in a process of its own, with everything it prints. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { repository } from "./engine.ts";

export const cli = join(repository, "dist/cli.js");

export interface Outcome {
  /** As a shell has it: 128+n where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly outcome: Promise<Outcome>;
  /** Resolves once the output holds the text; rejects when the program ends without it. */
  readonly says: (text: string | RegExp, timeoutMs?: number) => Promise<void>;
}

export interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Starts any program; `aether` below is the usual case. */
export function start(program: string, args: readonly string[], { env, cwd }: Surroundings = {}): Started {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  let ended = false;
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      ended = true;
      resolve({ code, signal, stdout, stderr });
    });
  });
  const says = async (text: string | RegExp, timeoutMs = 15_000): Promise<void> => {
    const found = (): boolean => {
      const all = `${stdout}\n${stderr}`;
      return typeof text === "string" ? all.includes(text) : text.test(all);
    };
    const deadline = Date.now() + timeoutMs;
    while (!found()) {
      if (ended || Date.now() > deadline) {
        throw new Error(`${program} ${args.join(" ")} did not say ${String(text)}:\n${stdout}\n${stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { child, stdout: () => stdout, stderr: () => stderr, outcome, says };
}

/** `aether ...args`. */
export function startAether(args: readonly string[], surroundings: Surroundings = {}): Started {
  return start(process.execPath, [cli, ...args], surroundings);
}

/** `aether ...args`, until it ends. */
export function aether(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  return startAether(args, surroundings).outcome;
}

/** Polls until the test holds. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  holds: (value: T) => boolean,
  what: string,
  timeoutMs = 15_000,
  pauseMs = 20,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
