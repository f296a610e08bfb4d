// @ts-check
import { SetupError, lastLines } from "./errors.mjs";

/**
 * What the person watching sees. On a terminal: one line per step, the running one rewritten in place. Elsewhere:
 * plain lines, no escape codes, and a sign of life for long steps.
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
    /** @type {{ title: string, startedAt: number, detail: string, announcedAt: number } | null} */
    this.current = null;
    /** @type {NodeJS.Timeout | null} */
    this.timer = null;
  }

  /** @param {number} code @param {string} text */
  paint(code, text) {
    return this.color ? `\x1b[${code}m${text}\x1b[0m` : text;
  }

  /** @param {string} title @param {string} why */
  begin(title, why) {
    this.current = { title, startedAt: this.now(), detail: why, announcedAt: this.now() };
    if (this.live) {
      this.timer = setInterval(() => this.redraw(), 100);
      this.timer.unref();
      this.redraw();
    } else {
      this.stream.write(`... ${title}: ${why}\n`);
      this.timer = setInterval(() => this.signOfLife(), 1000);
      this.timer.unref();
    }
  }

  /** What the running step is doing now. @param {string} text */
  doing(text) {
    // eslint-disable-next-line no-control-regex -- output of other programs may carry escape codes
    if (this.current) this.current.detail = text.replace(/\x1b\[[\d;?]*[A-Za-z]/g, "").trim();
  }

  /** @param {string} title @param {string} [note] */
  ok(title, note) {
    this.steps++;
    const worked = this.current !== null;
    const elapsed = this.end();
    if (worked) this.done++;
    if (this.quiet && !worked) return;
    const mark = this.live ? this.paint(32, "✓") : "ok ";
    const tail = [note, worked ? seconds(elapsed) : "in place"].filter(Boolean).join(", ");
    this.stream.write(`${mark} ${title} ${this.paint(2, `(${tail})`)}\n`);
  }

  /** Not as asked, but nothing that stops the work. @param {string} title @param {string} text */
  warn(title, text) {
    this.end();
    this.stream.write(`${this.live ? this.paint(33, "!") : "!! "} ${title}: ${text}\n`);
  }

  /** @param {unknown} error @param {string} title */
  fail(error, title) {
    this.end();
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

  /** Clears the live line; answers how long the step took. */
  end() {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    const elapsed = this.current ? this.now() - this.current.startedAt : 0;
    if (this.live && this.current) this.stream.write("\r\x1b[K");
    this.current = null;
    return elapsed;
  }

  redraw() {
    if (!this.current) return;
    const { title, detail, startedAt } = this.current;
    const frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[Math.floor(this.now() / 100) % 10];
    const line = `${frame} ${title} ${seconds(this.now() - startedAt)}  ${detail}`;
    this.stream.write(`\r\x1b[K${line.slice(0, Math.max(20, (this.stream.columns ?? 80) - 1))}`);
  }

  signOfLife() {
    if (!this.current || this.now() - this.current.announcedAt < 10_000) return;
    this.current.announcedAt = this.now();
    const elapsed = seconds(this.now() - this.current.startedAt);
    this.stream.write(`... ${this.current.title}: ${elapsed}, ${this.current.detail}\n`);
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
