// @ts-check
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync } from "node:fs";
import { basename } from "node:path";
import { SetupError } from "./errors.mjs";
import { run } from "./run.mjs";

/**
 * How the packages of a newer Debian release become a folder that runs on this machine:
 *
 *   bin/criu                interpreter and library path set to lib/private
 *   lib/private/            every library that criu loads, the newer libc and its loader included
 *   lib/libcriu.so.2        for the engine: loaded into Node, which runs on the machine's own libc,
 *   lib/libprotobuf-c.so.1  so these two stand apart from the newer libc and need none of its newer symbols
 */

/** @param {string} program @param {readonly string[]} args */
async function must(program, args) {
  const result = await run(program, args, { timeoutMs: 120_000 });
  if (result.code === 0) return result.stdout;
  throw new SetupError({
    what: `${program} ${args.map((word) => basename(word)).join(" ")} failed`,
    why: result.stderr.trim().split("\n").at(-1) || `exit code ${result.code}`,
    fix: "check the free space of the disk, then run it again",
    output: result.stderr,
  });
}

/**
 * @param {string} archives folder of .deb files
 * @param {string} root
 */
export async function unpack(archives, root) {
  mkdirSync(root, { recursive: true });
  for (const name of readdirSync(archives).filter((file) => file.endsWith(".deb"))) {
    await must("dpkg", ["--extract", `${archives}/${name}`, root]);
  }
}

/** @param {string} file */
async function neededBy(file) {
  return (await must("patchelf", ["--print-needed", file])).split("\n").filter(Boolean);
}

/**
 * Every library that a program loads, by the name it is loaded by.
 * @param {string} program
 * @param {(name: string) => string} find
 */
async function closure(program, find) {
  /** @type {Map<string, string>} */
  const found = new Map();
  const todo = [program];
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    for (const name of await neededBy(file)) {
      if (found.has(name)) continue;
      found.set(name, find(name));
      todo.push(find(name));
    }
  }
  return found;
}

/**
 * @param {{ root: string, folder: string, prefix: string }} where `folder` is filled, to be renamed to `prefix`
 */
export async function fillPrefix({ root, folder, prefix }) {
  const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  /** @param {string} name */
  const find = (name) => {
    const path = ["usr/lib", "lib"]
      .map((part) => `${root}/${part}/${triplet}/${name}`)
      .find((file) => existsSync(file));
    if (path !== undefined) return realpathSync(path);
    throw new SetupError({
      what: "CRIU cannot be put together",
      why: `${name} is in none of its packages`,
      fix: "report it: the packages of that Debian release have changed",
    });
  };
  /** @param {string} from @param {string} to */
  const copy = (from, to) => {
    copyFileSync(from, to);
    chmodSync(to, 0o755);
  };
  for (const part of ["bin", "lib/private"]) mkdirSync(`${folder}/${part}`, { recursive: true });

  const program = ["usr/sbin/criu", "usr/bin/criu"]
    .map((part) => `${root}/${part}`)
    .find((file) => existsSync(file));
  const binary = `${folder}/bin/criu`;
  copy(program ?? `${root}/usr/sbin/criu`, binary);
  const loader = basename((await must("patchelf", ["--print-interpreter", binary])).trim());
  const libraries = await closure(binary, find);
  // Loaded by name when a thread ends, so no file lists it.
  for (const name of [loader, "libgcc_s.so.1"]) libraries.set(name, find(name));
  for (const [name, path] of libraries) {
    const target = `${folder}/lib/private/${name}`;
    copy(path, target);
    // The loader and libc look for nothing, and bear no patching.
    if (name === loader || name === "libc.so.6") continue;
    await must("patchelf", ["--force-rpath", "--set-rpath", "$ORIGIN", target]);
  }
  const search = ["--force-rpath", "--set-rpath", "$ORIGIN/../lib/private"];
  await must("patchelf", ["--set-interpreter", `${prefix}/lib/private/${loader}`, ...search, binary]);

  for (const name of ["libcriu.so.2", "libprotobuf-c.so.1"]) {
    copy(find(name), `${folder}/lib/${name}`);
    await must("patchelf", ["--set-rpath", "$ORIGIN", `${folder}/lib/${name}`]);
  }
}
