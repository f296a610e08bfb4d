/** What a program or library asks of others, from its ELF file: enough of elf(5) to read the names of its dynamic symbols. */
import type { OpenFile } from "./open-file.ts";

/** What can be said of a mapped ELF file. */
export interface ElfFacts {
  /** Names in the dynamic string table: imported and exported symbols, and libraries. */
  readonly names: ReadonlySet<string>;
  /** Go's runtime is in it, which makes system calls by itself. */
  readonly isGo: boolean;
}

const headerBytes = 64;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;
const programHeaderBytes = 56;
const sectionHeaderBytes = 64;
/** Tables beyond this are no table of a real program. */
const maxTableBytes = 64 * 1024 * 1024;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileBytes: number;
}

function readAt(file: OpenFile, offset: number, length: number): Buffer {
  if (length > maxTableBytes) throw new RangeError("a table of the file is too large");
  const buffer = Buffer.alloc(length);
  if (file.read(buffer, offset) < length) throw new RangeError("file cut short");
  return buffer;
}

function u64(buffer: Buffer, at: number): number {
  return Number(buffer.readBigUInt64LE(at));
}

function readSegments(file: OpenFile, header: Buffer): Segment[] {
  const count = header.readUInt16LE(56);
  const table = readAt(file, u64(header, 32), count * programHeaderBytes);
  return Array.from({ length: count }, (_, index) => {
    const at = index * programHeaderBytes;
    return {
      type: table.readUInt32LE(at),
      offset: u64(table, at + 8),
      address: u64(table, at + 16),
      fileBytes: u64(table, at + 32),
    };
  });
}

/** The dynamic string table, split. Empty for a static program. */
function dynamicNames(file: OpenFile, segments: readonly Segment[]): Set<string> {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return new Set();
  const table = readAt(file, dynamic.offset, dynamic.fileBytes);
  let address = 0;
  let size = 0;
  for (let at = 0; at + 16 <= table.length; at += 16) {
    const tag = table.readBigInt64LE(at);
    if (tag === DT_STRTAB) address = u64(table, at + 8);
    if (tag === DT_STRSZ) size = u64(table, at + 8);
  }
  const load = segments.find(
    (segment) =>
      segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.fileBytes,
  );
  if (load === undefined) return new Set();
  const strings = readAt(file, address - load.address + load.offset, size);
  return new Set(strings.toString("latin1").split("\0"));
}

function hasGoSection(file: OpenFile, header: Buffer): boolean {
  const count = header.readUInt16LE(60);
  const names = header.readUInt16LE(62);
  if (count === 0 || names >= count) return false;
  const table = readAt(file, u64(header, 40), count * sectionHeaderBytes);
  const at = names * sectionHeaderBytes;
  const strings = readAt(file, u64(table, at + 24), u64(table, at + 32));
  return strings.includes(".go.buildinfo") || strings.includes(".gopclntab");
}

/** Reads an ELF file. `null` for a file that is none; throws RangeError for one that is broken. */
export function readElf(file: OpenFile): ElfFacts | null {
  const header = Buffer.alloc(headerBytes);
  if (file.read(header, 0) < headerBytes || header.toString("latin1", 0, 4) !== "\x7fELF") return null;
  if (header[4] !== ELFCLASS64 || header[5] !== ELFDATA2LSB)
    throw new RangeError("no 64-bit little-endian ELF file");
  const names = dynamicNames(file, readSegments(file, header));
  return { names, isGo: hasGoSection(file, header) };
}
