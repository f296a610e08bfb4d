/** Events from the ring: read when the doorbell rings, answered at once, and no timer in between. */
import { channel, registered } from "./channel.js";
import { TimeLimit, logFailure } from "./handler.js";
import { obey } from "./hooks.js";
import { Assembler, encodings, parts, types } from "./messages.js";
import { refresh } from "./reseed.js";

/** How long the loop looks at the ring without sleeping when events have come quickly of late. */
const spinUs = 50;
const entriesPerTurn = 64;

export class RingLoop {
  /**
   * @param {import("./channel.js").Channel} here
   * @param {import("./handler.js").Runner} runner
   * @param {number} timeoutMs
   */
  constructor(here, runner, timeoutMs) {
    this.here = here;
    this.runner = runner;
    this.timeoutMs = timeoutMs;
    const { consumer, producer } = here.rings;
    this.consumer = consumer;
    this.producer = producer;
    this.assembler = new Assembler();
    /** @type {Uint8Array[]} */
    this.outgoing = [];
    /** @type {Set<bigint>} */
    this.cancelled = new Set();
    this.turn = false;
    this.misses = 0;
    this.pass = 0;
    here.register(registered.events);
    this.handle = here.watch(() => this.rang());
    this.rest();
  }

  rang() {
    if (this.here.getUp()) this.work();
    else this.stop();
  }

  /** Reads what is there, then looks on for a moment, then sleeps. */
  work() {
    this.runner.hold(obey());
    refresh();
    if (this.outgoing.length > 0) this.flush();
    // Whatever else waits in this process has its turn after so many events, also while the ring is busy.
    for (let read = 0; read < entriesPerTurn; read++) {
      if (this.readOne()) continue;
      if (read === 0 || !this.runner.idle || this.here.command !== null || !this.spin()) return this.rest();
    }
    this.again();
  }

  /** Where both sides share a processor, looking takes the time the other one needs: a vain look is paid with abstinence. */
  spin() {
    if (this.pass > 0) {
      this.pass -= 1;
      return false;
    }
    const until = performance.now() + spinUs / 1000;
    do {
      for (let look = 0; look < 16; look++)
        if (this.consumer.hasEntry) {
          this.misses = 0;
          return true;
        }
    } while (performance.now() < until);
    this.misses = Math.min(this.misses + 1, 6);
    this.pass = 2 ** this.misses;
    return false;
  }

  rest() {
    if (!this.here.lieDown()) this.again();
  }

  again() {
    if (this.turn) return;
    this.turn = true;
    setImmediate(() => {
      this.turn = false;
      this.work();
    });
  }

  readOne() {
    const view = this.consumer.tryView();
    if (view === null) return false;
    const message = this.assembler.take(view);
    this.consumer.advance();
    this.here.consumed();
    if (message === null) return true;
    if (message.type === types.cancel) this.cancelled.add(message.requestId);
    if (message.type === types.request) this.start(message);
    return true;
  }

  /** @param {import("./messages.js").Message} message */
  start({ requestId, body }) {
    const head = Buffer.from(body.buffer, body.byteOffset, body.length);
    const asked = head.readUInt32LE(0);
    const raw = head[4] === encodings.raw;
    const data = head.subarray(5);
    const name = requestId.toString(16).padStart(16, "0");
    /** @type {unknown} */
    let event = data;
    try {
      if (!raw) event = data.length === 0 ? null : JSON.parse(data.toString("utf8"));
    } catch (error) {
      return this.answer(requestId, name, { ok: false, error });
    }
    this.runner.start({
      requestId: name,
      event,
      timeoutMs: asked === 0 ? this.timeoutMs : Math.min(asked, this.timeoutMs),
      done: (outcome) => this.answer(requestId, name, outcome),
    });
  }

  /**
   * @param {bigint} requestId
   * @param {string} name
   * @param {import("./handler.js").Outcome} outcome
   */
  answer(requestId, name, outcome) {
    if (this.cancelled.delete(requestId)) return;
    if (outcome.ok) {
      try {
        const { value } = outcome;
        const raw = value instanceof Uint8Array;
        const body = raw ? value : Buffer.from(JSON.stringify(value) ?? "null");
        return this.send({
          type: types.response,
          requestId,
          lead: raw ? encodings.raw : encodings.json,
          body,
        });
      } catch (error) {
        logFailure(name, error);
        return this.fail(requestId, name, error);
      }
    }
    this.fail(requestId, name, outcome.error);
  }

  /**
   * @param {bigint} requestId
   * @param {string} name
   * @param {unknown} error
   */
  fail(requestId, name, error) {
    const known = error instanceof Error;
    const failure = {
      errorType: error instanceof TimeLimit ? "TimeLimit" : known ? error.name : typeof error,
      errorMessage: (known ? error.message : String(error)).slice(0, 4000),
      requestId: name,
      stackTrace: known ? (error.stack ?? "").split("\n").slice(1, 20) : [],
    };
    const body = Buffer.from(JSON.stringify(failure));
    this.send({ type: types.failure, requestId, lead: null, body });
  }

  /** @param {Parameters<typeof parts>[0]} message */
  send(message) {
    for (const part of parts(message, this.producer.limit))
      if (this.outgoing.length > 0 || !this.producer.tryWrite(part)) this.outgoing.push(part);
    this.here.wrote();
    if (this.outgoing.length > 0) this.flush();
  }

  flush() {
    let wrote = false;
    for (let part = this.outgoing[0]; part !== undefined; part = this.outgoing[0]) {
      if (!this.producer.tryWrite(part)) {
        this.here.wantsSpace(true);
        if (!this.producer.tryWrite(part)) break;
        this.here.wantsSpace(false);
      }
      this.outgoing.shift();
      wrote = true;
    }
    if (wrote) this.here.wrote();
  }

  stop() {
    this.handle.stop();
    this.handle.close();
  }
}

/**
 * @param {import("./handler.js").Runner} runner
 * @param {number} timeoutMs
 */
export function ringLoop(runner, timeoutMs) {
  const here = channel();
  return here === null ? null : new RingLoop(here, runner, timeoutMs);
}
