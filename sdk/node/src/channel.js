/** The descriptors that Aether gives to a function with rings: control page, rings, doorbells. */
import { fstatSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { drain, keepOwn, map, ring, watch } from "./native.js";
import { Consumer, Producer } from "./ring.js";

const controlBytes = 4096;
const magic = 0x48544541;
/** Indices of 4-byte and of 8-byte words in the control page (struct aether_control of aether_ring.h). */
const word = {
  magic: 0,
  version: 1,
  generation: 2,
  restored: 12,
  command: 66,
  engineSleeping: 80,
  engineWantsSpace: 81,
  registered: 512,
  status: 516,
  messageLength: 517,
  handlerSleeping: 528,
  handlerWantsSpace: 529,
};
const long = { generation: 1, wallClock: 7, commandSequence: 32, acknowledged: 257 };
const at = { entropy: 16, instance: 64, message: 2176 };
const messageBytes = 1024;

export const registered = { attached: 1, hooks: 2, events: 4 };
export const commands = { beforeSnapshot: 1, afterRestore: 2, resume: 3 };

/** @param {string} text */
function parse(text) {
  /** @type {Record<string, number>} */
  const numbers = {};
  for (const item of text.split(",")) {
    const [name = "", number] = item.split("=");
    numbers[name] = Number(number);
  }
  for (const name of ["ctl", "req", "res", "in", "out"])
    if (!Number.isInteger(numbers[name])) throw new Error(`AETHER_RING lacks ${name}`);
  return numbers;
}

export class Channel {
  /** @param {Record<string, number>} numbers */
  constructor(numbers) {
    this.numbers = numbers;
    for (const [name, number] of Object.entries(numbers)) keepOwn(number, name === "in" || name === "out");
    const page = map(numbers.ctl, controlBytes);
    this.bytes = new Uint8Array(page);
    this.words = new Int32Array(page);
    this.longs = new BigInt64Array(page);
    if (this.words[word.magic] !== magic || this.words[word.version] !== 1)
      throw new Error("the control page is none of version 1");
    this.sequence = Atomics.load(this.longs, long.commandSequence);
    /** @type {{ consumer: Consumer, producer: Producer } | null} */
    this.mapped = null;
    if (isMainThread) this.register(registered.attached);
  }

  /** Mapped when they are first asked for: a server that only wants its generation never touches them. */
  get rings() {
    this.mapped ??= {
      consumer: new Consumer(map(this.numbers.req, fstatSync(this.numbers.req).size)),
      producer: new Producer(map(this.numbers.res, fstatSync(this.numbers.res).size)),
    };
    return this.mapped;
  }

  /** The lower half: enough to see that it is another one, and no BigInt on the way of every draw. */
  get shortGeneration() {
    return this.words[word.generation];
  }

  get generation() {
    return Atomics.load(this.longs, long.generation);
  }

  get restored() {
    return this.words[word.restored] !== 0;
  }

  /** A copy. */
  get entropy() {
    return this.bytes.slice(at.entropy, at.entropy + 32);
  }

  get instance() {
    const name = Buffer.from(this.bytes.slice(at.instance, at.instance + 128)).toString("utf8");
    return name.slice(0, Math.max(0, name.indexOf("\0")));
  }

  /** @param {number} bits */
  register(bits) {
    Atomics.or(this.words, word.registered, bits);
  }

  /** A command that is still to be carried out, or null. */
  get command() {
    return Atomics.load(this.longs, long.commandSequence) === this.sequence ? null : this.words[word.command];
  }

  /** Takes note of the command, so that it is not carried out twice. */
  takeCommand() {
    this.sequence = Atomics.load(this.longs, long.commandSequence);
  }

  /**
   * Says that the command is done, or why it is refused.
   * @param {string | null} refusal
   */
  acknowledge(refusal) {
    const text = Buffer.from(refusal ?? "").subarray(0, messageBytes);
    this.bytes.set(text, at.message);
    this.words[word.messageLength] = text.length;
    this.words[word.status] = refusal === null ? 0 : 1;
    Atomics.store(this.longs, long.acknowledged, this.sequence);
    this.ring();
  }

  ring() {
    Atomics.store(this.words, word.engineSleeping, 0);
    ring(this.numbers.out);
  }

  /** After an entry was written. */
  wrote() {
    if (Atomics.load(this.words, word.engineSleeping) !== 0) this.ring();
  }

  /** After entries were consumed. */
  consumed() {
    if (Atomics.load(this.words, word.engineWantsSpace) === 0) return;
    Atomics.store(this.words, word.engineWantsSpace, 0);
    ring(this.numbers.out);
  }

  /** @param {boolean} on */
  wantsSpace(on) {
    Atomics.store(this.words, word.handlerWantsSpace, on ? 1 : 0);
  }

  /** Says that this side sleeps. False when there is something to do after all. */
  lieDown() {
    Atomics.store(this.words, word.handlerSleeping, 1);
    if (this.command === null && this.mapped?.consumer.hasEntry !== true) return true;
    Atomics.store(this.words, word.handlerSleeping, 0);
    return false;
  }

  /** Takes the bytes out of the doorbell. False: the engine is gone. */
  getUp() {
    Atomics.store(this.words, word.handlerSleeping, 0);
    return drain(this.numbers.in);
  }

  /** @param {() => void} callback called when the doorbell rings */
  watch(callback) {
    return watch(this.numbers.in, callback);
  }
}

/** @type {Channel | null | undefined} */
let made;

/** The channel of this thread; null where Aether gave none. */
export function channel() {
  if (made === undefined) {
    const text = process.env.AETHER_RING;
    made = text === undefined || text === "" ? null : new Channel(parse(text));
  }
  return made;
}
