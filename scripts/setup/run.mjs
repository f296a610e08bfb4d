// @ts-check
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { BIN, ROOT } from "./paths.mjs";

/**
 * Root's programs are not always on the path of a shell started by `su`. npm puts node_modules/.bin first; a program
 * of the machine (npm itself, while it replaces node_modules) must not run on the Node in there.
 */
const PATH = (process.env.PATH ?? "")
  .split(":")
  .filter((folder) => folder !== "" && !folder.endsWith("node_modules/.bin"))
  .concat("/usr/local/sbin", "/usr/sbin", "/sbin")
  .join(":");

/** @typedef {{ code: number | null, signal: string | null, stdout: string, stderr: string }} Result */

/**
 * Runs a program to its end and never throws: a program that is not there is code 127.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{
 *   cwd?: string,
 *   env?: Record<string, string | undefined>,
 *   ownBin?: boolean,
 *   timeoutMs?: number,
 *   onLine?: (line: string) => void,
 * }} [options] `ownBin` puts node_modules/.bin, and with it Node 24, before the machine's programs
 * @returns {Promise<Result>}
 */
export function run(program, args, options = {}) {
  const { cwd = ROOT, env = {}, ownBin = false, timeoutMs = 600_000, onLine } = options;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, PATH: ownBin ? `${BIN}:${PATH}` : PATH, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const output = { stdout: "", stderr: "" };
    for (const name of /** @type {const} */ (["stdout", "stderr"])) {
      child[name].setEncoding("utf8").on("data", (/** @type {string} */ chunk) => {
        output[name] += chunk;
        const line = chunk.split(/[\r\n]/).findLast((part) => part.trim() !== "");
        if (line !== undefined) onLine?.(line.trim());
      });
    }
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, signal: null, stdout: output.stdout, stderr: output.stderr + error.message });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (signal === "SIGKILL") output.stderr += `\nended by SIGKILL (limit: ${timeoutMs / 1000} s)`;
      resolve({ code, signal, ...output });
    });
  });
}

/**
 * Where a program is, or null.
 * @param {string} name
 */
export function which(name) {
  for (const folder of PATH.split(":")) {
    const path = `${folder}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not in this folder
    }
  }
  return null;
}
