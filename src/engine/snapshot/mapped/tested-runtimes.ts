/**
 * Whether a process's memory may be mapped instead of read back. On mapped memory MADV_DONTNEED gives back the bytes of the
 * snapshot, not zeros. Whoever never calls madvise cannot notice; of those who do, the ones below were tested
 * (test/integration/mapped.test.ts). jemalloc was found to rely on zeros, and calls it.
 */
import type { ElfFacts } from "./elf.ts";

export interface TestedFile {
  /** What it is, for people. */
  readonly what: string;
  /** Matches the name of the file, without its folder. */
  readonly file: RegExp;
}

/** Files that call madvise and were tested. To extend the list: docs/wake-path.md, "Mapped images". */
export const testedFiles: readonly TestedFile[] = [
  { what: "glibc", file: /^(libc|libpthread)(\.so\.6|-2\.\d+\.so|\.so\.0)$/ },
  { what: "the dynamic linker of glibc", file: /^ld(-linux-[\w-]+\.so\.\d|-2\.\d+\.so)$/ },
  { what: "CPython", file: /^(python3(\.\d+)?|libpython3\.\d+\.so\.1\.0|mmap\.cpython-.*\.so)$/ },
  { what: "Node", file: /^node$/ },
  // For its secure heap alone: MADV_DONTDUMP (crypto/mem_sec.c).
  { what: "OpenSSL", file: /^libcrypto\.so\.(1\.1|3)$/ },
  // The Node SDK's way to shared memory. MADV_DONTDUMP, and MADV_WIPEONFORK for a page of random state, alone
  // (lib/native/base/base.cc); restored by the thousand in test/integration/clones.test.ts.
  { what: "koffi", file: /^koffi\.node$/ },
];

/** A file mapped by a process, as far as it could be looked into. */
export interface MappedFile {
  readonly path: string;
  /** `null`: no ELF file, so no code. */
  readonly elf: ElfFacts | null;
}

export interface MappingVerdict {
  readonly mapped: boolean;
  /** In words, for `ps`, console and manifest. */
  readonly reason: string;
}

const callsOfAdvice = ["madvise", "process_madvise"] as const;

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The verdict over all files that the processes of a function have mapped. */
export function mayMap(files: readonly MappedFile[]): MappingVerdict {
  const code = files.filter(({ elf }) => elf !== null);
  if (!code.some(({ path }) => testedFiles[0]?.file.test(nameOf(path)) === true))
    return { mapped: false, reason: "it does not use glibc, or is linked statically" };
  for (const { path, elf } of code) {
    if (elf?.isGo === true)
      return { mapped: false, reason: `Go's memory management is not tested (${path})` };
    if (testedFiles.some(({ file }) => file.test(nameOf(path)))) continue;
    const call = callsOfAdvice.find((name) => elf?.names.has(name) === true);
    if (call !== undefined)
      return { mapped: false, reason: `${path} calls ${call} and is not on the tested list` };
  }
  const runtimes = testedFiles.filter(
    ({ what, file }) =>
      (what === "CPython" || what === "Node") && code.some(({ path }) => file.test(nameOf(path))),
  );
  const names = runtimes.map(({ what }) => what);
  return {
    mapped: true,
    reason: names.length > 0 ? names.join(" and ") : "glibc, nothing else calls madvise",
  };
}
