/** The engine's side of one instance's rings and control page: messages both ways, commands, and sleeping without a timer. */
import { epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import { yieldProcessor } from "../../ffi/yield-processor.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import { ControlPage } from "./control-page.ts";
import type { ControlCommand, InstanceIdentity, Registration } from "./control-page.ts";
import { maxMessageBytes } from "./message-limits.ts";
import { MessageAssembler, partCount, writePart } from "./messages.ts";
import type { OutgoingMessage, RingMessage } from "./messages.ts";
import { RingConsumer } from "./ring-consumer.ts";
import type { RingMemory, RingStand } from "./ring-memory.ts";
import { RingProducer } from "./ring-producer.ts";

/** Entries read in one turn of the event loop: a handler that writes without pause must not starve the others. */
const entriesPerTurn = 64;
/** Messages waiting for room. */
const maxQueued = 1_024;
/** Messages that the handler may have begun at once. */
const maxOpenMessages = 64;

export interface RingLinkOptions {
  readonly epoll: Epoll;
  readonly memory: RingMemory;
  readonly identity: InstanceIdentity;
  /** Where the rings of `memory` stand. */
  readonly stand: RingStand;
  /** What the page of the image said, for a process that is restored; `null` for a fresh one. */
  readonly image: { readonly sequence: bigint; readonly registration: Registration } | null;
  readonly onMessage: (message: RingMessage) => void;
  /** The ring is unusable from now on. */
  readonly onFailure: (error: AetherError) => void;
}

interface Outgoing {
  readonly message: OutgoingMessage;
  readonly parts: number;
  next: number;
}

export class RingLink implements Disposable {
  readonly #epoll: Epoll;
  readonly #memory: RingMemory;
  readonly #control: ControlPage;
  readonly #producer: RingProducer;
  readonly #consumer: RingConsumer;
  readonly #assembler = new MessageAssembler({ bodyBytes: maxMessageBytes + 16, open: maxOpenMessages });
  readonly #onMessage: (message: RingMessage) => void;
  readonly #onFailure: (error: AetherError) => void;
  readonly #outgoing: Outgoing[] = [];
  readonly #bellByte = new Uint8Array(1);
  readonly #heardBytes = new Uint8Array(256);
  #awaited: (() => void) | null = null;
  #failure: AetherError | null = null;
  #turn: NodeJS.Immediate | null = null;

  constructor(options: RingLinkOptions) {
    const { memory, image, stand } = options;
    this.#epoll = options.epoll;
    this.#memory = memory;
    this.#onMessage = options.onMessage;
    this.#onFailure = options.onFailure;
    this.#producer = new RingProducer(memory.request.memory, memory.capacityBytes, stand.reqPosition);
    this.#consumer = new RingConsumer(memory.response.memory, memory.capacityBytes, stand.resPosition);
    this.#control = new ControlPage(memory.control.memory);
    if (image !== null) {
      this.#control.continueFrom(image.sequence);
      this.#control.resume(image.registration);
    }
    this.#control.introduce(options.identity);
    this.#control.setEngineSleeping(true);
    this.#epoll.add(memory.heard, epollIn, () => this.#heard());
  }

  get failure(): AetherError | null {
    return this.#failure;
  }

  /** What the handler takes part in, by its own word. */
  get registration(): Registration {
    return this.#control.registration;
  }

  get sequence(): bigint {
    return this.#control.sequence;
  }

  /** How full both rings are; `null` when they cannot be used any more. */
  get fill(): { readonly capacityBytes: number; readonly usedBytes: number } | null {
    if (this.#failure !== null) return null;
    try {
      return {
        capacityBytes: 2 * this.#memory.capacityBytes,
        usedBytes: this.#producer.unread + this.#consumer.unread,
      };
    } catch {
      return null; // Impossible positions: the next message finds them too, and ends the ring with its error.
    }
  }

  /** Where both rings stand, when nothing is under way; `null` while something is. @throws AetherError AE_SHM_CORRUPTED */
  get stand(): RingStand | null {
    if (this.#outgoing.length > 0 || this.#producer.unread > 0 || this.#consumer.hasEntry) return null;
    return { reqPosition: this.#producer.head, resPosition: this.#consumer.tail };
  }

  /**
   * Sends a message, in parts where it is long; what finds no room now follows when there is some.
   * @throws AetherError AE_PAYLOAD_TOO_LARGE, AE_RING_FULL (too many wait already), the failure of the ring
   */
  send(message: OutgoingMessage): void {
    if (this.#failure !== null) throw this.#failure;
    const size = message.lead.length + message.body.length;
    if (size > maxMessageBytes + 16) throw messageTooLarge(size);
    if (this.#outgoing.length >= maxQueued) {
      throw new AetherError("AE_RING_FULL", "too many messages wait for the handler", {
        why: `${maxQueued} are queued, and it takes none`,
        hint: "The handler is slower than its callers.",
        data: { size },
      });
    }
    const parts = partCount(size, this.#producer.payloadLimitBytes);
    this.#outgoing.push({ message, parts, next: 0 });
    if (this.#outgoing.length === 1) this.#flush();
  }

  #flush(): void {
    let wrote = false;
    for (let entry = this.#outgoing[0]; entry !== undefined; entry = this.#outgoing[0]) {
      if (!this.#write(entry)) break;
      wrote = true;
      entry.next += 1;
      if (entry.next === entry.parts) this.#outgoing.shift();
    }
    if (wrote && this.#control.takeHandlerSleeping()) this.#ring();
  }

  /** False: full, and the handler has been asked to say when there is room. */
  #write({ message, next }: Outgoing): boolean {
    if (writePart(this.#producer, message, next)) return true;
    this.#control.setEngineWantsSpace(true);
    // It may have made room just before it could see the wish.
    if (!writePart(this.#producer, message, next)) return false;
    this.#control.setEngineWantsSpace(false);
    return true;
  }

  /** Wakes the handler. A full pipe is a bell that is ringing already; a closed one is a handler that has ended. */
  #ring(): void {
    try {
      this.#memory.bell.write(this.#bellByte);
    } catch {
      // EPIPE: its end is reported by the instance.
    }
  }

  #heard(): void {
    const got = this.#memory.heard.read(this.#heardBytes);
    // The handler has closed its end, or died: the instance reports that.
    if (got === 0) return this.#epoll.remove(this.#memory.heard);
    this.#attend();
  }

  #attend(): void {
    this.#guard(() => {
      const read = this.#readSome();
      if (this.#failure !== null || !this.#memory.control.isOpen) return;
      if (this.#outgoing.length > 0) this.#flush();
      this.#awaited?.();
      if (read === entriesPerTurn || !this.#sleep()) this.#turn ??= setImmediate(() => this.#again());
    });
  }

  #again(): void {
    this.#turn = null;
    if (this.#failure === null && this.#memory.control.isOpen) this.#attend();
  }

  /** Number of entries read. */
  #readSome(): number {
    let read = 0;
    while (read < entriesPerTurn) {
      const entry = this.#consumer.tryRead();
      if (entry === null) break;
      read += 1;
      const message = this.#assembler.take(entry);
      if (message !== null) this.#onMessage(message);
      if (this.#failure !== null || !this.#memory.control.isOpen) return read;
    }
    if (read > 0 && this.#control.takeHandlerWantsSpace()) this.#ring();
    return read;
  }

  /** False: something came in between, and nobody will ring for it. */
  #sleep(): boolean {
    this.#control.setEngineSleeping(true);
    if (!this.#consumer.hasEntry) return true;
    this.#control.setEngineSleeping(false);
    return false;
  }

  /** Looks for an answer for so long without sleeping. True when `done` held in time. */
  spin(forUs: number, done: () => boolean): boolean {
    this.#control.setEngineSleeping(false);
    const until = performance.now() + forUs / 1_000;
    this.#guard(() => {
      while (!done()) {
        if (this.#consumer.stirs) this.#readSome();
        else if (performance.now() > until) break;
        else yieldProcessor();
      }
    });
    if (this.#failure === null && this.#memory.control.isOpen && !this.#sleep())
      this.#turn ??= setImmediate(() => this.#again());
    return done();
  }

  /**
   * Gives the handler a command and waits until it has carried it out. Resolves with `null` when it has, else with its
   * reason, or with "late" at the deadline.
   */
  async command(
    command: ControlCommand,
    deadlineMs: number,
  ): Promise<null | { readonly refused: string } | "late"> {
    this.order(command);
    return await this.acknowledged(deadlineMs);
  }

  /** The wake for which these rings were made begins. */
  waking(atMs: number): void {
    this.#control.setWallClock(atMs);
  }

  /** Gives a command without waiting: into the page of a process that is yet to be restored. */
  order(command: ControlCommand): void {
    this.#control.order(command);
    if (this.#control.takeHandlerSleeping()) this.#ring();
  }

  /** Waits for the end of the last command. */
  async acknowledged(deadlineMs: number): Promise<null | { readonly refused: string } | "late"> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    this.#awaited = () => {
      if (!this.#memory.control.isOpen || this.#control.answer !== null) resolve();
    };
    this.#awaited();
    await promise;
    clearTimeout(timer);
    this.#awaited = null;
    if (!this.#memory.control.isOpen) return { refused: "its process ended" };
    const { answer } = this.#control;
    if (answer === null) return "late";
    return answer.ok ? null : { refused: answer.why };
  }

  /** What goes wrong while reading makes the ring unusable: the peer broke its rules. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failure = toAetherError(error);
      this.#epoll.remove(this.#memory.heard);
      this.#onFailure(this.#failure);
    }
  }

  [Symbol.dispose](): void {
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
    this.#epoll.remove(this.#memory.heard);
    this.#memory[Symbol.dispose]();
    // Nobody will answer any more.
    this.#awaited?.();
  }
}

function messageTooLarge(size: number): AetherError {
  return new AetherError("AE_PAYLOAD_TOO_LARGE", `a message of ${size} bytes is too large`, {
    why: `at most ${maxMessageBytes} bytes go to a handler at once`,
    hint: "Send less, or a path to the data.",
    data: { size, limit: maxMessageBytes },
  });
}
