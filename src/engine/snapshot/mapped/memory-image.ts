/**
 * One process's memory in an image: its areas (mm-PID.img) and which of their pages were saved (pagemap-PID.img, whose data
 * lie in order in pages-N.img). Addresses are user addresses, below 2^53: plain numbers.
 */
import { encodeFields, readProto } from "../protobuf.ts";
import type { ProtoField } from "../protobuf.ts";
import { imageKind, joinImage, numberOf, requiredNumber, splitImage } from "./image-file.ts";

/** CRIU 4.2 knows no other size on the machines Aether runs on. */
export const pageBytes = 4096;

/** Bits of `status` (criu/include/image.h). */
export const areaStatus = {
  regular: 1 << 0,
  heap: 1 << 5,
  filePrivate: 1 << 6,
  fileShared: 1 << 7,
  anonPrivate: 1 << 9,
  /** No mapping: a range that MADV_GUARD_INSTALL covers, listed behind the mappings. */
  guard: 1 << 16,
} as const;

/** A mapping of the process, as images/vma.proto has it. */
export interface MemoryArea {
  readonly start: number;
  readonly end: number;
  readonly fileOffset: number;
  /** Id of its file in files.img, where it has one. */
  readonly fileId: number;
  readonly flags: number;
  readonly status: number;
  /** Advice in force, one bit for each MADV_ number. */
  readonly advice: bigint;
  readonly fields: readonly ProtoField[];
}

/** Consecutive pages whose content was saved. */
export interface PageRun {
  readonly start: number;
  readonly pages: number;
  /** Of their first byte in pages-N.img. */
  readonly dataOffset: number;
}

export interface MemoryImage {
  readonly areas: readonly MemoryArea[];
  readonly runs: readonly PageRun[];
  /** The N of pages-N.img. */
  readonly pagesId: number;
  readonly mmFields: readonly ProtoField[];
}

const areaField = 14;
/** pagemap_entry.flags */
const inParent = 1;
const present = 4;

function readArea(message: Buffer): MemoryArea {
  const fields = readProto(message);
  const value = (field: number): bigint => {
    const found = fields.find((entry) => entry.field === field)?.value;
    return typeof found === "bigint" ? found : 0n;
  };
  // The vsyscall page lies above 2^53: inexact here, and written back as it was read.
  const number = (field: number): number => Number(value(field));
  return {
    start: number(1),
    end: number(2),
    fileOffset: number(3),
    fileId: number(4),
    flags: number(6),
    status: number(7),
    advice: value(9),
    fields,
  };
}

function readRuns(entries: readonly Buffer[]): PageRun[] {
  const runs: PageRun[] = [];
  let dataOffset = 0;
  for (const entry of entries) {
    const fields = readProto(entry);
    const flags = numberOf(fields, 4) ?? present;
    const pages = numberOf(fields, 5) ?? requiredNumber(fields, 2);
    if ((flags & inParent) !== 0) throw new RangeError("the image needs a parent image");
    if ((flags & present) === 0) throw new RangeError("the image has pages that were not saved");
    runs.push({ start: requiredNumber(fields, 1), pages, dataOffset });
    dataOffset += pages * pageBytes;
  }
  return runs;
}

/** Reads both files. Throws RangeError on what is no such image. */
export function readMemoryImage(mm: Buffer, pagemap: Buffer): MemoryImage {
  const [message] = splitImage(mm, imageKind.mm);
  const [head, ...entries] = splitImage(pagemap, imageKind.pagemap);
  if (message === undefined || head === undefined) throw new RangeError("the image is empty");
  const mmFields = readProto(message);
  const areas = mmFields.flatMap(({ field, value }) =>
    field === areaField && value instanceof Uint8Array ? [readArea(value)] : [],
  );
  return { areas, runs: readRuns(entries), pagesId: requiredNumber(readProto(head), 1), mmFields };
}

/** The area as a private mapping of another file. */
export function remapped(
  area: MemoryArea,
  to: { readonly fileId: number; readonly offset: number },
): MemoryArea {
  const MAP_ANONYMOUS = 0x20;
  const status = (area.status & ~(areaStatus.anonPrivate | areaStatus.heap)) | areaStatus.filePrivate;
  const flags = area.flags & ~MAP_ANONYMOUS;
  const changed = new Map<number, bigint>([
    [3, BigInt(to.offset)],
    [4, BigInt(to.fileId)],
    [6, BigInt(flags)],
    [7, BigInt(status)],
    [10, 0n], // fdflags: O_RDONLY
  ]);
  const kept = area.fields.filter(({ field }) => !changed.has(field));
  const fields = [...kept, ...[...changed].map(([field, value]) => ({ field, value }))];
  return { ...area, fileOffset: to.offset, fileId: to.fileId, flags, status, fields };
}

/** mm-PID.img with these areas in place of the former ones. */
export function encodeMm(image: MemoryImage, areas: readonly MemoryArea[]): Buffer {
  const rest = image.mmFields.filter(({ field }) => field !== areaField);
  const fields = [...rest, ...areas.map((area) => ({ field: areaField, value: encodeFields(area.fields) }))];
  return joinImage([encodeFields(fields)], imageKind.mm);
}

/** pagemap-PID.img of these runs, whose data are to lie in this order. */
export function encodePagemap(pagesId: number, runs: readonly PageRun[]): Buffer {
  const head = encodeFields([{ field: 1, value: BigInt(pagesId) }]);
  const entries = runs.map(({ start, pages }) =>
    encodeFields([
      { field: 1, value: BigInt(start) },
      { field: 2, value: BigInt(pages) },
      { field: 4, value: BigInt(present) },
      { field: 5, value: BigInt(pages) },
    ]),
  );
  return joinImage([head, ...entries], imageKind.pagemap);
}
