/** What a handler does before its snapshot and after its restore, in CRaC's order: before in reverse, after forward. */
import { channel, commands, registered } from "./channel.js";
import { refresh } from "./reseed.js";

/** @typedef {() => unknown} Hook */

/** @type {Hook[]} */
const before = [];
/** @type {Hook[]} */
const after = [];
let served = false;
/** The watch of a plain server. @type {{ stop(): void, close(): void } | null} */
let watching = null;
/** @type {Promise<void> | null} */
let underWay = null;

/** @param {Hook} hook */
export function beforeSnapshot(hook) {
  before.push(hook);
  attend();
}

/** @param {Hook} hook */
export function afterRestore(hook) {
  after.push(hook);
  attend();
}

/**
 * @param {unknown} error
 * @param {Hook} hook
 */
function describe(error, hook) {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `${hook.name === "" ? "a hook" : hook.name}: ${what}`;
}

/** @returns {Promise<string | null>} why there must be no snapshot */
async function runBefore() {
  for (const hook of before.toReversed()) {
    try {
      await hook();
    } catch (error) {
      await runAfter();
      return describe(error, hook);
    }
  }
  return null;
}

/** All of them run; the first failure is reported. */
async function runAfter() {
  /** @type {string | null} */
  let failure = null;
  for (const hook of after) {
    try {
      await hook();
    } catch (error) {
      failure ??= describe(error, hook);
    }
  }
  return failure;
}

/**
 * Begins to carry out a command of the engine, if there is one. The promise is that of its end; null: there is nothing to
 * wait for.
 * @returns {Promise<void> | null}
 */
export function obey() {
  const here = channel();
  if (here === null || underWay !== null) return underWay;
  const command = here.command;
  if (command === null) return null;
  here.takeCommand();
  // Seeded before anything of the handler runs.
  refresh();
  if ((command === commands.beforeSnapshot ? before : after).length === 0) {
    here.acknowledge(null);
    return null;
  }
  underWay = (command === commands.beforeSnapshot ? runBefore() : runAfter())
    .then((refusal) => here.acknowledge(refusal))
    .finally(() => {
      underWay = null;
    });
  return underWay;
}

/** An event loop of ours attends to commands from now on. */
export function serving() {
  served = true;
  channel()?.register(registered.hooks);
  // A descriptor is watched once in a loop.
  watching?.stop();
  watching?.close();
  watching = null;
}

/** In a plain server: a watch on the doorbell, which does not keep the process alive. */
function attend() {
  const here = channel();
  if (here === null || served || watching !== null) return;
  here.register(registered.hooks);
  const listen = () => {
    void obey()?.then(settle);
    settle();
  };
  const settle = () => {
    if (!served && !here.lieDown()) setImmediate(listen);
  };
  const handle = here.watch(() => {
    if (here.getUp()) listen();
    else handle.stop();
  });
  handle.unref();
  watching = handle;
  settle();
}
