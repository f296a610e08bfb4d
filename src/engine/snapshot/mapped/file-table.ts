/** files.img: the files an image names by number, and the entry of the heap file added to it. */
import { encodeFields, readProto } from "../protobuf.ts";
import { bytesOf, imageKind, joinImage, requiredNumber, splitImage } from "./image-file.ts";

const regularFile = 1n;

export interface FileTable {
  /** Paths of regular files as the function sees them, by id. */
  readonly paths: ReadonlyMap<number, string>;
  readonly messages: readonly Buffer[];
}

/** Reads files.img. Throws RangeError on what is none. */
export function readFileTable(data: Buffer): FileTable {
  const messages = splitImage(data, imageKind.files);
  const paths = new Map<number, string>();
  for (const message of messages) {
    const fields = readProto(message);
    const regular = bytesOf(fields, 3);
    const name = regular === null ? null : bytesOf(readProto(regular), 6);
    if (name !== null) paths.set(requiredNumber(fields, 2), name.toString());
  }
  return { paths, messages };
}

/**
 * files.img with one more file, named so many times; without a recorded size, so that CRIU does not compare it.
 * @returns the number of each entry. Each process needs one of its own: CRIU takes equal ranges of a parent and its child
 * that map the same file for the same memory, whatever their offsets (check_cow_vmas), and gives the child its parent's.
 */
export function withFile(
  table: FileTable,
  path: string,
  count: number,
): { readonly data: Buffer; readonly ids: readonly number[] } {
  const first = 1 + Math.max(0, ...table.messages.map((message) => requiredNumber(readProto(message), 2)));
  const ids = Array.from({ length: count }, (_, index) => first + index);
  const entries = ids.map((id) => fileEntry(id, path));
  return { data: joinImage([...table.messages, ...entries], imageKind.files), ids };
}

function fileEntry(id: number, path: string): Buffer {
  const owner = encodeFields([1, 2, 3, 4, 5].map((field) => ({ field, value: 0n })));
  const regular = encodeFields([
    { field: 1, value: BigInt(id) },
    { field: 2, value: 0n }, // O_RDONLY
    { field: 3, value: 0n },
    { field: 5, value: owner },
    { field: 6, value: Buffer.from(path) },
  ]);
  return encodeFields([
    { field: 1, value: regularFile },
    { field: 2, value: BigInt(id) },
    { field: 3, value: regular },
  ]);
}
