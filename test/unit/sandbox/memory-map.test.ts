import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, test } from "vitest";
import { openProcess } from "../../../src/ffi/pidfd.ts";
import { pageOutProblem } from "../../../src/ffi/process-memory.ts";
import { activeSwap } from "../../../src/engine/config/swaps.ts";
import { memoryV2 } from "../../../src/engine/sandbox/cgroup-memory.ts";
import { anonymousBytes, pieces, privateRanges } from "../../../src/engine/sandbox/memory-map.ts";

const maps = `555000000000-555000001000 r-xp 00000000 fe:00 1234       /usr/bin/python3 (deleted)
555000002000-555000003000 rw-p 00002000 fe:00 1234       /usr/bin/python3
555000003000-555000004000 rw-p 00000000 00:00 0          [heap]
7f0000000000-7f0000400000 rw-p 00000000 00:00 0
7f0000400000-7f0000500000 ---p 00000000 00:00 0
7f0000500000-7f0000600000 rw-s 00000000 00:01 55         /memfd:ring (deleted)
7f0000600000-7f0000601000 r-xp 00000000 00:00 0          [vdso]
7f0000601000-7f0000603000 r--p 00000000 00:00 0          [vvar]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]
`;

describe("what a process has of its own", () => {
  test("is private: anonymous, or written copies of a file", ({ expect }) => {
    expect(privateRanges(maps).map(({ start, bytes }) => [start.toString(16), Number(bytes)])).toEqual([
      ["555000002000", 4096],
      ["555000003000", 4096],
      ["7f0000000000", 4 * 2 ** 20],
      ["7f0000400000", 2 ** 20],
    ]);
  });

  test("this process's own table is read whole", ({ expect }) => {
    const ranges = privateRanges(readFileSync("/proc/self/maps", "utf8"));
    expect(ranges.length).toBeGreaterThan(10);
    for (const { bytes } of ranges) expect(bytes % 4096n).toBe(0n);
    expect(anonymousBytes(readFileSync("/proc/self/status", "utf8"))).toBeGreaterThan(2 ** 20);
    expect(anonymousBytes("")).toBe(0);
  });

  test("pieces cover a range once, in order", ({ expect }) => {
    const range = fc.record({ start: fc.bigInt(0n, 2n ** 47n), bytes: fc.bigInt(0n, 300n) });
    fc.assert(
      fc.property(fc.array(range), fc.bigInt(1n, 200n), (ranges, most) => {
        const cut = pieces(ranges, most);
        expect(cut.every(({ bytes }) => bytes > 0n && bytes <= most)).toBe(true);
        const joined: { start: bigint; bytes: bigint }[] = [];
        for (const wanted of ranges) {
          if (wanted.bytes === 0n) continue;
          const whole = { start: wanted.start, bytes: 0n };
          while (whole.bytes < wanted.bytes) {
            const next = cut.shift();
            expect(next?.start).toBe(whole.start + whole.bytes);
            whole.bytes += next?.bytes ?? wanted.bytes;
          }
          joined.push(whole);
        }
        expect(cut).toEqual([]);
        expect(joined).toEqual(ranges.filter(({ bytes }) => bytes > 0n));
      }),
    );
  });

  test("a process that is gone is told, not thrown", async ({ expect }) => {
    const child = spawn("sleep", ["100"], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    using pidfd = openProcess(child.pid ?? 0);
    child.kill("SIGKILL");
    await ended;
    if (pidfd === null) throw new Error("no pidfd");
    expect(pageOutProblem(pidfd)).toMatch(/ESRCH|EPERM/);
  });
});

describe("swap", () => {
  test("is read from the kernel's table", ({ expect }) => {
    const text =
      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/zram1                              partition\t262140\t\t72632\t\t1\n/swap\\040file   file\t1024\t0\t-2\n";
    expect(activeSwap(text)).toEqual([
      {
        path: "/dev/zram1",
        kind: "partition",
        sizeBytes: 262_140 * 1024,
        usedBytes: 72_632 * 1024,
        priority: 1,
      },
      { path: "/swap\\040file", kind: "file", sizeBytes: 1024 * 1024, usedBytes: 0, priority: -2 },
    ]);
    expect(activeSwap("Filename\tType\tSize\tUsed\tPriority\n")).toEqual([]);
    expect(activeSwap("")).toEqual([]);
  });

  test("of a cgroup with a limit is opened only while its function is frozen (v2)", ({ expect }) => {
    const folder = mkdtempSync(join(tmpdir(), "aether-cgroup-"));
    try {
      for (const name of ["memory.max", "memory.swap.max"]) writeFileSync(join(folder, name), "max\n");
      // A cgroup file is replaced by a write; this one keeps what was longer.
      const swapMax = (): string | undefined =>
        /^(?:0|max)/.exec(readFileSync(join(folder, "memory.swap.max"), "utf8"))?.[0];
      const memory = memoryV2(folder);
      memory.setLimit(8 * 2 ** 20);
      expect(swapMax()).toBe("0");
      memory.allowSwap(true);
      expect(swapMax()).toBe("max");
      memory.allowSwap(false);
      expect(swapMax()).toBe("0");
      memory.setLimit(null);
      writeFileSync(join(folder, "memory.max"), "max\n");
      memory.allowSwap(false);
      expect(swapMax()).toBe("max");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
