/** The client of the wake benchmarks: client.c, built when a benchmark begins. */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

/** Milliseconds from connect; or why there was no answer. */
export type Timing =
  | { readonly connectMs: number; readonly firstByteMs: number; readonly lastByteMs: number }
  | { readonly failure: string };

const source = fileURLToPath(new URL("client.c", import.meta.url));

export class BenchClient implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** @param folder where the program is built */
  static start(folder: string): BenchClient {
    const program = join(folder, "client");
    execFileSync("gcc", ["-O2", "-o", program, source]);
    return new BenchClient(spawn(program, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  /** One request to each port, in the same instant. */
  async get(ports: readonly number[]): Promise<Timing[]> {
    this.#child.stdin.write(`${ports.join(" ")}\n`);
    const timings: Timing[] = [];
    for (const port of ports) {
      const line = await this.#lines.next();
      if (line.done === true) throw new Error(`the client ended before port ${port} had an answer`);
      timings.push(parse(line.value));
    }
    return timings;
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
    this.#child.kill();
  }
}

function parse(line: string): Timing {
  if (line.startsWith("failed ")) return { failure: line.slice("failed ".length) };
  const [connect = 0, first = 0, last = 0] = line.split(" ").map((value) => Number(value) / 1000);
  return { connectMs: connect, firstByteMs: first, lastByteMs: last };
}
