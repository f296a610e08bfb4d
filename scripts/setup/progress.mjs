// @ts-check
import { SetupError, lastLines } from "./errors.mjs";

/**
 * What the person watching sees. On a terminal: one line per step, and one for those that run, rewritten in place.
 * Elsewhere: plain lines, no escape codes, and a sign of life for long steps.
 */
export class Progress {
  /**
   * @param {{
   *   stream?: { isTTY?: boolean, columns?: number, write(text: string): unknown },
   *   env?: Record<string, string | undefined>,
   *   quiet?: boolean,
   *   now?: () => number,
   * }} [options] `quiet`: steps that had nothing to do are not listed
   */
  constructor({ stream = process.stdout, env = process.env, quiet = false, now = Date.now } = {}) {
    this.stream = stream;
    this.quiet = quiet;
    this.now = now;
    this.live = stream.isTTY === true && env.TERM !== "dumb";
    this.color = this.live && (env.NO_COLOR ?? "") === "";
    this.startedAt = now();
    this.steps = 0;
    this.done = 0;
    /** By title, who runs longest first. @type {Map<string, { startedAt: number, detail: string, announcedAt: number }>} */
    this.running = new Map();
    /** @type {NodeJS.Timeout | null} */
    this.timer = null;
  }

  /** @param {number} code @param {string} text */
  paint(code, text) {
    return this.color ? `\x1b[${code}m${text}\x1b[0m` : text;
  }

  /** @param {string} title @param {string} why */
  begin(title, why) {
    this.running.set(title, { startedAt: this.now(), detail: why, announcedAt: this.now() });
    if (!this.live) this.stream.write(`... ${title}: ${why}\n`);
    else this.redraw();
    this.timer ??= setInterval(() => (this.live ? this.redraw() : this.signOfLife()), this.live ? 100 : 1000);
    this.timer.unref();
  }

  /** What a running step is doing now. @param {string} title @param {string} text */
  doing(title, text) {
    const step = this.running.get(title);
    // eslint-disable-next-line no-control-regex -- output of other programs may carry escape codes
    if (step) step.detail = text.replace(/\x1b\[[\d;?]*[A-Za-z]/g, "").trim();
  }

  /** @param {string} title @param {string} [note] */
  ok(title, note) {
    this.steps++;
    const worked = this.running.has(title);
    const elapsed = this.end(title);
    if (worked) this.done++;
    if (this.quiet && !worked) return;
    const mark = this.live ? this.paint(32, "✓") : "ok ";
    const tail = [note, worked ? seconds(elapsed) : "in place"].filter(Boolean).join(", ");
    this.stream.write(`${mark} ${title} ${this.paint(2, `(${tail})`)}\n`);
  }

  /** Not as asked, but nothing that stops the work. @param {string} title @param {string} text */
  warn(title, text) {
    this.end(title);
    this.stream.write(`${this.live ? this.paint(33, "!") : "!! "} ${title}: ${text}\n`);
  }

  /** @param {unknown} error @param {string} title */
  fail(error, title) {
    this.end(title);
    this.stream.write(
      `${failureLines(error, title, this.live ? this.paint(31, "✗") : "FAILED").join("\n")}\n`,
    );
  }

  /** @param {string} what */
  summary(what) {
    const elapsed = seconds(this.now() - this.startedAt);
    const mark = this.live ? this.paint(32, "✓") : "ok ";
    const did = this.done === 0 ? "in place" : `${this.done} of ${this.steps} steps had work`;
    this.stream.write(`${mark} ${what} ${this.paint(2, `(${did}, ${elapsed})`)}\n`);
  }

  /** Clears the live line; answers how long the step took. @param {string} title */
  end(title) {
    const step = this.running.get(title);
    if (this.live && this.running.size > 0) this.stream.write("\r\x1b[K");
    this.running.delete(title);
    if (this.timer !== null && this.running.size === 0) {
      clearInterval(this.timer);
      this.timer = null;
    }
    return step === undefined ? 0 : this.now() - step.startedAt;
  }

  redraw() {
    const [first, ...others] = this.running;
    if (first === undefined) return;
    const [title, { detail, startedAt }] = first;
    const frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[Math.floor(this.now() / 100) % 10];
    const beside = others.length === 0 ? "" : ` (and ${others.map(([other]) => other).join(", ")})`;
    const line = `${frame} ${title}${beside} ${seconds(this.now() - startedAt)}  ${detail}`;
    this.stream.write(`\r\x1b[K${line.slice(0, Math.max(20, (this.stream.columns ?? 80) - 1))}`);
  }

  signOfLife() {
    for (const [title, step] of this.running) {
      if (this.now() - step.announcedAt < 10_000) continue;
      step.announcedAt = this.now();
      this.stream.write(`... ${title}: ${seconds(this.now() - step.startedAt)}, ${step.detail}\n`);
    }
  }
}

/** @param {number} ms */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/**
 * @param {unknown} error
 * @param {string} title
 * @param {string} [mark]
 * @returns {string[]}
 */
export function failureLines(error, title, mark = "FAILED") {
  if (!(error instanceof SetupError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return [
      `${mark} ${title}`,
      `  why: an error in the set-up scripts`,
      `  do:  report it with these lines`,
      text,
    ];
  }
  const lines = [`${mark} ${title}: ${error.what}`, `  why: ${error.why}`, `  do:  ${error.fix}`];
  if (error.output.trim() !== "")
    lines.push(
      "",
      ...lastLines(error.output)
        .split("\n")
        .map((l) => `  | ${l}`),
    );
  return lines;
}
