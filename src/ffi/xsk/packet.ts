/** Packets that are owned: they stay until they are released or sent, and say so when that was forgotten. */
import { place } from "./frames.ts";
import type { FrameAllocator, Place } from "./frames.ts";
import { Lease } from "./lease.ts";
import { PacketView } from "./packet/packet-view.ts";

/** Called when an owned packet was thrown away without release. Its frame has been recovered. */
export type OnLeak = (frame: number) => void;

/** Makes owned packets of frames, and finds those that are lost. One for each set of frames and thread. */
export class PacketOwner {
  readonly frames: FrameAllocator;
  readonly memory: DataView;
  /** Packets that garbage collection found unreleased. */
  leaks = 0;
  readonly #onLeak: OnLeak;
  readonly #forgotten = new FinalizationRegistry<number>((frame) => this.#recover(frame));
  #open = true;

  constructor(frames: FrameAllocator, memory: DataView, onLeak: OnLeak = warn) {
    this.frames = frames;
    this.memory = memory;
    this.#onLeak = onLeak;
  }

  /** A packet in a frame that is in a callback's hands (`rx`), or just allocated. */
  adopt(start: number, lengthBytes: number, from: Place = place.rx): Packet {
    const frame = this.frames.frameOf(start);
    this.frames.move(frame, from, place.user);
    const packet = new Packet(this, frame, start, lengthBytes);
    this.#forgotten.register(packet, frame, packet);
    return packet;
  }

  /** The packet was released or sent in order. */
  forget(packet: Packet): void {
    this.#forgotten.unregister(packet);
  }

  /** After the sockets were closed there is nothing to recover. */
  close(): void {
    this.#open = false;
  }

  #recover(frame: number): void {
    if (!this.#open) return;
    this.leaks += 1;
    this.frames.free(frame, place.user);
    this.#onLeak(frame);
  }
}

function warn(frame: number): void {
  process.emitWarning(
    `a packet (frame ${frame}) was thrown away without release(); its frame was recovered`,
    {
      type: "PacketLeak",
    },
  );
}

export class Packet extends PacketView implements Disposable {
  readonly #owner: PacketOwner;
  readonly #frame: number;

  constructor(owner: PacketOwner, frame: number, start: number, lengthBytes: number) {
    super(owner.memory, new Lease());
    this.#owner = owner;
    this.#frame = frame;
    const { frameSizeBytes } = owner.frames;
    const floor = frame * frameSizeBytes;
    this.place(start, lengthBytes, floor, floor + frameSizeBytes);
  }

  /** Gives the frame back. Once; a second time is harmless. */
  release(): void {
    if (this.isStale) return;
    this.#end();
    this.#owner.frames.free(this.#frame, place.user);
  }

  /**
   * For a sender: hands frame, address and length to `take`, which moves the frame on. The packet ends if it did.
   * @throws XdpSocketError StalePacket
   */
  handOn(take: (frame: number, address: number, lengthBytes: number) => boolean): boolean {
    this.check();
    if (!take(this.#frame, this.start, this.byteLength)) return false;
    this.#end();
    return true;
  }

  #end(): void {
    this.endLease();
    this.#owner.forget(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
