// @ts-check
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { systemCandidate, systemDownload, systemUpdate } from "./apt.mjs";
import { unpack } from "./criu-prefix.mjs";
import { EXIT_MACHINE, SetupError } from "./errors.mjs";
import { TOOLS } from "./paths.mjs";
import { machine } from "./platform.mjs";
import { which } from "./run.mjs";

/** @typedef {import("./step.mjs").Step} Step */

const HOME = `${TOOLS}/promtool`;
const PROGRAM = `${HOME}/promtool`;
const WORK = `${TOOLS}/promtool.new`;

const BY_HAND = "install promtool, Prometheus' own checker, so that `promtool --version` works";

/** @param {string} why @param {string} output */
function unavailable(why, output = "") {
  return new SetupError({
    what: "no promtool, which the tests of the metrics need",
    why,
    fix: BY_HAND,
    output,
    exitCode: EXIT_MACHINE,
  });
}

/**
 * Prometheus' checker of metrics, for the tests. The package is taken apart instead of installed: it would start a
 * server, on the very port that the engine's metrics have.
 * @type {Step}
 */
export const promtool = {
  name: "promtool",
  title: "promtool (tests only)",
  // Not for what CRIU is: apt serves one at a time.
  after: ["criu"],
  check({ dev }) {
    if (!dev) return { ok: true, note: "not needed" };
    if (existsSync(PROGRAM) || which("promtool") !== null) return { ok: true };
    return { ok: false, why: "not there" };
  },
  async run(_context, doing) {
    const m = machine();
    if (!m.apt) throw unavailable(`this is ${m.distribution}, and it is only fetched from Debian's packages`);
    if ((await systemCandidate("prometheus")) === null) {
      doing("fetching apt's package lists");
      await systemUpdate(doing);
    }
    rmSync(WORK, { recursive: true, force: true });
    try {
      mkdirSync(`${WORK}/archives`, { recursive: true });
      doing("downloading Debian's package prometheus");
      let download = await systemDownload("prometheus", `${WORK}/archives`, doing);
      if (download.code !== 0) {
        // The lists may name a file that has left the mirror since.
        await systemUpdate(doing);
        download = await systemDownload("prometheus", `${WORK}/archives`, doing);
      }
      if (download.code !== 0)
        throw unavailable(
          "downloading Debian's package prometheus failed",
          download.stdout + download.stderr,
        );
      doing("unpacking promtool");
      await unpack(`${WORK}/archives`, `${WORK}/root`);
      mkdirSync(HOME, { recursive: true });
      copyFileSync(`${WORK}/root/usr/bin/promtool`, `${PROGRAM}.new`);
      renameSync(`${PROGRAM}.new`, PROGRAM);
    } finally {
      rmSync(WORK, { recursive: true, force: true });
    }
  },
};
