// @ts-check
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SetupError } from "./setup/errors.mjs";
import { takeLock } from "./setup/lock.mjs";
import { Progress } from "./setup/progress.mjs";
import { steps } from "./setup/index.mjs";

/**
 * One step, once those before it are in place.
 * @param {import("./setup/step.mjs").Step} step
 * @param {import("./setup/step.mjs").Context} context
 * @param {Progress} progress
 * @param {(doing: (text: string) => void) => Promise<void>} lock one set-up at a time works on a checkout
 */
async function bring(step, context, progress, lock) {
  const { title } = step;
  /** @param {string} text */
  const doing = (text) => progress.doing(title, text);
  let state = await step.check(context);
  if (!state.ok) {
    progress.begin(title, state.why);
    await lock(doing);
    state = await step.check(context); // whoever had the lock may have done it
    // Again when something (an editor, say) changed its inputs while it ran; not for ever.
    for (let tries = 0; !state.ok && tries < 3; tries++) {
      await step.run(context, doing);
      state = await step.check(context);
    }
    if (!state.ok) {
      throw new SetupError({
        what: "it was done three times and is not in place",
        why: state.why,
        fix: "something changes the checkout at the same time: run it again when that is over",
      });
    }
  }
  if (state.warning !== undefined) progress.warn(title, state.warning);
  else progress.ok(title, state.note);
}

/**
 * Brings the machine and the checkout to where Aether runs. What is in place is left alone (well under a second); what is
 * not, and needs nothing of each other, comes at the same time.
 * @param {{ dev?: boolean, quiet?: boolean }} [options] `dev`: also what the tests need; `quiet`: list only real work
 * @returns {Promise<number>} 0; 3 when the machine lacks something that must be installed by hand; 1 for other failures
 */
export async function setup({ dev = false, quiet = false } = {}) {
  const progress = new Progress({ quiet });
  /** @type {{ lock: Promise<() => void> | null, failure: { error: unknown, title: string } | null }} */
  const state = { lock: null, failure: null };
  /** @type {Map<string, Promise<void>>} */
  const inPlace = new Map();
  for (const step of steps) {
    const run = async () => {
      for (const name of step.after) await inPlace.get(name);
      if (state.failure !== null) return; // The others that run come to their end; none begins.
      await bring(step, { dev }, progress, async (doing) => {
        await (state.lock ??= takeLock(doing));
      });
    };
    inPlace.set(
      step.name,
      run().catch((error) => {
        state.failure ??= { error, title: step.title };
        progress.end(step.title);
      }),
    );
  }
  await Promise.all(inPlace.values());
  const unlock = await state.lock?.catch(() => null);
  unlock?.();
  return report(progress, state.failure);
}

/**
 * @param {Progress} progress
 * @param {{ error: unknown, title: string } | null} failure
 */
function report(progress, failure) {
  if (failure === null) {
    progress.summary("Set-up");
    return 0;
  }
  progress.fail(failure.error, failure.title);
  return failure.error instanceof SetupError ? failure.error.exitCode : 1;
}

const invoked = process.argv[1];
if (invoked !== undefined && realpathSync(invoked) === fileURLToPath(import.meta.url)) {
  const known = ["--dev", "--quiet"];
  const unknown = process.argv.slice(2).find((word) => !known.includes(word));
  if (unknown !== undefined) {
    process.stderr.write(`setup: unknown word ${unknown}; known: ${known.join(" ")}\n`);
    process.exitCode = 2;
  } else {
    process.exitCode = await setup({
      dev: process.argv.includes("--dev"),
      quiet: process.argv.includes("--quiet"),
    });
  }
}
