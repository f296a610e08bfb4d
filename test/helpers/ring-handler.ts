/** A handler process on real rings, without a sandbox around it. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { Epoll } from "../../src/ffi/epoll.ts";
import type { RingMessage } from "../../src/engine/ipc/messages.ts";
import { RingInvoker } from "../../src/engine/ipc/ring-invoker.ts";
import { RingLink } from "../../src/engine/ipc/ring-link.ts";
import { RingMemory, ringParts } from "../../src/engine/ipc/ring-memory.ts";
import type { AetherError } from "../../src/protocol/errors.ts";
import { repository } from "./engine.ts";

export interface RingHandlerOptions {
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly capacityBytes?: number;
  readonly position?: number;
  readonly cwd?: string;
}

export class RingHandler implements AsyncDisposable {
  readonly epoll = new Epoll((error) => {
    throw error;
  });
  readonly memory: RingMemory;
  readonly link: RingLink;
  readonly invoker: RingInvoker;
  readonly child: ChildProcess;
  readonly messages: RingMessage[] = [];
  failure: AetherError | null = null;
  output = "";
  readonly exited: Promise<number | null>;

  constructor(options: RingHandlerOptions) {
    const at = options.position ?? 0;
    const stand = { reqPosition: at, resPosition: at };
    this.memory = RingMemory.create("aether-test-ring-1", stand, options.capacityBytes);
    this.link = new RingLink({
      epoll: this.epoll,
      memory: this.memory,
      identity: {
        instance: "ring-1",
        generation: 1n,
        entropy: crypto.getRandomValues(new Uint8Array(32)),
        restored: false,
        wallClockMs: Date.now(),
      },
      image: null,
      stand,
      onMessage: (message) => {
        this.messages.push(message);
        if (this.messages.length > 100) this.messages.shift();
        this.invoker.take(message);
      },
      onFailure: (error) => {
        this.failure = error;
        this.invoker.fail(error);
      },
    });
    this.invoker = new RingInvoker("ring", this.link);
    const [program, ...args] = options.command;
    this.child = spawn(program, args, {
      cwd: options.cwd ?? repository,
      env: {
        ...process.env,
        PYTHONPATH: `${repository}sdk/python`,
        AETHER_FUNCTION_ID: "ring",
        AETHER_RING: ringParts.map((part, index) => `${part}=${index + 3}`).join(","),
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe", ...this.memory.descriptors.map(({ fd }) => fd.number)],
    });
    this.memory.closeTheirs();
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    this.exited = new Promise((resolve) => this.child.once("close", resolve));
  }

  async json(event: unknown, timeoutMs = 10_000): Promise<unknown> {
    const answer = await this.invoker.invoke(Buffer.from(JSON.stringify(event)), "json", timeoutMs);
    return JSON.parse(Buffer.from(answer.body).toString("utf8"));
  }

  async raw(event: Uint8Array, timeoutMs = 10_000): Promise<Uint8Array> {
    return (await this.invoker.invoke(event, "raw", timeoutMs)).body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
    this.link[Symbol.dispose]();
    this.epoll[Symbol.dispose]();
  }
}
