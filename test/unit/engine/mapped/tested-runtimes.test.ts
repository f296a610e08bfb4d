import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readElf } from "../../../../src/engine/snapshot/mapped/elf.ts";
import { OpenFile } from "../../../../src/engine/snapshot/mapped/open-file.ts";
import { mayMap } from "../../../../src/engine/snapshot/mapped/tested-runtimes.ts";
import type { MappedFile } from "../../../../src/engine/snapshot/mapped/tested-runtimes.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "aether-elf-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function compile(name: string, source: string, ...options: string[]): string {
  const file = join(folder, `${name}.c`);
  writeFileSync(file, source);
  execFileSync("gcc", ["-O0", "-o", join(folder, name), file, ...options]);
  return join(folder, name);
}

function facts(path: string) {
  using file = new OpenFile(path);
  return readElf(file);
}

const advising = "#include <sys/mman.h>\nint main(void){return madvise(0,0,MADV_DONTNEED);}";
const plain = "#include <stdlib.h>\nint main(void){free(malloc(10));return 0;}";

describe("ELF files", () => {
  it("name what they import", () => {
    expect(facts(compile("advising", advising))?.names.has("madvise")).toBe(true);
    const found = facts(compile("plain", plain));
    expect(found?.names.has("malloc")).toBe(true);
    expect(found?.names.has("madvise")).toBe(false);
    expect(found?.isGo).toBe(false);
  });

  it("stripped ones too", () => {
    expect(facts(compile("stripped", advising, "-s"))?.names.has("madvise")).toBe(true);
  });

  it("static ones import nothing, and other files are none", () => {
    expect(facts(compile("static", plain, "-static"))?.names.size).toBe(0);
    writeFileSync(join(folder, "text"), "no program");
    expect(facts(join(folder, "text"))).toBeNull();
  });

  it("a file cut short is an error, not a crash", () => {
    writeFileSync(join(folder, "cut"), readFileSync(compile("whole", plain)).subarray(0, 70));
    expect(() => facts(join(folder, "cut"))).toThrow(RangeError);
  });
});

describe("the verdict", () => {
  const file = (path: string, names: string[] = [], isGo = false): MappedFile => ({
    path,
    elf: { names: new Set(names), isGo },
  });
  const libc = file("/usr/lib/x86_64-linux-gnu/libc.so.6", ["madvise"]);

  it.for<[string, MappedFile[], boolean, RegExp]>([
    ["CPython", [file("/usr/bin/python3.11"), libc], true, /^CPython$/],
    ["Node, which advises", [file("/opt/node/bin/node", ["madvise"]), libc], true, /^Node$/],
    ["a C program", [file("/srv/server"), libc], true, /glibc/],
    ["OpenSSL in it", [file("/srv/server"), libc, file("/lib/libcrypto.so.3", ["madvise"])], true, /glibc/],
    [
      "jemalloc beside it",
      [file("/srv/server"), libc, file("/lib/libjemalloc.so.2", ["madvise"])],
      false,
      /libjemalloc/,
    ],
    [
      "jemalloc within it",
      [file("/srv/redis-server", ["madvise"]), libc],
      false,
      /redis-server calls madvise/,
    ],
    [
      "jemalloc in Python",
      [file("/usr/bin/python3.11"), libc, file("/lib/libarrow.so", ["madvise"])],
      false,
      /libarrow/,
    ],
    ["a static program", [file("/srv/server")], false, /statically/],
    ["Go with cgo", [file("/srv/server", [], true), libc], false, /Go/],
    ["data files", [file("/srv/server"), libc, { path: "/usr/lib/locale/C.utf8", elf: null }], true, /glibc/],
  ])("%s", ([, files, mapped, reason]) => {
    const verdict = mayMap(files);
    expect(verdict.mapped).toBe(mapped);
    expect(verdict.reason).toMatch(reason);
  });
});
