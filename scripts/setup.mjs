// @ts-check
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SetupError } from "./setup/errors.mjs";
import { takeLock } from "./setup/lock.mjs";
import { Progress } from "./setup/progress.mjs";
import { steps } from "./setup/index.mjs";

/**
 * Brings the machine and the checkout to where Aether runs. What is in place is left alone (well under a second).
 * @param {{ dev?: boolean, quiet?: boolean }} [options] `dev`: also what the tests need; `quiet`: list only real work
 * @returns {Promise<number>} 0; 3 when the machine lacks something that must be installed by hand; 1 for other failures
 */
export async function setup({ dev = false, quiet = false } = {}) {
  const progress = new Progress({ quiet });
  const context = { dev };
  /** @type {(() => void) | null} */
  let unlock = null;
  let title = "Set-up";
  try {
    for (const step of steps) {
      title = step.title;
      let state = await step.check(context);
      if (!state.ok) {
        progress.begin(title, state.why);
        if (unlock === null) {
          unlock = await takeLock((text) => progress.doing(text));
          state = await step.check(context); // whoever had the lock may have done it
        }
        // Again when something (an editor, say) changed its inputs while it ran; not for ever.
        for (let tries = 0; !state.ok && tries < 3; tries++) {
          await step.run(context, (text) => progress.doing(text));
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
    progress.summary("Set-up");
    return 0;
  } catch (error) {
    progress.fail(error, title);
    return error instanceof SetupError ? error.exitCode : 1;
  } finally {
    unlock?.();
  }
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
