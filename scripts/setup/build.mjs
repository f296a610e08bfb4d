// @ts-check
import { chmodSync, existsSync, rmSync } from "node:fs";
import { SetupError } from "./errors.mjs";
import { BIN, DIST, inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { filesBelow, hashOf, readStamp, whyStale, writeStamp } from "./stamp.mjs";

/** @typedef {import("./step.mjs").Step} Step */

const SRC = inRoot("src");
const CONFIG = ["tsconfig.json", "package-lock.json"].map(inRoot);

const sources = () => filesBelow(SRC, (path) => /\.[cm]?tsx?$/.test(path));
const inputs = () => hashOf({ files: [...sources(), ...CONFIG] });

/**
 * What a source becomes; null for a declaration, which becomes nothing.
 * @param {string} source
 * @param {string} [from]
 * @param {string} [to]
 * @returns {string | null}
 */
export function compiledPath(source, from = SRC, to = DIST) {
  if (/\.d\.[cm]?ts$/.test(source)) return null;
  return to + source.slice(from.length).replace(/\.([cm]?)tsx?$/, ".$1js");
}

/** src -> dist. @type {Step} */
export const build = {
  name: "build",
  title: "TypeScript",
  after: ["node-packages"],
  check() {
    const why = whyStale(readStamp("build"), inputs());
    return why === null ? { ok: true } : { ok: false, why };
  },
  async run(_context, doing) {
    const before = inputs();
    const outputs = sources()
      .map((source) => compiledPath(source))
      .filter((path) => path !== null);
    // The compiler's own record does not notice outputs that someone removed.
    if (outputs.some((path) => !existsSync(path))) rmSync(`${DIST}/.tsbuildinfo`, { force: true });
    doing("tsc -p tsconfig.json");
    const result = await run(`${BIN}/tsc`, ["-p", "tsconfig.json"], { ownBin: true });
    if (result.code !== 0) {
      throw new SetupError({
        what: "src/ does not compile",
        why:
          result.stdout.split("\n").find((line) => line.includes("error TS")) ??
          `tsc: exit code ${result.code}`,
        fix: "see the compiler's words below; by hand: npm run build",
        output: result.stdout + result.stderr,
      });
    }
    // Compiled files whose source is gone must not be found by an import or by a worker.
    const wanted = new Set(outputs.flatMap((path) => [path, `${path}.map`]));
    for (const path of filesBelow(DIST, (file) => /\.[cm]?js(\.map)?$/.test(file))) {
      if (!wanted.has(path)) rmSync(path);
    }
    if (existsSync(`${DIST}/cli.js`)) chmodSync(`${DIST}/cli.js`, 0o755);
    writeStamp("build", { inputs: before, outputs });
  },
};
