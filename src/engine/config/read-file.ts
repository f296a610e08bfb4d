/** Reads a configuration file, with the reasons why one cannot be read. Never throws. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** A configuration of a thousand functions is some hundred KiB. */
export const maxFileBytes = 1024 * 1024;

export type ReadResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string; readonly hint: string | null };

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "the file does not exist",
  EACCES: "the file may not be read",
  EPERM: "the file may not be read",
  ENOTDIR: "a part of the path is not a folder",
  ELOOP: "the path is a loop of links",
  ENAMETOOLONG: "the path is too long",
};

/** The text of a regular UTF-8 file of at most 1 MiB, without its byte order mark. */
export function readConfigFile(file: string): ReadResult {
  let fd: number;
  try {
    // Without O_NONBLOCK the open of a FIFO waits for a writer, possibly for ever.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    return unreadable(error);
  }
  try {
    const stats = fstatSync(fd);
    if (stats.isDirectory())
      return {
        ok: false,
        message: "this is a folder, not a file",
        hint: "Name the file in it, such as aether.yaml.",
      };
    if (!stats.isFile()) return { ok: false, message: "this is not a regular file", hint: null };
    // One byte more than allowed, so that a file that grows while it is read is noticed as well.
    const buffer = Buffer.alloc(Math.min(stats.size, maxFileBytes) + 1);
    let length = 0;
    for (;;) {
      const count = length < buffer.length ? readSync(fd, buffer, length, buffer.length - length, null) : 0;
      if (count === 0) break;
      length += count;
    }
    if (length > maxFileBytes)
      return { ok: false, message: "the file is larger than 1 MiB", hint: "Is it the right file?" };
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length)) };
  } catch (error) {
    if (error instanceof TypeError)
      return { ok: false, message: "the file is not UTF-8 text", hint: "Save it as UTF-8." };
    return unreadable(error);
  } finally {
    closeSync(fd);
  }
}

function unreadable(error: unknown): ReadResult {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = reasons[code] ?? `the file cannot be read (${code === "" ? String(error) : code})`;
  return {
    ok: false,
    message,
    hint: code === "ENOENT" ? "Name another with -c FILE, or write a first one with `aether init`." : null,
  };
}
