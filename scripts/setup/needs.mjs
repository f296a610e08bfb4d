// @ts-check
import { existsSync, readFileSync } from "node:fs";
import { which } from "./run.mjs";

/**
 * What the machine must have, found by looking for the thing itself, so that it may come from anywhere (another
 * distribution, /usr/local); the package is what to install on Debian when it is not there.
 * @typedef {object} Need
 * @property {string} package name on Debian
 * @property {string} what
 * @property {() => boolean} there
 */

/** @param {string} name */
const program = (name) => ({ what: name, there: () => which(name) !== null });

/** @param {string} path */
const header = (path) => ({
  what: path,
  there: () => ["/usr/include", "/usr/local/include"].some((folder) => existsSync(`${folder}/${path}`)),
});

/**
 * @param {string} name a library's file name as the loader looks for it
 * @returns {string | null}
 */
export function findLibrary(name) {
  const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const folders = [
    `/usr/lib/${triplet}`,
    `/lib/${triplet}`,
    "/usr/local/lib",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
  ];
  return folders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path)) ?? null;
}

/** @returns {Need[]} */
export function needs() {
  return [
    {
      package: "libbpf1",
      what: "libbpf.so.1",
      there: () => findLibrary("libbpf.so.1") !== null,
    },
    { package: "libbpf-dev", ...header("bpf/bpf_helpers.h") },
    { package: "clang", ...program("clang") },
    { package: "bpftool", ...program("bpftool") },
    { package: "iproute2", ...program("ip") },
    { package: "gcc", ...program("gcc") },
    { package: "libc6-dev", ...header("stdio.h") },
    // Debian's libc6-dev brings it; named for distributions where the kernel's headers come apart.
    { package: "linux-libc-dev", ...header("linux/seccomp.h") },
    { package: "make", ...program("make") },
    { package: "procps", ...program("sysctl") },
  ];
}

/** What only the tests use. @returns {Need[]} */
export function testNeeds() {
  return [
    // Its allocator must be recognised; loaded into a C server by a test.
    {
      package: "libjemalloc2",
      what: "libjemalloc.so.2",
      there: () => findLibrary("libjemalloc.so.2") !== null,
    },
    { package: "tmux", ...program("tmux") },
    { package: "python3", ...program("python3") },
    { package: "curl", ...program("curl") },
    // What our rings are held against in tests, and the baseline of `aether bench xdp`.
    { package: "libxdp-dev", ...header("xdp/xsk.h") },
    // For the completion scripts, which are tried in the shells themselves.
    { package: "zsh", ...program("zsh") },
    { package: "fish", ...program("fish") },
  ];
}

/** @param {{ dev: boolean }} context @returns {Need[]} */
export function missingNeeds({ dev }) {
  return [...needs(), ...(dev ? testNeeds() : [])].filter((need) => !need.there());
}

/** True when this is Debian itself, whose newer releases can be mixed in. */
export function isDebian(path = "/etc/os-release") {
  try {
    return /^ID="?debian"?$/m.test(readFileSync(path, "utf8"));
  } catch {
    return false;
  }
}
