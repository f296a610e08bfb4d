// @ts-check
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { run } from "./run.mjs";

/** @typedef {import("./run.mjs").Result} Result */

const APT_ENV = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };

/** Another apt may be running (a fresh machine's own updates): wait for it. */
const LOCK_WAIT = ["-o", "DPkg::Lock::Timeout=120"];

/** What `apt-get indextargets --format` is asked for: one line per list that apt has. */
export const INDEX_FORMAT = "$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)";

/**
 * The Debian archives that this machine is configured for: first those named in apt's own lists. The address of
 * a mirror, with whatever the machine needs to reach it, is known only to the machine.
 * @param {string} indexTargets output of `apt-get indextargets` in INDEX_FORMAT
 * @returns {string[]}
 */
export function debianArchives(indexTargets) {
  const archives = indexTargets
    .split("\n")
    .map((line) => line.split("|"))
    .filter(
      ([createdBy, origin, label, component, uri]) =>
        createdBy === "Packages" &&
        origin === "Debian" &&
        label === "Debian" &&
        component === "main" &&
        uri !== undefined &&
        /^(https?|mirror\+\w+|mirror|tor\+\w+|file|copy):/.test(uri),
    )
    .map((fields) => /** @type {string} */ (fields[4]).trim());
  return [...new Set(archives)];
}

/**
 * @param {string} archive
 * @param {string} suite
 * @param {string} keyring
 */
export function sourceLine(archive, suite, keyring) {
  return `deb [signed-by=${keyring}] ${archive} ${suite} main\n`;
}

/** The keyring that checks Debian's signatures, or null. */
export function archiveKeyring() {
  const known = ["gpg", "pgp"].map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`);
  return known.find((path) => existsSync(path)) ?? null;
}

/**
 * The version apt would install, from `apt-cache policy`; null when there is none.
 * @param {string} policy
 */
export function candidateVersion(policy) {
  const version = /^\s*Candidate:\s*(\S+)/m.exec(policy)?.[1];
  return version === undefined || version === "(none)" ? null : version;
}

/** @param {(line: string) => void} onLine */
export function systemUpdate(onLine) {
  return run("apt-get", [...LOCK_WAIT, "update"], { env: APT_ENV, onLine });
}

/** @param {readonly string[]} packages @param {(line: string) => void} onLine */
export function systemInstall(packages, onLine) {
  const args = [...LOCK_WAIT, "install", "-y", "--no-install-recommends", ...packages];
  return run("apt-get", args, { env: APT_ENV, onLine, timeoutMs: 1_800_000 });
}

/**
 * Fetches one package, and installs nothing.
 * @param {string} name @param {string} folder @param {(line: string) => void} onLine
 */
export function systemDownload(name, folder, onLine) {
  // The checkout may lie where apt's own user cannot write; what is fetched is checked by signature and hash.
  return run("apt-get", ["-o", "APT::Sandbox::User=root", "download", name], {
    cwd: folder,
    env: APT_ENV,
    onLine,
  });
}

/** @param {string} name */
export async function systemCandidate(name) {
  const result = await run("apt-cache", ["policy", name], { env: APT_ENV });
  return result.code === 0 ? candidateVersion(result.stdout) : null;
}

export async function systemArchives() {
  const result = await run("apt-get", ["indextargets", "--format", INDEX_FORMAT], { env: APT_ENV });
  return debianArchives(result.stdout);
}

/**
 * An apt of its own, for one suite: own source, lists, cache and an empty package database, so that it resolves every
 * library and never touches what the system's apt knows. Proxies and credentials of the system still apply; the
 * system's hooks after an update do not.
 */
export class PrivateApt {
  /** @param {string} folder @param {string} source */
  constructor(folder, source) {
    for (const name of ["state/lists/partial", "cache/archives/partial"]) {
      mkdirSync(`${folder}/${name}`, { recursive: true });
    }
    writeFileSync(`${folder}/status`, "");
    writeFileSync(`${folder}/sources.list`, source);
    const hooks = ["APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success"];
    hooks.push("DPkg::Pre-Invoke", "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs");
    writeFileSync(`${folder}/apt.conf`, hooks.map((hook) => `#clear ${hook};\n`).join(""));
    this.archives = `${folder}/cache/archives`;
    this.options = [`-c=${folder}/apt.conf`].concat(
      Object.entries({
        "Dir::State": `${folder}/state`,
        "Dir::State::lists": `${folder}/state/lists`,
        "Dir::State::status": `${folder}/status`,
        "Dir::Cache": `${folder}/cache`,
        "Dir::Cache::archives": `${folder}/cache/archives`,
        "Dir::Etc::SourceList": `${folder}/sources.list`,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any",
        // The checkout may lie where apt's own user cannot write; what is fetched is checked by signature and hash.
        "APT::Sandbox::User": "root",
      }).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    );
  }

  /** @param {(line: string) => void} onLine */
  update(onLine) {
    return run("apt-get", [...this.options, "update"], { env: APT_ENV, onLine });
  }

  /** @param {string} name */
  async candidate(name) {
    const result = await run("apt-cache", [...this.options, "policy", name], { env: APT_ENV });
    return result.code === 0 ? candidateVersion(result.stdout) : null;
  }

  /**
   * Fetches packages with everything they depend on into `archives`.
   * @param {readonly string[]} packages @param {(line: string) => void} onLine
   */
  download(packages, onLine) {
    const args = ["install", "-y", "--download-only", "--no-install-recommends", ...packages];
    return run("apt-get", [...this.options, ...args], { env: APT_ENV, onLine });
  }
}
