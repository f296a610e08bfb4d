/**
 * The page that engine and handler share beside the rings: who this instance is, which generation of the snapshot it is,
 * commands around a sleep, and who is asleep (struct aether_control of sdk/c/aether_ring.h). What the handler writes is
 * hostile input: it can hurt nobody but itself with it.
 */

export const controlBytes = 4_096;
const magic = 0x48544541;
const version = 1;
const instanceBytes = 128;
const messageBytes = 1_024;

/** Indices of 4-byte words. */
const word = {
  magic: 0,
  version: 1,
  restored: 12,
  command: 66,
  engineSleeping: 80,
  engineWantsSpace: 81,
  registered: 512,
  status: 516,
  messageLength: 517,
  handlerSleeping: 528,
  handlerWantsSpace: 529,
} as const;
/** Indices of 8-byte words. */
const long = { generation: 1, wallClock: 7, commandSequence: 32, acknowledged: 257 } as const;
const at = { entropy: 16, instance: 64, message: 2_176 } as const;

/** What the engine asks of a handler around a sleep. */
export const controlCommands = { beforeSnapshot: 1, afterRestore: 2, resume: 3 } as const;
export type ControlCommand = keyof typeof controlCommands;

/** Bits by which a handler says what it takes part in. */
const registeredBits = { attached: 1, hooks: 2, events: 4 } as const;

export interface InstanceIdentity {
  readonly instance: string;
  /** Different after every wake. */
  readonly generation: bigint;
  /** 32 fresh bytes. */
  readonly entropy: Uint8Array;
  readonly restored: boolean;
  readonly wallClockMs: number;
}

/** What a handler takes part in. */
export interface Registration {
  readonly attached: boolean;
  /** It wants commands and acknowledges them. */
  readonly hooks: boolean;
  /** It serves invocations over the ring. */
  readonly events: boolean;
}

export class ControlPage {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;
  /** Ours: never read back. */
  #sequence = 0n;

  constructor(memory: ArrayBufferLike) {
    this.#bytes = new Uint8Array(memory, 0, controlBytes);
    this.#words = new Int32Array(memory, 0, controlBytes / 4);
    this.#longs = new BigInt64Array(memory, 0, controlBytes / 8);
  }

  /** Fills a fresh page, before a process sees it. */
  introduce(identity: InstanceIdentity): void {
    this.#words[word.magic] = magic;
    this.#words[word.version] = version;
    this.#bytes.set(identity.entropy.subarray(0, 32), at.entropy);
    this.#words[word.restored] = identity.restored ? 1 : 0;
    this.setWallClock(identity.wallClockMs);
    const name = Buffer.from(identity.instance).subarray(0, instanceBytes - 1);
    this.#bytes.set(name, at.instance);
    Atomics.store(this.#longs, long.generation, identity.generation);
  }

  /** When the instance was started or woken: a page may have been made long before its wake. */
  setWallClock(atMs: number): void {
    Atomics.store(this.#longs, long.wallClock, BigInt(Math.round(atMs)));
  }

  /**
   * What a page of a restored process must say as the page of its image did, beside the new identity: the handler knows
   * by heart what it has registered, and a sleeping reader expects to find itself asleep.
   */
  resume(registration: Registration): void {
    const bits =
      (registration.attached ? registeredBits.attached : 0) |
      (registration.hooks ? registeredBits.hooks : 0) |
      (registration.events ? registeredBits.events : 0);
    Atomics.store(this.#words, word.registered, bits);
    Atomics.store(this.#words, word.handlerSleeping, 1);
  }

  get registration(): Registration {
    const bits = Atomics.load(this.#words, word.registered);
    return {
      attached: (bits & registeredBits.attached) !== 0,
      hooks: (bits & registeredBits.hooks) !== 0,
      events: (bits & registeredBits.events) !== 0,
    };
  }

  /** Writes a command; the handler has to be woken then. */
  order(command: ControlCommand): void {
    this.#sequence += 1n;
    Atomics.store(this.#words, word.command, controlCommands[command]);
    Atomics.store(this.#longs, long.commandSequence, this.#sequence);
  }

  /** Begins the count of commands where the image's stood: the handler remembers the last one it has carried out. */
  continueFrom(sequence: bigint): void {
    this.#sequence = sequence;
    Atomics.store(this.#longs, long.acknowledged, sequence);
    Atomics.store(this.#longs, long.commandSequence, sequence);
  }

  get sequence(): bigint {
    return this.#sequence;
  }

  /** How the last command ended; `null` while it is under way. */
  get answer(): { readonly ok: true } | { readonly ok: false; readonly why: string } | null {
    if (Atomics.load(this.#longs, long.acknowledged) !== this.#sequence) return null;
    if (Atomics.load(this.#words, word.status) === 0) return { ok: true };
    const claimed = Atomics.load(this.#words, word.messageLength) >>> 0;
    const length = Math.min(claimed, messageBytes);
    const text = Buffer.from(this.#bytes.slice(at.message, at.message + length)).toString("utf8");
    return { ok: false, why: text === "" ? "it gave no reason" : text };
  }

  /** Says that this side sleeps: look at the ring once more afterwards. */
  setEngineSleeping(on: boolean): void {
    Atomics.store(this.#words, word.engineSleeping, on ? 1 : 0);
  }

  setEngineWantsSpace(on: boolean): void {
    Atomics.store(this.#words, word.engineWantsSpace, on ? 1 : 0);
  }

  /** Whether the handler sleeps and so has to be woken; it counts as awake from then on. */
  takeHandlerSleeping(): boolean {
    return (
      Atomics.load(this.#words, word.handlerSleeping) !== 0 &&
      Atomics.exchange(this.#words, word.handlerSleeping, 0) !== 0
    );
  }

  takeHandlerWantsSpace(): boolean {
    return (
      Atomics.load(this.#words, word.handlerWantsSpace) !== 0 &&
      Atomics.exchange(this.#words, word.handlerWantsSpace, 0) !== 0
    );
  }
}
