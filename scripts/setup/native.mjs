// @ts-check
import { existsSync } from "node:fs";
import { SetupError } from "./errors.mjs";
import { BUILD, inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { filesBelow, hashOf, readStamp, whyStale, writeStamp } from "./stamp.mjs";

/** @typedef {import("./step.mjs").Step} Step */

const SOURCES = inRoot("rootfs");
const OUTPUT = `${BUILD}/rootfs`;

const sources = () => filesBelow(SOURCES, (path) => /\.([chS]|mk)$|\/Makefile$/.test(path));
const inputs = () => hashOf({ files: sources(), words: [process.arch] });

/** The launcher and the first program of a sandbox, in C: `make -C rootfs` fills build/rootfs. @type {Step} */
export const native = {
  name: "native",
  title: "Launcher (C)",
  after: ["debian-packages"],
  check() {
    if (!existsSync(`${SOURCES}/Makefile`)) return { ok: true, note: "no rootfs/Makefile" };
    const why = whyStale(readStamp("native"), inputs());
    return why === null ? { ok: true } : { ok: false, why };
  },
  async run(_context, doing) {
    const before = inputs();
    const result = await run("make", ["-C", "rootfs"], { onLine: doing });
    if (result.code !== 0) {
      throw new SetupError({
        what: "the C programs of rootfs/ do not build",
        why:
          result.stderr.split("\n").find((line) => /error:|\*\*\*/.test(line)) ??
          `make: exit code ${result.code}`,
        fix: "see the compiler's words below; by hand: make -C rootfs",
        output: result.stdout + result.stderr,
      });
    }
    // All that make left, so that a later check sees when one of them is gone.
    const outputs = filesBelow(OUTPUT);
    if (outputs.length === 0) {
      throw new SetupError({
        what: "the C programs of rootfs/ are not there",
        why: "make -C rootfs succeeded but left nothing in build/rootfs",
        fix: "its Makefile must write to ../build/rootfs",
      });
    }
    writeStamp("native", { inputs: before, outputs });
  },
};
