/** Events from the ring: read when the doorbell rings, answered at once, and no timer in between. */
import { channel, registered } from "./channel.js";
import { TimeLimit, logFailure } from "./handler.js";
import { obey } from "./hooks.js";
import { Assembler, encodings, partCount, types, writePart } from "./messages.js";
import { yieldProcessor } from "./native.js";
import { refresh } from "./reseed.js";

/** How long the loop looks at the ring without sleeping when events have come quickly of late. */
const spinUs = 100;
/** A look that took so long lost the processor to others. */
const lateUs = 8 * spinUs;
/** How many times in a row it sleeps at once after vain looks, and after one that came late. */
const maxPassed = 8;
const passedWhenLate = 32;
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
    /** @type {{ message: import("./messages.js").OutgoingMessage, parts: number, next: number }[]} */
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

  /**
   * Looks on for a moment, giving way to others at each look. A vain look is paid with abstinence, and so is one that took
   * far longer than meant: others wanted this processor, and the doorbell gets it back sooner.
   */
  spin() {
    if (this.pass > 0) {
      this.pass -= 1;
      return false;
    }
    const startedAt = performance.now();
    let tookUs = 0;
    let found = false;
    do {
      for (let look = 0; look < 16 && !found; look++) found = this.consumer.stirs;
      if (!found) yieldProcessor();
      tookUs = (performance.now() - startedAt) * 1000;
    } while (!found && tookUs < spinUs);
    this.misses = found ? 0 : this.misses + 1;
    const vain = found ? 0 : Math.min(2 ** (this.misses - 1), maxPassed);
    this.pass = tookUs > lateUs ? passedWhenLate : vain;
    return found;
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
    // The event is made before the entry is given back, and the handler is called after it.
    const job = message?.type === types.request ? this.jobOf(message) : null;
    this.consumer.advance();
    this.here.consumed();
    if (message?.type === types.cancel) this.cancelled.add(message.requestId);
    if (job !== null) this.runner.start(job);
    return true;
  }

  /**
   * A request as an event; null: it was none, and has been answered.
   * @param {import("./messages.js").Message} message
   * @returns {import("./handler.js").Job | null}
   */
  jobOf({ requestId, body }) {
    const head = Buffer.from(body.buffer, body.byteOffset, body.length);
    const asked = head.readUInt32LE(0);
    const name = requestId.toString(16).padStart(16, "0");
    /** @type {unknown} */
    let event;
    try {
      // Bytes become the handler's own, who may keep them; JSON is read where it lies.
      if (head[4] === encodings.raw) event = Buffer.from(head.subarray(5));
      else event = head.length === 5 ? null : JSON.parse(head.toString("utf8", 5));
    } catch (error) {
      this.answer(requestId, name, { ok: false, error });
      return null;
    }
    return {
      requestId: name,
      event,
      timeoutMs: asked === 0 ? this.timeoutMs : Math.min(asked, this.timeoutMs),
      done: (outcome) => this.answer(requestId, name, outcome),
    };
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

  /** @param {import("./messages.js").OutgoingMessage} message */
  send(message) {
    this.outgoing.push({ message, parts: partCount(message, this.producer.limit), next: 0 });
    if (this.outgoing.length === 1) this.flush();
    // What could not be written at once is written later: by then the handler may have changed its bytes.
    const last = this.outgoing.at(-1);
    if (last?.message === message) last.message = { ...message, body: Buffer.from(message.body) };
  }

  flush() {
    let wrote = false;
    for (let entry = this.outgoing[0]; entry !== undefined; entry = this.outgoing[0]) {
      if (!writePart(this.producer, entry.message, entry.next)) {
        this.here.wantsSpace(true);
        // Room may have been made just before the wish could be seen.
        if (!writePart(this.producer, entry.message, entry.next)) break;
        this.here.wantsSpace(false);
      }
      wrote = true;
      entry.next += 1;
      if (entry.next === entry.parts) this.outgoing.shift();
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
