// @ts-check
import { existsSync, readFileSync } from "node:fs";
import { EXIT_MACHINE, SetupError } from "./errors.mjs";
import { atLeast } from "./versions.mjs";

/** @typedef {import("./step.mjs").Step} Step */

export const NODE_MINIMUM = "20.0";
export const NPM_MINIMUM = "10.0";

/**
 * @typedef {object} Machine
 * @property {string} platform
 * @property {string} arch
 * @property {string} node
 * @property {string | null} npm null when these scripts were not started by npm
 * @property {string} distribution what the machine calls itself
 * @property {boolean} apt
 * @property {boolean} root
 */

/** @returns {Machine} */
export function machine() {
  const agent = process.env.npm_config_user_agent ?? "";
  return {
    platform: process.platform,
    arch: process.arch,
    node: process.versions.node,
    npm: /\bnpm\/(\S+)/.exec(agent)?.[1] ?? null,
    distribution: distributionName(),
    apt: existsSync("/usr/bin/apt-get") && existsSync("/usr/bin/dpkg"),
    root: process.getuid?.() === 0,
  };
}

/** @param {string} [path] */
export function distributionName(path = "/etc/os-release") {
  try {
    return /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(readFileSync(path, "utf8"))?.[1] ?? "an unnamed distribution";
  } catch {
    return "an unnamed distribution";
  }
}

/**
 * What no installation can put right, as an error; null when all is well.
 * @param {Machine} m
 * @returns {SetupError | null}
 */
export function platformProblem(m) {
  /** @param {string} why @param {string} fix */
  const problem = (why, fix) =>
    new SetupError({ what: "Aether cannot run here", why, fix, exitCode: EXIT_MACHINE });
  if (m.platform !== "linux") {
    return problem(
      `it needs Linux (namespaces, CRIU, eBPF); this is ${m.platform}`,
      "use a Linux machine or a virtual machine with Debian 12, Node 20, npm and root",
    );
  }
  if (m.arch !== "x64" && m.arch !== "arm64") {
    return problem(`there is no Node 24 package for ${m.arch}`, "use an x86-64 or arm64 machine");
  }
  if (!atLeast(m.node, NODE_MINIMUM)) {
    return problem(
      `Node ${m.node} is older than ${NODE_MINIMUM}`,
      "install Node 20 or newer with npm 10 or newer",
    );
  }
  if (m.npm !== null && !atLeast(m.npm, NPM_MINIMUM)) {
    return problem(`npm ${m.npm} is older than ${NPM_MINIMUM}`, "npm install -g npm@10");
  }
  return null;
}

/** @type {Step} */
export const platform = {
  name: "platform",
  title: "Machine",
  after: [],
  check() {
    const found = machine();
    const problem = platformProblem(found);
    if (problem) throw problem;
    return { ok: true, note: `${found.distribution}, Node ${found.node}` };
  },
  run() {},
};
