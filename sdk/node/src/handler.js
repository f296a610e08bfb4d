/** Runs events through the handler: at most so many at once, each within its time limit. */
import { randomUUID } from "node:crypto";
import { lambdaContext } from "./lambda.js";

/** The time limit of a request ran out. */
export class TimeLimit extends Error {
  constructor() {
    super("the time limit ran out");
    this.name = "TimeLimit";
  }
}

/** @typedef {{ ok: true, value: unknown } | { ok: false, error: unknown }} Outcome */
/** @typedef {{ requestId: string, event: unknown, timeoutMs: number, done: (outcome: Outcome) => void }} Job */

export class Runner {
  /**
   * @param {(...args: any[]) => unknown} handler
   * @param {number} concurrency
   */
  constructor(handler, concurrency) {
    this.handler = handler;
    this.concurrency = concurrency;
    this.running = 0;
    /** @type {Job[]} */
    this.waiting = [];
    /** What has to end before the next event: the hooks of a wake. @type {Promise<unknown> | null} */
    this.gate = null;
  }

  get idle() {
    return this.running === 0 && this.waiting.length === 0;
  }

  /** @param {Promise<unknown> | null} gate */
  hold(gate) {
    if (gate === null) return;
    this.gate = gate;
    const open = () => {
      if (this.gate === gate) this.gate = null;
      this.next();
    };
    gate.then(open, open);
  }

  /** @param {Job} job */
  start(job) {
    if (this.running >= this.concurrency || this.gate !== null) {
      this.waiting.push(job);
      return;
    }
    this.run(job);
  }

  next() {
    while (this.running < this.concurrency && this.gate === null) {
      const job = this.waiting.shift();
      if (job === undefined) return;
      this.run(job);
    }
  }

  /** @param {Job} job */
  run(job) {
    this.running += 1;
    let open = true;
    /** @type {NodeJS.Timeout | null} */
    let timer = null;
    /** @param {Outcome} outcome */
    const finish = (outcome) => {
      if (!open) return;
      open = false;
      if (timer !== null) clearTimeout(timer);
      this.running -= 1;
      if (!outcome.ok) logFailure(job.requestId, outcome.error);
      job.done(outcome);
      this.next();
    };
    try {
      const result = this.call(job, finish);
      if (result === pending || isThenable(result))
        timer = setTimeout(() => finish({ ok: false, error: new TimeLimit() }), job.timeoutMs);
      if (result === pending) return;
      if (isThenable(result))
        result.then(
          (value) => finish({ ok: true, value }),
          (error) => finish({ ok: false, error }),
        );
      else finish({ ok: true, value: result });
    } catch (error) {
      finish({ ok: false, error });
    }
  }

  /**
   * @param {Job} job
   * @param {(outcome: Outcome) => void} finish
   */
  call(job, finish) {
    const { handler, event, requestId } = { handler: this.handler, ...job };
    if (handler.length === 1) return handler(event);
    const context = lambdaContext(requestId, performance.now() + job.timeoutMs);
    if (handler.length < 3) return handler(event, context);
    /**
     * @param {unknown} error
     * @param {unknown} value
     */
    const callback = (error, value) =>
      error === null || error === undefined ? finish({ ok: true, value }) : finish({ ok: false, error });
    const result = handler(event, context, callback);
    return result === undefined ? pending : result;
  }
}

const pending = Symbol("the callback will be called");

/**
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
function isThenable(value) {
  return (
    typeof value === "object" && value !== null && typeof (/** @type {any} */ (value).then) === "function"
  );
}

/**
 * @param {string} requestId
 * @param {unknown} error
 */
export function logFailure(requestId, error) {
  const text =
    error instanceof Error && !(error instanceof TimeLimit) ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${requestId}: the handler failed\n${text}\n`);
}

/** @returns {string} */
export const newRequestId = () => randomUUID();
