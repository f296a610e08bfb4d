/** A traffic profile as a stream: line by line, however long the file is. */
import { AetherError } from "../../protocol/errors.ts";
import { parseProfileLine } from "./profile-line.ts";
import type { ProfileEntry } from "./profile-line.ts";

/** A line has four short values; a longer one is not a profile. */
export const maxLineChars = 4096;

/**
 * The entries of a profile, in order of time. Empty lines are passed over.
 * @param chunks the bytes of the file. @param name of the file, for errors
 * @throws AetherError AE_PROFILE_INVALID naming line and column
 */
export async function* readProfile(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  name: string,
): AsyncGenerator<ProfileEntry, void> {
  const decoder = new TextDecoder("utf-8", { fatal: false });
  let pending = "";
  let line = 0;
  let beforeMs = Number.NEGATIVE_INFINITY;
  const read = (text: string): ProfileEntry | null => {
    line += 1;
    if (text.length > maxLineChars) throw tooLong(name, line);
    if (text.trim() === "") return null;
    const parsed = parseProfileLine(text);
    if (!parsed.ok) throw invalid(name, line, parsed.column, parsed.message);
    if (parsed.entry.atMs < beforeMs)
      throw invalid(name, line, 1, "its time is before that of the line above; sort the profile by t");
    beforeMs = parsed.entry.atMs;
    return parsed.entry;
  };
  for await (const chunk of chunks) {
    const parts = (pending + decoder.decode(chunk, { stream: true })).split("\n");
    pending = parts.pop() ?? "";
    for (const part of parts) {
      const entry = read(part);
      if (entry !== null) yield entry;
    }
    if (pending.length > maxLineChars) throw tooLong(name, line + 1);
  }
  const last = read(pending + decoder.decode());
  if (last !== null) yield last;
}

function tooLong(name: string, line: number): AetherError {
  return invalid(name, line, maxLineChars + 1, `the line is longer than ${maxLineChars} characters`);
}

function invalid(name: string, line: number, column: number, why: string): AetherError {
  return new AetherError("AE_PROFILE_INVALID", `${name}:${line}:${column} is no line of a traffic profile`, {
    why,
    hint: 'A line is {"t": SECONDS or "TIME", "id": "FUNCTION"}; docs/plan.md has the format.',
    data: { file: name, line, column },
  });
}
