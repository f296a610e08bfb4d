import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFields } from "../../../../src/engine/snapshot/protobuf.ts";
import { imageKind, joinImage, splitImage } from "../../../../src/engine/snapshot/mapped/image-file.ts";
import { isWorthMapping } from "../../../../src/engine/snapshot/mapped/choose-areas.ts";
import {
  areaStatus,
  encodeMm,
  encodePagemap,
  pageBytes,
  readMemoryImage,
  remapped,
} from "../../../../src/engine/snapshot/mapped/memory-image.ts";

const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;

/** A vma_entry as CRIU writes it; further fields of later versions may follow. */
function vma(start: number, pages: number, status: number, flags: number, extra = 0n): Buffer {
  const values = [start, start + pages * pageBytes, 0, 0, 3, flags, status];
  return encodeFields([
    ...values.map((value, index) => ({ field: index + 1, value: BigInt(value) })),
    { field: 8, value: 1n },
    { field: 9, value: extra },
    { field: 77, value: 5n },
  ]);
}

function mm(vmas: readonly Buffer[]): Buffer {
  const message = encodeFields([
    { field: 1, value: 0x400000n },
    ...vmas.map((value) => ({ field: 14, value })),
    { field: 15, value: 1n },
  ]);
  return joinImage([message], imageKind.mm);
}

const anonymous = areaStatus.regular | areaStatus.anonPrivate;

describe("images of memory", () => {
  it("survive being read and written, fields that are not known included", () => {
    const area = fc.tuple(
      fc.integer({ min: 1, max: 2 ** 35 }),
      fc.integer({ min: 1, max: 4096 }),
      fc.nat(2 ** 17),
    );
    fc.assert(
      fc.property(fc.array(area), (areas) => {
        const data = mm(
          areas.map(([page, pages, status]) => vma(page * pageBytes, pages, status, MAP_PRIVATE)),
        );
        const image = readMemoryImage(data, encodePagemap(1, []));
        const again = readMemoryImage(encodeMm(image, image.areas), encodePagemap(1, []));
        expect(again.areas).toEqual(image.areas);
        expect(again.mmFields.filter(({ field }) => field !== 14)).toEqual(
          image.mmFields.filter(({ field }) => field !== 14),
        );
      }),
    );
  });

  it("know where each run's data lie", () => {
    const runs = [
      { start: 0x10000, pages: 3, dataOffset: 0 },
      { start: 0x40000, pages: 1, dataOffset: 3 * pageBytes },
    ];
    const image = readMemoryImage(mm([]), encodePagemap(7, runs));
    expect(image.pagesId).toBe(7);
    expect(image.runs).toEqual(runs);
  });

  it("refuse an image that builds on a parent", () => {
    const head = encodeFields([{ field: 1, value: 1n }]);
    const entry = encodeFields([
      { field: 1, value: 4096n },
      { field: 2, value: 1n },
      { field: 4, value: 1n },
    ]);
    expect(() => readMemoryImage(mm([]), joinImage([head, entry], imageKind.pagemap))).toThrow(RangeError);
  });

  it("are never read beyond their end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const head = Buffer.alloc(8);
        head.writeUInt32LE(0x54564319, 0);
        head.writeUInt32LE(imageKind.mm, 4);
        for (const data of [Buffer.from(bytes), Buffer.concat([head, bytes])]) {
          try {
            splitImage(data, imageKind.mm);
            readMemoryImage(data, data);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        }
      }),
    );
  });

  it("the vsyscall page above 2^53 is kept to the byte", () => {
    const top = 0xffffffffff600000n;
    const entry = encodeFields([
      { field: 1, value: top },
      { field: 2, value: top + 4096n },
      { field: 3, value: 0n },
      { field: 4, value: 0n },
      { field: 6, value: 2n },
      { field: 7, value: 4n },
    ]);
    const image = readMemoryImage(mm([entry]), encodePagemap(1, []));
    const [area] = readMemoryImage(encodeMm(image, image.areas), encodePagemap(1, [])).areas;
    expect(area?.fields.find(({ field }) => field === 1)?.value).toBe(top);
  });
});

describe("areas to map", () => {
  const read = (data: Buffer) => readMemoryImage(mm([data]), encodePagemap(1, [])).areas[0];
  const run = (start: number, pages: number) => [{ start, pages, dataOffset: 0 }];

  it.for<[string, number, number, bigint, number, boolean]>([
    ["a full heap", anonymous, MAP_PRIVATE | MAP_ANONYMOUS, 0n, 64, true],
    ["the break's heap", anonymous | areaStatus.heap, MAP_PRIVATE | MAP_ANONYMOUS, 0n, 64, true],
    ["changed data of a program", areaStatus.regular | areaStatus.filePrivate, MAP_PRIVATE, 0n, 40, true],
    [
      "little changed data of a program",
      areaStatus.regular | areaStatus.filePrivate,
      MAP_PRIVATE,
      0n,
      20,
      false,
    ],
    ["a few pages", anonymous, MAP_PRIVATE | MAP_ANONYMOUS, 0n, 7, false],
    ["a thinly used area", anonymous, MAP_PRIVATE | MAP_ANONYMOUS, 0n, 12, false],
    ["a stack", anonymous, MAP_PRIVATE | MAP_ANONYMOUS | 0x100, 0n, 64, false],
    ["huge pages", anonymous, MAP_PRIVATE | MAP_ANONYMOUS | 0x40000, 0n, 64, false],
    ["locked memory", anonymous, MAP_PRIVATE | MAP_ANONYMOUS | 0x2000, 0n, 64, false],
    ["memory wiped on fork", anonymous, MAP_PRIVATE | MAP_ANONYMOUS, 1n << 18n, 64, false],
    ["shared memory", areaStatus.regular | (1 << 8), 0x01 | MAP_ANONYMOUS, 0n, 64, false],
    ["the vdso", anonymous | (1 << 3), MAP_PRIVATE | MAP_ANONYMOUS, 0n, 64, false],
  ])("%s", ([, status, flags, advice, saved, expected]) => {
    const area = read(vma(0x100000, 64, status, flags, advice));
    expect(area === undefined ? null : isWorthMapping(area, run(0x100000, saved))).toBe(expected);
  });

  it("become private mappings of the heap file", () => {
    const area = read(vma(0x100000, 64, anonymous | areaStatus.heap, MAP_PRIVATE | MAP_ANONYMOUS));
    const mapped = area === undefined ? null : remapped(area, { fileId: 9, offset: 0x7000 });
    expect(mapped).toMatchObject({
      start: 0x100000,
      fileId: 9,
      fileOffset: 0x7000,
      flags: MAP_PRIVATE,
      status: areaStatus.regular | areaStatus.filePrivate,
    });
    expect(mapped?.fields.find(({ field }) => field === 77)?.value).toBe(5n);
  });
});
