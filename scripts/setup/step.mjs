// @ts-check

/**
 * One step of the set-up, one file each. `check` is cheap (milliseconds) and changes nothing; `run` makes it so, and
 * may be interrupted anywhere: the next check must then still tell the truth.
 *
 * @typedef {{ ok: true, note?: string, warning?: string } | { ok: false, why: string }} State
 *
 * @typedef {object} Context
 * @property {boolean} dev also what only the tests need
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {string} title
 * @property {readonly string[]} after names of the steps that must be in place first; it runs beside all others
 * @property {(context: Context) => State | Promise<State>} check throws SetupError when nothing can help
 * @property {(context: Context, doing: (text: string) => void) => void | Promise<void>} run
 */

export {};
