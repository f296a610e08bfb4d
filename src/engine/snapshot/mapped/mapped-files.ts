/** The files that the processes of an image have mapped, and what can be said of their code. */
import { readdirSync, readFileSync } from "node:fs";
import { readElf } from "./elf.ts";
import type { ElfFacts } from "./elf.ts";
import { readFileTable } from "./file-table.ts";
import { areaStatus, readMemoryImage } from "./memory-image.ts";
import type { OpenFile } from "./open-file.ts";
import type { MappedFile } from "./tested-runtimes.ts";

const fileMapping = areaStatus.filePrivate | areaStatus.fileShared;
/** Programs and libraries looked into before: most functions share them. */
const maxKnown = 512;
const known = new Map<string, ElfFacts | null>();

/** Paths as the function sees them, each once. Throws RangeError on an image that is not understood. */
export function mappedPaths(directory: string): string[] {
  const { paths } = readFileTable(readFileSync(`${directory}/files.img`));
  const found = new Set<string>();
  for (const name of readdirSync(directory)) {
    const pid = /^mm-(\d+)\.img$/.exec(name)?.[1];
    if (pid === undefined) continue;
    const mm = readFileSync(`${directory}/${name}`);
    const { areas } = readMemoryImage(mm, readFileSync(`${directory}/pagemap-${pid}.img`));
    for (const { status, fileId } of areas) {
      const path = (status & fileMapping) === 0 ? undefined : paths.get(fileId);
      if (path !== undefined) found.add(path);
    }
  }
  return [...found];
}

/** Looks into a file; what cannot be read counts as code that calls madvise. */
export function lookInto(path: string, openAsSeen: (path: string) => OpenFile): MappedFile {
  try {
    using file = openAsSeen(path);
    const { dev, ino, mtimeMs, ctimeMs, size } = file.stat();
    const key = `${dev}:${ino}:${mtimeMs}:${ctimeMs}:${size}`;
    let elf = known.get(key);
    if (elf === undefined) {
      elf = readElf(file);
      const oldest = known.size >= maxKnown ? known.keys().next() : null;
      if (oldest !== null && oldest.done !== true) known.delete(oldest.value);
      known.set(key, elf);
    }
    return { path, elf };
  } catch {
    return { path, elf: unreadable };
  }
}

const unreadable: ElfFacts = { names: new Set(["madvise"]), isGo: false };
