// @ts-check
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { release } from "node:os";
import {
  archiveKeyring,
  PrivateApt,
  sourceLine,
  systemArchives,
  systemCandidate,
  systemUpdate,
} from "./apt.mjs";
import { fillPrefix, unpack } from "./criu-prefix.mjs";
import { cannotInstall, installPackages } from "./debian-packages.mjs";
import { EXIT_MACHINE, SetupError, lastLine } from "./errors.mjs";
import { findLibrary, isDebian } from "./needs.mjs";
import { CRIU, NODE, ROOT, TOOLS } from "./paths.mjs";
import { machine } from "./platform.mjs";
import { run, which } from "./run.mjs";
import { writeWhole } from "./stamp.mjs";
import { atLeast, versionNumbers } from "./versions.mjs";

/** @typedef {import("./step.mjs").Step} Step */

/** 3.17 does not start on kernels from 6.13 on, 4.1 cannot dump inet sockets from 6.16 on. */
export const CRIU_MINIMUM = "4.2";

/** Debian releases that may have it, oldest first: the less its libraries differ from the machine's, the better. */
export const SUITES = ["trixie", "forky", "sid"];

const WORK = `${TOOLS}/criu-work`;
const MANIFEST = `${CRIU}/manifest.json`;
const PROGRAM = `${CRIU}/bin/criu`;
const LIBRARY = `${CRIU}/lib/libcriu.so.2`;

/**
 * What is in .tools/criu. `prefix`, because the program's interpreter is an absolute path; `kernel`, because what
 * `criu check` found out holds for one kernel.
 * @typedef {{ version: string, source: string, prefix: string, arch: string, kernel: string }} Manifest
 */

/**
 * Why CRIU must be set up, or null.
 * @param {Manifest | null} manifest
 * @param {{ prefix: string, arch: string, kernel: string, exists: (path: string) => boolean }} here
 * @returns {string | null}
 */
export function whyCriuStale(manifest, here) {
  if (manifest === null) return `no CRIU ${CRIU_MINIMUM} yet`;
  if (!atLeast(manifest.version, CRIU_MINIMUM)) return `${manifest.version} is older than ${CRIU_MINIMUM}`;
  if (manifest.prefix !== here.prefix) return "the checkout was moved";
  if (manifest.arch !== here.arch) return `made for ${manifest.arch}`;
  if (!here.exists(PROGRAM)) return "bin/criu is missing";
  if (!here.exists(LIBRARY)) return "lib/libcriu.so.2 is missing";
  return manifest.kernel === here.kernel ? null : `not checked on kernel ${here.kernel} yet`;
}

/** @returns {Manifest | null} */
function readManifest() {
  try {
    return JSON.parse(readFileSync(MANIFEST, "utf8"));
  } catch {
    return null;
  }
}

/**
 * `criu check`, in a mount namespace with a tmpfs on /run: elsewhere CRIU cannot keep what it finds out about the
 * kernel, and the machine's own /run stays as it is.
 * @param {string} program
 */
function criuCheck(program) {
  const script = 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$0" --no-default-config check';
  return run("unshare", ["--mount", "sh", "-c", script, program], { timeoutMs: 60_000 });
}

/** @param {string} program */
async function versionOf(program) {
  const result = await run(program, ["--version"], { timeoutMs: 20_000 });
  return result.code === 0 ? (versionNumbers(result.stdout)?.join(".") ?? null) : null;
}

/** Through Node 24 and koffi, as the engine does. @returns {Promise<string | null>} why not, or null */
async function libraryProblem() {
  const program = `
    const library = require("koffi").load(process.argv[1]);
    if (library.func("int criu_init_opts()")() !== 0) throw new Error("criu_init_opts failed");
    library.func("int criu_set_service_binary(const char*)")(process.argv[2]);
    const version = library.func("int criu_get_version()")();
    if (version < 40200) throw new Error("criu_get_version answered " + version);`;
  const result = await run(NODE, ["-e", program, LIBRARY, PROGRAM], { timeoutMs: 20_000 });
  return result.code === 0 ? null : (/Error: .*/.exec(result.stderr)?.[0] ?? `exit code ${result.code}`);
}

/**
 * @param {string} source
 * @param {(text: string) => void} doing
 */
async function verify(source, doing) {
  doing("criu check");
  const version = await versionOf(PROGRAM);
  const check = await criuCheck(PROGRAM);
  const why =
    version === null || !atLeast(version, CRIU_MINIMUM)
      ? `${PROGRAM} says version ${version ?? "nothing"}`
      : check.code !== 0
        ? `criu check: ${lastLine(check.stderr) || `exit code ${check.code}`}`
        : await libraryProblem();
  if (version === null || why !== null) {
    throw new SetupError({
      what: `CRIU from ${source} does not work on this machine`,
      why: why ?? "it did not start",
      fix: "it needs root with CAP_SYS_ADMIN and a kernel with CONFIG_CHECKPOINT_RESTORE; see the words below",
      output: check.stdout + check.stderr,
      exitCode: EXIT_MACHINE,
    });
  }
  /** @type {Manifest} */
  const manifest = { version, source, prefix: CRIU, arch: process.arch, kernel: release() };
  writeWhole(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Puts a finished folder in place of what is there; processes that run the old one keep it. @param {string} folder */
function replacePrefix(folder) {
  rmSync(`${WORK}/old`, { recursive: true, force: true });
  if (existsSync(CRIU)) renameSync(CRIU, `${WORK}/old`);
  renameSync(folder, CRIU);
}

/**
 * The machine's own CRIU, where it is new enough and passes its check: the prefix then only points at it.
 * @param {(text: string) => void} doing
 */
async function linkSystemCriu(doing) {
  let program = which("criu");
  if (program === null || !atLeast(await versionOf(program), CRIU_MINIMUM)) {
    const m = machine();
    if (!m.apt || !m.root || !atLeast(await systemCandidate("criu"), CRIU_MINIMUM)) return false;
    await installPackages(["criu", "libcriu2"], doing);
    program = which("criu");
  }
  if (program === null || (await criuCheck(program)).code !== 0) return false;
  if (findLibrary("libcriu.so.2") === null && machine().apt && machine().root) {
    await installPackages(["libcriu2"], doing);
  }
  const library = findLibrary("libcriu.so.2");
  if (library === null) return false;
  const folder = `${WORK}/system`;
  for (const part of ["bin", "lib"]) mkdirSync(`${folder}/${part}`, { recursive: true });
  symlinkSync(realpathSync(program), `${folder}/bin/criu`);
  symlinkSync(realpathSync(library), `${folder}/lib/libcriu.so.2`);
  replacePrefix(folder);
  await verify("the system", doing);
  return true;
}

/** @param {string} why @param {string} fix @param {string} [output] */
function unavailable(why, fix, output = "") {
  const what = `no CRIU ${CRIU_MINIMUM} or newer`;
  return new SetupError({ what, why, fix, output, exitCode: EXIT_MACHINE });
}

const BY_HAND = `install CRIU ${CRIU_MINIMUM} or newer with its library (Debian: criu libcriu2) so that 'criu --version' says so`;

/**
 * From the oldest Debian release that has it, unpacked into the prefix with the libraries of that release.
 * @param {(text: string) => void} doing
 */
async function fetchDebianCriu(doing) {
  const m = machine();
  if (!m.apt || !isDebian())
    throw unavailable(`${m.distribution} has none, and a newer release is only sought for Debian`, BY_HAND);
  const problem = cannotInstall(m, ["criu", "libcriu2"]);
  if (problem) throw problem;
  const keyring = archiveKeyring();
  if (keyring === null)
    throw unavailable("Debian's keys are not there to check it", "apt-get install debian-archive-keyring");
  if (which("patchelf") === null) await installPackages(["patchelf"], doing);

  let archives = await systemArchives();
  if (archives.length === 0) {
    doing("fetching apt's package lists");
    await systemUpdate(doing);
    archives = await systemArchives();
  }
  const archive = archives[0];
  if (archive === undefined) {
    throw unavailable(
      "apt is configured for no Debian archive",
      "add one to /etc/apt/sources.list (main), then apt-get update",
    );
  }

  const tried = [];
  let output = "";
  for (const suite of SUITES) {
    const apt = new PrivateApt(`${WORK}/${suite}`, sourceLine(archive, suite, keyring));
    doing(`looking for CRIU in Debian ${suite}`);
    const update = await apt.update(doing);
    const candidate = update.code === 0 ? await apt.candidate("criu") : null;
    if (update.code !== 0) output += update.stderr;
    tried.push(`${suite}: ${update.code === 0 ? (candidate ?? "none") : "cannot be read"}`);
    if (!atLeast(candidate, CRIU_MINIMUM)) continue;
    doing(`downloading CRIU ${candidate} and its libraries from Debian ${suite}`);
    const download = await apt.download(["criu", "libcriu2"], doing);
    if (download.code !== 0) {
      const fix = "check the network, then run it again";
      throw unavailable(`downloading it from Debian ${suite} failed`, fix, download.stdout + download.stderr);
    }
    doing("unpacking CRIU");
    await unpack(apt.archives, `${WORK}/root`);
    await fillPrefix({ root: `${WORK}/root`, folder: `${WORK}/new`, prefix: CRIU });
    copyFileSync(`${WORK}/root/usr/share/doc/criu/copyright`, `${WORK}/new/copyright`);
    replacePrefix(`${WORK}/new`);
    await verify(`Debian ${suite}`, doing);
    return;
  }
  throw unavailable(`Debian has none (${tried.join(", ")})`, `check the network, or ${BY_HAND}`, output);
}

/** CRIU >= 4.2 as .tools/criu/bin/criu and .tools/criu/lib/libcriu.so.2, wherever it comes from. @type {Step} */
export const criu = {
  name: "criu",
  title: "CRIU",
  after: ["debian-packages", "node-packages"],
  check() {
    const here = { prefix: CRIU, arch: process.arch, kernel: release(), exists: existsSync };
    const manifest = readManifest();
    const why = whyCriuStale(manifest, here);
    return why === null
      ? { ok: true, note: `${manifest?.version} from ${manifest?.source}` }
      : { ok: false, why };
  },
  async run(_context, doing) {
    if (!machine().root) {
      throw new SetupError({
        what: "CRIU cannot be set up",
        why: "checking and running it needs root",
        fix: `as root: cd ${ROOT} && npm run setup`,
        exitCode: EXIT_MACHINE,
      });
    }
    const manifest = readManifest();
    const here = { prefix: CRIU, arch: process.arch, kernel: manifest?.kernel ?? "", exists: existsSync };
    rmSync(WORK, { recursive: true, force: true });
    try {
      if (manifest !== null && whyCriuStale(manifest, here) === null) {
        // Only the kernel is another one: what is there may do.
        const good = await verify(manifest.source, doing).then(
          () => true,
          () => false,
        );
        if (good) return;
      }
      mkdirSync(WORK, { recursive: true });
      if (!(await linkSystemCriu(doing))) await fetchDebianCriu(doing);
    } finally {
      rmSync(WORK, { recursive: true, force: true });
    }
  },
};
