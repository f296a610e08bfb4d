/**
 * Makes a restore independent of the heap's size. The pages of every area worth it move from the image's page file into one
 * heap file, and the areas become private mappings of that file: a restore maps them instead of reading them, and clones
 * share the pages until they write. Done once for an image, after its dump and before it gets its name.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { isWorthMapping } from "./choose-areas.ts";
import { readFileTable, withFile } from "./file-table.ts";
import type { FileTable } from "./file-table.ts";
import { PagesWriter } from "./pages-writer.ts";
import { areaStatus, encodeMm, encodePagemap, pageBytes, readMemoryImage, remapped } from "./memory-image.ts";
import type { MemoryArea, MemoryImage, PageRun } from "./memory-image.ts";
import { OpenFile } from "./open-file.ts";
import { PageFile } from "./page-file.ts";

/** Name of the heap file in an image's folder. */
export const heapFileName = "heap.raw";

export interface MapRequest {
  /** Folder of the image, still under its temporary name. */
  readonly directory: string;
  /** Where restored processes find the heap file. */
  readonly heapPath: string;
  /** The heap file of the image from which the saved processes came; `null` where that had none. */
  readonly formerHeap: string | null;
  /** Opens a file by the path under which the saved processes know it. */
  readonly openAsSeen: (path: string) => OpenFile;
  /** False: only what is mapped already, from the former heap file. */
  readonly mapAll: boolean;
}

export interface MapResult {
  /** Length of the heap file, holes included; 0: nothing was worth it, and there is none. */
  readonly heapBytes: number;
  readonly mappedAreas: number;
  /** Pages that a restore still reads. */
  readonly readPages: number;
}

interface ProcessImage {
  readonly pid: string;
  readonly memory: MemoryImage;
}

function readProcesses(directory: string): ProcessImage[] {
  const pids = readdirSync(directory).flatMap((name) => /^mm-(\d+)\.img$/.exec(name)?.[1] ?? []);
  return pids.map((pid) => ({
    pid,
    memory: readMemoryImage(
      readFileSync(`${directory}/mm-${pid}.img`),
      readFileSync(`${directory}/pagemap-${pid}.img`),
    ),
  }));
}

/** Guards can be set on mappings of files only from Linux 6.15 on. */
function isGuarded(memory: MemoryImage, area: MemoryArea): boolean {
  return memory.areas.some(
    ({ status, start, end }) => (status & areaStatus.guard) !== 0 && start < area.end && end > area.start,
  );
}

/** The part of a run within an area; `null` for none. */
function within(run: PageRun, area: MemoryArea): PageRun | null {
  const start = Math.max(run.start, area.start);
  const end = Math.min(run.start + run.pages * pageBytes, area.end);
  if (end <= start) return null;
  return { start, pages: (end - start) / pageBytes, dataOffset: run.dataOffset + start - run.start };
}

/**
 * Edits an image in place. Throws the system's error (ENOSPC) or RangeError (an image that is not understood); the
 * folder is spoilt then, and to be given up.
 */
export function mapImage(request: MapRequest): MapResult {
  const { directory, heapPath } = request;
  const table = readFileTable(readFileSync(`${directory}/files.img`));
  const isHeap = (area: MemoryArea): boolean =>
    (area.status & areaStatus.filePrivate) !== 0 && table.paths.get(area.fileId) === heapPath;
  const processes = readProcesses(directory);
  const chosen = processes.map(({ memory }) =>
    memory.areas.filter(
      (area) =>
        isHeap(area) || (request.mapAll && isWorthMapping(area, memory.runs) && !isGuarded(memory, area)),
    ),
  );
  const readPages = (): number =>
    processes.reduce((sum, { memory }) => sum + memory.runs.reduce((all, { pages }) => all + pages, 0), 0);
  if (chosen.every((areas) => areas.length === 0))
    return { heapBytes: 0, mappedAreas: 0, readPages: readPages() };
  const added = withFile(table, heapPath, processes.length);
  using heap = new PagesWriter(`${directory}/${heapFileName}`);
  let kept = 0;
  for (const [index, { pid, memory }] of processes.entries()) {
    const areas = new Set(chosen[index]);
    const mapped = new Map<MemoryArea, MemoryArea>();
    using pages = new PageFile(directory, memory.pagesId);
    for (const area of areas) {
      const offset = heap.reserve(area.end - area.start);
      fill(request, { heap, pages, table, area, offset, runs: memory.runs });
      mapped.set(area, remapped(area, { fileId: added.ids[index] ?? 0, offset }));
    }
    const rest = memory.areas
      .filter((area) => !areas.has(area) && (area.status & areaStatus.guard) === 0)
      .flatMap((area) => memory.runs.flatMap((run) => within(run, area) ?? []));
    kept += rest.reduce((sum, run) => sum + run.pages, 0);
    pages.keepOnly(rest);
    writeFileSync(`${directory}/pagemap-${pid}.img`, encodePagemap(memory.pagesId, rest));
    const next = memory.areas.map((area) => mapped.get(area) ?? area);
    writeFileSync(`${directory}/mm-${pid}.img`, encodeMm(memory, next));
  }
  writeFileSync(`${directory}/files.img`, added.data);
  const heapBytes = heap.finish();
  return { heapBytes, mappedAreas: chosen.reduce((sum, areas) => sum + areas.length, 0), readPages: kept };
}

/** Writes an area's content: what lay below it, then the pages the process had changed. */
function fill(
  request: MapRequest,
  work: {
    readonly heap: PagesWriter;
    readonly pages: PageFile;
    readonly table: FileTable;
    readonly area: MemoryArea;
    readonly offset: number;
    readonly runs: readonly PageRun[];
  },
): void {
  const { heap, area, offset, table } = work;
  const ofFile = (area.status & areaStatus.filePrivate) !== 0;
  if (ofFile) {
    const path = table.paths.get(area.fileId);
    if (path === undefined) throw new RangeError(`no file with the number ${area.fileId}`);
    const former = path === request.heapPath ? request.formerHeap : null;
    if (path === request.heapPath && former === null)
      throw new RangeError("the former heap file is not known");
    using base = former === null ? request.openAsSeen(path) : new OpenFile(former);
    heap.copySparse(base, area.fileOffset, area.end - area.start, offset);
  }
  for (const run of work.runs) {
    const part = within(run, area);
    if (part === null) continue;
    const to = offset + part.start - area.start;
    work.pages.copyTo(heap, part, to, ofFile);
  }
}
