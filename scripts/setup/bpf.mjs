// @ts-check
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { basename } from "node:path";
import { EXIT_MACHINE, SetupError } from "./errors.mjs";
import { BUILD, inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { filesBelow, hashOf, readStamp, whyStale, writeStamp, writeWhole } from "./stamp.mjs";

/** @typedef {import("./step.mjs").Step} Step */

const SOURCES = inRoot("bpf");
const OUTPUT = `${BUILD}/bpf`;
const VMLINUX = `${BUILD}/vmlinux.h`;
const KERNEL_TYPES = "/sys/kernel/btf/vmlinux";

const TRIPLET = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

/** `#include "vmlinux.h"` finds the running kernel's types, `<bpf/...>` libbpf's headers. */
const FLAGS = [
  "-target",
  "bpf",
  // 32-bit operations and compare-and-swap (Linux 5.12).
  "-mcpu=v3",
  "-g",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Wno-unused-parameter",
  `-D__TARGET_ARCH_${process.arch === "arm64" ? "arm64" : "x86"}`,
  `-I${BUILD}`,
  `-I${SOURCES}`,
  `-I/usr/include/${TRIPLET}`,
];

const programs = () => filesBelow(SOURCES, (path) => path.endsWith(".bpf.c"));
const inputs = () =>
  hashOf({ files: filesBelow(SOURCES, (path) => /\.[ch]$/.test(path)), words: [release(), ...FLAGS] });

/** Beside each object: what the engine compares its bytes with before it loads them. @param {string} object */
const checksumOf = (object) => `${object}.sha256`;

/** @param {string} source */
const objectOf = (source) => `${OUTPUT}/${basename(source, ".c")}.o`;

/** The eBPF programs: one object per bpf/*.bpf.c, against the types of the running kernel. @type {Step} */
export const bpf = {
  name: "bpf",
  title: "eBPF programs",
  after: ["debian-packages"],
  check() {
    if (programs().length === 0) return { ok: true, note: "no bpf/*.bpf.c" };
    const why = whyStale(readStamp("bpf"), inputs());
    return why === null ? { ok: true } : { ok: false, why };
  },
  async run(_context, doing) {
    const before = inputs();
    if (!existsSync(KERNEL_TYPES)) {
      throw new SetupError({
        what: "the kernel does not describe its types",
        why: `${KERNEL_TYPES} is missing: this kernel was built without CONFIG_DEBUG_INFO_BTF`,
        fix: "start a kernel of the distribution (Debian's linux-image-amd64 and linux-image-arm64 have it)",
        exitCode: EXIT_MACHINE,
      });
    }
    doing("writing build/vmlinux.h");
    const types = await run("bpftool", ["btf", "dump", "file", KERNEL_TYPES, "format", "c"]);
    if (types.code !== 0 || types.stdout.length < 10_000) {
      throw new SetupError({
        what: "bpftool cannot read the kernel's types",
        why: types.stderr.trim() || `exit code ${types.code}`,
        fix: `try it: bpftool btf dump file ${KERNEL_TYPES} format c`,
      });
    }
    writeWhole(VMLINUX, types.stdout);
    mkdirSync(OUTPUT, { recursive: true });
    for (const source of programs()) {
      doing(`clang ${basename(source)}`);
      const result = await run("clang", [...FLAGS, "-c", source, "-o", objectOf(source)]);
      if (result.code !== 0) {
        throw new SetupError({
          what: `bpf/${basename(source)} does not compile`,
          why:
            result.stderr.split("\n").find((line) => line.includes("error:")) ??
            `clang: exit code ${result.code}`,
          fix: "see the compiler's words below",
          output: result.stderr,
        });
      }
      const object = objectOf(source);
      writeWhole(
        checksumOf(object),
        `${createHash("sha256").update(readFileSync(object)).digest("hex")}  ${basename(object)}\n`,
      );
    }
    const objects = programs().map(objectOf);
    writeStamp("bpf", { inputs: before, outputs: [VMLINUX, ...objects, ...objects.map(checksumOf)] });
  },
};
