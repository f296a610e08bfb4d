// @ts-check
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { SetupError } from "./errors.mjs";
import { DIST, NODE, ROOT, inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { dropStamp, hashOf, readStamp, writeStamp } from "./stamp.mjs";

/** @typedef {import("./step.mjs").Step} Step */

const CLI = `${DIST}/cli.js`;
const COMMAND = "aether";
/** @type {string} */
const PACKAGE = JSON.parse(readFileSync(inRoot("package.json"), "utf8")).name;

/**
 * `npx aether` in an empty folder runs <global bin>/aether when that file exists, and otherwise fetches whatever
 * package of that name the registry has. So the set-up leaves there what `npm link` would leave, without its 2 s:
 *
 *   <prefix>/lib/node_modules/aether-functions -> this checkout
 *   <prefix>/bin/aether                        -> ../lib/node_modules/aether-functions/dist/cli.js
 *
 * and `npm uninstall -g aether-functions` takes it away.
 * @param {string} prefix
 */
export function linkPlan(prefix) {
  return {
    folder: { path: `${prefix}/lib/node_modules/${PACKAGE}`, to: ROOT },
    bin: { path: `${prefix}/bin/${COMMAND}`, to: `../lib/node_modules/${PACKAGE}/dist/cli.js` },
  };
}

/** @param {string} path */
const isThere = (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** @param {string} path @returns {string | null} */
const linkTarget = (path) =>
  lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : null;

/**
 * Whose command it is: ours from this checkout, ours from another one (or from one that is gone), or a stranger's.
 * @param {string} prefix
 * @returns {"none" | "ours" | "other checkout" | "foreign"}
 */
export function ownerOf(prefix) {
  const { folder, bin } = linkPlan(prefix);
  if (!isThere(bin.path))
    return isThere(folder.path) && linkTarget(folder.path) === null ? "foreign" : "none";
  if (linkTarget(bin.path) === bin.to) {
    const target = linkTarget(folder.path);
    if (target === null) return isThere(folder.path) ? "foreign" : "none";
    return existsSync(CLI) && existsSync(bin.path) && realpathSync(bin.path) === realpathSync(CLI)
      ? "ours"
      : "other checkout";
  }
  return "foreign";
}

/** npm's own word for it costs 0.2 s, so the stamp keeps it; npm gives it to the scripts that it runs. */
async function globalPrefix() {
  const given = process.env.npm_config_global_prefix;
  if (given !== undefined && given !== "") return given;
  const result = await run("npm", ["prefix", "--global"]);
  return result.code === 0 ? result.stdout.trim() : null;
}

const STAMP = "link";

/** @returns {{ prefix: string, warning: string | null } | null} */
function remembered() {
  const stamp = readStamp(STAMP);
  if (stamp === null) return null;
  const [prefix, warning] = stamp.outputs;
  if (prefix === undefined || stamp.inputs !== stampInputs(prefix)) return null;
  const given = process.env.npm_config_global_prefix;
  return given !== undefined && given !== "" && given !== prefix
    ? null
    : { prefix, warning: warning ?? null };
}

/** @param {string} prefix */
function stampInputs(prefix) {
  return hashOf({ words: [prefix, ROOT, ownerOf(prefix), String(existsSync(CLI))] });
}

/** @param {string} prefix @param {string} [warning] */
function remember(prefix, warning) {
  writeStamp(STAMP, {
    inputs: stampInputs(prefix),
    outputs: warning === undefined ? [prefix] : [prefix, warning],
  });
}

/** @param {{ path: string, to: string }} link */
function place({ path, to }) {
  mkdirSync(dirname(path), { recursive: true });
  if (linkTarget(path) !== null) rmSync(path);
  symlinkSync(to, path);
}

/** `npx aether --version` in an empty folder must answer what this checkout answers. @returns {Promise<string | null>} */
async function npxProblem() {
  const empty = mkdtempSync(`${tmpdir()}/aether-npx-`);
  try {
    // --no: never fetch a package; without the variables by which an outer npm points at this project.
    const env = Object.fromEntries(
      Object.keys(process.env)
        .filter((name) => name.startsWith("npm_"))
        .map((name) => [name, undefined]),
    );
    const [own, npx] = await Promise.all([
      run(NODE, [CLI, "--version"], { cwd: empty, timeoutMs: 30_000 }),
      run("npx", ["--no", "--", COMMAND, "--version"], { cwd: empty, env, timeoutMs: 60_000 }),
    ]);
    if (own.code !== 0 || own.stdout.trim() === "") return null; // this checkout's own fault, and others say so
    if (npx.code === 0 && npx.stdout.trim() === own.stdout.trim()) return null;
    return `in an empty folder it answers: ${(npx.stdout || npx.stderr).trim().split("\n").at(-1)}`;
  } finally {
    rmSync(empty, { recursive: true, force: true });
  }
}

/** So that `npx aether` from any folder runs this checkout. @type {Step} */
export const link = {
  name: "link",
  title: "npx aether",
  after: ["build"],
  check() {
    const known = remembered();
    if (known === null) return { ok: false, why: "not linked yet" };
    if (known.warning !== null) return { ok: true, warning: known.warning };
    return { ok: true, note: existsSync(CLI) ? known.prefix : "no dist/cli.js" };
  },
  async run(_context, doing) {
    dropStamp(STAMP);
    doing("asking npm where global commands are");
    const prefix = await globalPrefix();
    if (prefix === null) {
      throw new SetupError({
        what: "npm does not say where global commands are",
        why: "npm prefix --global failed",
        fix: "check npm: npm prefix --global",
      });
    }
    if (!existsSync(CLI)) return remember(prefix);
    const { folder, bin } = linkPlan(prefix);
    const byHand = `run this checkout's as ${CLI}`;
    if (ownerOf(prefix) === "foreign") {
      return remember(
        prefix,
        `another program is at ${bin.path} and stays; ${byHand}, or remove that one and set up again`,
      );
    }
    try {
      place(folder);
      place(bin);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return remember(prefix, `cannot be linked (${reason}); ${byHand}`);
    }
    doing("npx aether in an empty folder");
    const problem = await npxProblem();
    remember(prefix, problem === null ? undefined : `${problem}; ${byHand}`);
  },
};
