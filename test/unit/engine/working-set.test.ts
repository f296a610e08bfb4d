import fc from "fast-check";
import koffi from "koffi";
import { describe, expect, it } from "vitest";
import { pagesToTouch } from "../../../src/engine/sandbox/working-set.ts";
import { presentPages } from "../../../src/ffi/present-pages.ts";
import type { PageRun } from "../../../src/ffi/present-pages.ts";
import { pagesATime, touchPages } from "../../../src/ffi/touch-pages.ts";

const page = 4096;

/** Runs of pages as the kernel tells them: in order, without overlap. */
const anyRuns = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 40 }),
      pages: fc.integer({ min: 1, max: 60 }),
      isFile: fc.boolean(),
    }),
    { maxLength: 60 },
  )
  .map((parts) => {
    let at = 0x5555_0000_0000;
    return parts.map(({ gap, pages, isFile }): PageRun => {
      const start = at + gap * page;
      at = start + pages * page;
      return { start, end: at, isFile };
    });
  });

describe("pagesToTouch", () => {
  it("names every page of its own, and one present page of each neighbourhood of a file", () => {
    fc.assert(
      fc.property(anyRuns, (runs) => {
        const { written, read } = pagesToTouch(runs);
        const pagesOf = (isFile: boolean): number[] =>
          runs
            .filter((run) => run.isFile === isFile)
            .flatMap(({ start, end }) =>
              Array.from({ length: (end - start) / page }, (_, index) => start + index * page),
            );
        expect(written).toEqual(pagesOf(false).slice(0, 1024));
        const neighbourhoods = new Set(pagesOf(true).map((at) => Math.floor(at / (16 * page))));
        expect(read.map((at) => Math.floor(at / (16 * page)))).toEqual([...neighbourhoods].slice(0, 2048));
        expect(pagesOf(true)).toEqual(expect.arrayContaining([...read]));
      }),
    );
  });

  it("is bounded, however much is in memory", () => {
    const start = 0x7000_0000_0000;
    const gigabyte = 2 ** 30;
    const { written, read } = pagesToTouch([
      { start, end: start + gigabyte, isFile: false },
      { start: start + gigabyte, end: start + 2 * gigabyte, isFile: true },
    ]);
    expect([written.length, read.length]).toEqual([1024, 2048]);
  });
});

describe("pages of a process", () => {
  const bytes = 40 * page;
  const allocated = koffi.alloc("uint8_t", bytes) as bigint;
  const first = Math.ceil(Number(koffi.address(allocated)) / page) * page;
  const content = new Uint8Array(koffi.view(allocated, bytes));

  it("are seen once they are touched, in order and without overlap", () => {
    content.fill(7);
    const runs = presentPages(process.pid);
    expect(runs).not.toBeNull();
    const own = runs?.find(({ start, end }) => start <= first && first < end);
    expect(own).toMatchObject({ isFile: false });
    for (const [index, run] of (runs ?? []).entries()) {
      expect(run.end).toBeGreaterThan(run.start);
      expect(run.start).toBeGreaterThanOrEqual(runs?.[index - 1]?.end ?? 0);
    }
  });

  it("of one that does not exist are none", () => {
    expect(presentPages(2 ** 22 + 1)).toBeNull();
    expect(touchPages(2 ** 22 + 1, [first], false)).toBe(0);
  });

  it("keep what is in them when they are touched", () => {
    for (let at = 0; at < bytes; at++) content[at] = at % 251;
    const before = content.slice();
    const addresses = Array.from({ length: 38 }, (_, index) => first + index * page);
    expect(touchPages(process.pid, addresses, true)).toBe(38);
    expect(content).toEqual(before);
  });

  it("that cannot be touched end the row before them, and a call is bounded", () => {
    expect(touchPages(process.pid, [first, first + page, page, first], true)).toBe(2);
    expect(touchPages(process.pid, [page, first], false)).toBe(0);
    const many = Array.from({ length: 3 * pagesATime }, () => first);
    expect(touchPages(process.pid, many, false)).toBe(pagesATime);
  });
});
