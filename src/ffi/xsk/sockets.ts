/** The sockets of one `open`: one for each queue, over the same frames. Closing them closes everything, once. */
import type { XskConfig } from "./config.ts";
import { FrameAllocator } from "./frames.ts";
import type { FrameCounts } from "./frames.ts";
import type { PacketFilter } from "./filter.ts";
import type { XskBackend, XskInterface } from "./port.ts";
import { RawXsk } from "./raw-socket.ts";

export class XskSockets implements Disposable {
  readonly config: XskConfig;
  readonly sockets: readonly RawXsk[];
  readonly frames: FrameAllocator;
  readonly #interface: XskInterface;
  #open = true;

  constructor(config: XskConfig, opened: XskInterface) {
    this.config = config;
    this.#interface = opened;
    this.frames = FrameAllocator.create(config.frames);
    const share = Math.max(1, Math.floor(config.frames.frameCount / 2 / opened.ports.length));
    const fillTarget = Math.min(config.rings.fill, share);
    this.sockets = opened.ports.map((port) => new RawXsk(port, this.frames, config.frames, fillTarget));
    for (const socket of this.sockets) socket.refill();
  }

  /** The first queue's socket, for those who have one. */
  get socket(): RawXsk {
    const [first] = this.sockets;
    if (first === undefined) throw new Error("sockets without a queue");
    return first;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  setFilter(filter: PacketFilter): void {
    this.#interface.setFilter(filter);
  }

  /** Where all frames are; their sum never changes. */
  frameCounts(): FrameCounts {
    return this.frames.counts();
  }

  /** Packets pass to the kernel's stack again; frames in flight go with the sockets. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#interface.stopRedirecting();
    for (const socket of this.sockets) socket[Symbol.dispose]();
    this.#interface[Symbol.dispose]();
  }
}

export async function openSockets(config: XskConfig, backend: XskBackend): Promise<XskSockets> {
  const opened = await backend.open(config);
  try {
    return new XskSockets(config, opened);
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}
