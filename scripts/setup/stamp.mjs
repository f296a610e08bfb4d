// @ts-check
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { STAMPS } from "./paths.mjs";

/**
 * A step's stamp says from which inputs its outputs were made. Contents are hashed, not times: a clone, a branch
 * switch or a touched file must not cause work, and the sources are small enough to read in milliseconds.
 * @typedef {{ readonly inputs: string, readonly outputs: readonly string[] }} Stamp
 */

/**
 * Files below a folder, sorted, as absolute paths; none when the folder is not there.
 * @param {string} folder
 * @param {(path: string) => boolean} [wanted]
 * @returns {string[]}
 */
export function filesBelow(folder, wanted = () => true) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(path, wanted) : entry.isFile() && wanted(path) ? [path] : [];
    })
    .sort();
}

/**
 * One hash over names and contents of files and over plain words (kernel release, compiler flags, ...).
 * @param {{ files?: readonly string[], words?: readonly string[] }} inputs
 */
export function hashOf({ files = [], words = [] }) {
  const hash = createHash("sha256");
  for (const word of words) hash.update(`word ${word}\0`);
  for (const file of files) {
    hash.update(`file ${file}\0`);
    hash.update(existsSync(file) ? readFileSync(file) : "missing");
  }
  return hash.digest("hex");
}

/**
 * Why a step must run, or null when its outputs are those of the inputs.
 * @param {Stamp | null} stamp
 * @param {string} inputs
 * @param {(path: string) => boolean} [exists]
 * @returns {string | null}
 */
export function whyStale(stamp, inputs, exists = existsSync) {
  if (stamp === null) return "not made yet";
  if (stamp.inputs !== inputs) return "its inputs changed";
  const missing = stamp.outputs.find((path) => !exists(path));
  return missing === undefined ? null : `${missing} is missing`;
}

/**
 * @param {string} name
 * @param {string} [folder]
 * @returns {Stamp | null} null also when the file is damaged
 */
export function readStamp(name, folder = STAMPS) {
  try {
    const stamp = JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
    return typeof stamp.inputs === "string" && Array.isArray(stamp.outputs) ? stamp : null;
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {Stamp} stamp
 * @param {string} [folder]
 */
export function writeStamp(name, stamp, folder = STAMPS) {
  writeWhole(`${folder}/${name}.json`, `${JSON.stringify(stamp, null, 2)}\n`);
}

/** @param {string} name @param {string} [folder] */
export function dropStamp(name, folder = STAMPS) {
  rmSync(`${folder}/${name}.json`, { force: true });
}

/**
 * Never leaves half a file.
 * @param {string} path
 * @param {string} text
 */
export function writeWhole(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}
