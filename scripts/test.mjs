// @ts-check
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { Progress, seconds } from "./setup/progress.mjs";
import { BIN, BUILD, NODE, ROOT, inRoot } from "./setup/paths.mjs";
import { setup } from "./setup.mjs";
import { countsOf, totals, verdict, verdictLines } from "./test/verdict.mjs";

/**
 * `npm test [-- words for vitest]`: set-up, then lint, types and all tests. Every stage runs, whatever failed before
 * it. With CI=true a skipped test is a failure, and the tests know it (AETHER_NO_SKIP=1).
 */

const words = process.argv.slice(2);
/** A filter of the caller's skips what it does not name. */
const strict = process.env.CI === "true" && words.length === 0;
const RESULTS = `${BUILD}/test-results`;

/** @param {string} name @param {readonly string[]} projects */
const vitest = (name, projects) => ({
  name,
  results: `${RESULTS}/${name}.json`,
  commands: [
    [
      NODE,
      inRoot("node_modules/vitest/vitest.mjs"),
      "run",
      ...projects.flatMap((project) => ["--project", project]),
      "--passWithNoTests",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${RESULTS}/${name}.json`,
      ...words,
    ],
  ],
});

/** @type {readonly { name: string, results?: string, commands: readonly (readonly string[])[] }[]} */
const stages = [
  {
    name: "lint",
    commands: [
      [`${BIN}/oxlint`, "--type-aware", "--deny-warnings"],
      [`${BIN}/oxfmt`, "--check"],
    ],
  },
  {
    name: "types",
    commands: [
      [`${BIN}/tsc`, "-p", "tsconfig.test.json", "--noEmit"],
      [`${BIN}/tsc`, "-p", "scripts/tsconfig.json"],
    ],
  },
  vitest("unit", ["unit", "ui"]),
  vitest("integration", ["integration"]),
  vitest("e2e", ["e2e"]),
];

/** @type {import("node:child_process").ChildProcess | null} */
let running = null;
let stopped = "";
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => {
    stopped = signal;
    // A Ctrl-C reaches the child from the terminal; other signals only this process.
    if (signal !== "SIGINT") running?.kill(signal);
  });
}

/** @param {readonly string[]} command @returns {Promise<boolean>} */
function succeeds(command) {
  const [program = "", ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: ROOT,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, PATH: `${BIN}:${process.env.PATH}`, ...(strict ? { AETHER_NO_SKIP: "1" } : {}) },
    });
    running = child;
    child.on("error", (error) => {
      process.stdout.write(`${program}: ${error.message}\n`);
      resolve(false);
    });
    child.on("exit", (code) => resolve(code === 0));
  });
}

const code = await setup({ dev: true, quiet: true });
if (code !== 0) process.exit(code);

mkdirSync(RESULTS, { recursive: true });
const progress = new Progress();
/** @type {import("./test/verdict.mjs").Outcome[]} */
const outcomes = [];
for (const { name, results, commands } of stages) {
  process.stdout.write(`\n${progress.paint(1, `=== ${name} ===`)}\n`);
  const startedAt = Date.now();
  if (results !== undefined) rmSync(results, { force: true });
  let good = true;
  for (const command of commands) if (stopped === "") good = (await succeeds(command)) && good;
  if (stopped !== "") {
    process.stdout.write(`\nstopped by ${stopped}\n`);
    process.exit(130);
  }
  const counts = results === undefined ? null : countsOf(results);
  outcomes.push({ name, good, counts, elapsed: seconds(Date.now() - startedAt), strict });
}

process.stdout.write(`\n${progress.paint(1, "=== summary ===")}\n`);
for (const line of outcomes.flatMap(verdictLines)) process.stdout.write(`${line}\n`);
const sum = totals(outcomes);
const noTest = strict && sum.passed + sum.failed === 0;
if (noTest) process.stdout.write("FAILED: no test was run\n");
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`);
process.exitCode = outcomes.every((outcome) => verdict(outcome).good) && !noTest ? 0 : 1;
