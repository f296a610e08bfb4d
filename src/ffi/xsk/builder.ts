/** From settings to sockets: `await new XskBuilder("eth0").queue(0).filter({ports: [7]}).engine()`. */
import { checkConfig } from "./config.ts";
import type { AttachMode, BindMode, Poller, XskConfig } from "./config.ts";
import { XskEngine } from "./engine.ts";
import { compileFilter } from "./filter.ts";
import type { PacketFilter } from "./filter.ts";
import { XdpSocketError } from "./errors.ts";
import type { RingName } from "./layout.ts";
import type { XskBackend } from "./port.ts";
import { openSockets } from "./sockets.ts";
import type { XskSockets } from "./sockets.ts";
import { XskSystem } from "./system.ts";
import type { SystemOptions } from "./system.ts";

const defaultRing = 2048;
/** Of each queue; half of them for receiving, half for sending and for packets that are kept. */
const framesPerQueue = 4096;

/** Every number is checked when the sockets are opened; a wrong one is an XdpSocketError InvalidConfig that names it. */
export class XskBuilder {
  readonly #device: string;
  #queues: readonly number[] = [0];
  #frameCount: number | null = null;
  #frameSizeBytes = 2048;
  #headroomBytes = 0;
  #hugePages = false;
  #rings: Record<RingName, number> = {
    rx: defaultRing,
    tx: defaultRing,
    fill: defaultRing,
    completion: defaultRing,
  };
  #mode: BindMode = "auto";
  #needWakeup = true;
  #attach: AttachMode = "auto";
  #filter: PacketFilter | "own program" | null = null;
  #networkNamespace: string | null = null;
  #bindTimeoutMs = 1000;
  #batchSize = 64;
  #poller: Poller = "blocking";
  #spinUs = 50;
  #debug = false;
  #backend: XskBackend | null = null;

  /** @param device name of the interface */
  constructor(device: string) {
    this.#device = device;
  }

  /** The queue to receive from and send on (default 0). */
  queue(queue: number): this {
    this.#queues = [queue];
    return this;
  }

  /** Several queues: one socket each, over the same frames. */
  queues(...queues: readonly number[]): this {
    this.#queues = queues;
    return this;
  }

  /** How many frames all queues have together (default 4096 for each). */
  frames(count: number): this {
    this.#frameCount = count;
    return this;
  }

  /** 2048 (default) or 4096 bytes; what of a packet does not fit beside the headroom is dropped by the kernel. */
  frameSize(bytes: number): this {
    this.#frameSizeBytes = bytes;
    return this;
  }

  /** Room before each packet, on top of the kernel's 256 bytes; `adjustHead` reaches into both. */
  headroom(bytes: number): this {
    this.#headroomBytes = bytes;
    return this;
  }

  /** The frames in huge pages of 2 MiB, which must have been set aside (vm.nr_hugepages). */
  hugePages(on = true): this {
    this.#hugePages = on;
    return this;
  }

  /** Entries of the rings (default 2048 each), powers of two. */
  rings(sizes: Partial<Readonly<Record<RingName, number>>>): this {
    this.#rings = { ...this.#rings, ...sizes };
    return this;
  }

  mode(mode: BindMode): this {
    this.#mode = mode;
    return this;
  }

  /** Whether the kernel may sleep until it is called (default), rather than look at the rings by itself. */
  needWakeup(on: boolean): this {
    this.#needWakeup = on;
    return this;
  }

  /** Where the redirecting program runs. */
  attach(mode: AttachMode): this {
    this.#attach = mode;
    return this;
  }

  /** Which packets are taken from the kernel's stack. There is no default: this or `withoutProgram` is needed. */
  filter(filter: PacketFilter): this {
    this.#filter = filter;
    return this;
  }

  /** No program: for sending only, or with one of your own that redirects to these sockets. */
  withoutProgram(): this {
    this.#filter = "own program";
    return this;
  }

  /** The network namespace the interface is in, as a path: /run/netns/NAME or /proc/PID/ns/net. */
  networkNamespace(path: string): this {
    this.#networkNamespace = path;
    return this;
  }

  /** How long to go on trying while the queue is busy (default 1000). */
  bindTimeout(ms: number): this {
    this.#bindTimeoutMs = ms;
    return this;
  }

  /** Packets of one batch at most (default 64). */
  batch(size: number): this {
    this.#batchSize = size;
    return this;
  }

  /** @param spinUs of the adaptive poller (default 50) */
  poller(poller: Poller, spinUs = 50): this {
    this.#poller = poller;
    this.#spinUs = spinUs;
    return this;
  }

  /** Checks the frames after every batch, and finds every use of a packet that was given up. */
  debug(on = true): this {
    this.#debug = on;
    return this;
  }

  /** Instead of the kernel: a `SimulatedDevice`. */
  on(backend: XskBackend): this {
    this.#backend = backend;
    return this;
  }

  /** The settings, checked. @throws XdpSocketError InvalidConfig, UmemTooLarge */
  config(): XskConfig {
    if (this.#filter === null) {
      throw new XdpSocketError("InvalidConfig", "it is not said which packets to take", {
        hint: "Call filter(...) or withoutProgram().",
      });
    }
    return checkConfig({
      device: this.#device,
      queues: this.#queues,
      frames: {
        frameCount: this.#frameCount ?? framesPerQueue * Math.max(1, this.#queues.length),
        frameSizeBytes: this.#frameSizeBytes,
        headroomBytes: this.#headroomBytes,
      },
      hugePages: this.#hugePages,
      rings: this.#rings,
      mode: this.#mode,
      needWakeup: this.#needWakeup,
      attach: this.#attach,
      filter: this.#filter === "own program" ? null : compileFilter(this.#filter),
      networkNamespace: this.#networkNamespace,
      bindTimeoutMs: this.#bindTimeoutMs,
      batchSize: this.#batchSize,
      poller: this.#poller,
      spinUs: this.#spinUs,
      debug: this.#debug,
    });
  }

  /** Batches by callback, here or in a worker. @throws XdpSocketError of the kind that says why not */
  async engine(): Promise<XskEngine> {
    return new XskEngine(await this.raw());
  }

  /** Packets to own, by `for await` and senders. */
  async system(options?: SystemOptions): Promise<XskSystem> {
    return new XskSystem(await this.raw(), options);
  }

  /** The rings themselves. */
  async raw(): Promise<XskSockets> {
    const config = this.config();
    return await openSockets(config, this.#backend ?? (await kernelBackend()));
  }
}

/** Loaded when first needed: everything else works where koffi and Linux are missing. */
async function kernelBackend(): Promise<XskBackend> {
  if (process.platform !== "linux") {
    throw new XdpSocketError("Unsupported", "AF_XDP sockets cannot be opened", {
      why: `they are part of Linux; this is ${process.platform}`,
      hint: "Use a SimulatedDevice: .on(new SimulatedDevice()).",
    });
  }
  try {
    const { KernelBackend } = await import("./kernel-backend.ts");
    return new KernelBackend();
  } catch (error) {
    throw new XdpSocketError("Unsupported", "AF_XDP sockets cannot be opened", {
      why: error instanceof Error ? error.message : String(error),
      hint: "koffi could not be loaded. Use a SimulatedDevice: .on(new SimulatedDevice()).",
      cause: error,
    });
  }
}
