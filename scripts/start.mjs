// @ts-check
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { DIST, NODE, ROOT } from "./setup/paths.mjs";
import { setup } from "./setup.mjs";

/** `npm start [-- words for aether]`: set-up, then the console with the example functions. */

const CLI = `${DIST}/cli.js`;
const EXAMPLE = "fixtures/aether.yaml";

const code = await setup({ quiet: true });
if (code !== 0) process.exit(code);
if (!existsSync(CLI)) {
  process.stderr.write(
    `FAILED start: there is no ${CLI}\n  why: src/cli.ts is not there\n  do:  git status\n`,
  );
  process.exit(1);
}

const words = process.argv.slice(2);
const ownConfig = words.some((word) => word === "-c" || word === "--config" || /^(-c.|--config=)/.test(word));
const child = spawn(NODE, [CLI, ...(ownConfig ? [] : ["-c", EXAMPLE]), ...words], {
  cwd: ROOT,
  stdio: "inherit",
});

// A Ctrl-C reaches the console from the terminal; whoever ends this process means the console.
process.on("SIGINT", () => {});
for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP", "SIGQUIT"])) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  process.stderr.write(`FAILED start: ${NODE}\n  why: ${error.message}\n  do:  npm run setup\n`);
  process.exit(1);
});
child.on("exit", (status, signal) => process.exit(status ?? 128 + (signal ? constants.signals[signal] : 0)));
