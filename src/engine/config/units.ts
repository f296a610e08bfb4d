/** Durations and sizes as people write them: `500ms`, `1m30s`, `128MiB`. */

/** Timers of Node and of the kernel interfaces we use count milliseconds in 31 bits; beyond, they fire at once. */
export const maxDurationMs = 24 * 24 * 3_600_000;

const durationUnits = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

const sizeUnits = new Map<string, number>([
  ["B", 1],
  ["KB", 1000],
  ["MB", 1000 ** 2],
  ["GB", 1000 ** 3],
  ["TB", 1000 ** 4],
  ["KIB", 1024],
  ["MIB", 1024 ** 2],
  ["GIB", 1024 ** 3],
  ["TIB", 1024 ** 4],
]);

/** JSON schema patterns of what the two parsers accept; the parsers also look at the bounds. */
export const durationPattern = String.raw`^(?=.)(0|(\d+(\.\d+)?d)?(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?)$`;
export const sizePattern = String.raw`^\d+(\.\d+)?\s*([KMGT]i?)?B$`;

const durationExpression =
  /^(?:(?<d>\d+(?:\.\d+)?)d)?(?:(?<h>\d+(?:\.\d+)?)h)?(?:(?<m>\d+(?:\.\d+)?)m)?(?:(?<s>\d+(?:\.\d+)?)s)?(?:(?<ms>\d+(?:\.\d+)?)ms)?$/;

/** Milliseconds of `500ms`, `5s`, `1m30s`, `1.5h` or `0`; `null` for anything else, or beyond 24 days. */
export function parseDuration(text: string | number): number | null {
  if (text === 0 || text === "0") return 0;
  if (typeof text === "number" || text === "") return null;
  const parts = durationExpression.exec(text)?.groups;
  if (parts === undefined) return null;
  let totalMs = 0;
  for (const [unit, ms] of durationUnits) totalMs += Number(parts[unit] ?? 0) * ms;
  return totalMs > maxDurationMs ? null : Math.round(totalMs * 1000) / 1000;
}

/** The shortest text that `parseDuration` reads back as the same number. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0";
  let rest = ms;
  let text = "";
  for (const [unit, size] of durationUnits) {
    const count = unit === "ms" ? Math.round(rest * 1000) / 1000 : Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** Bytes of `128MiB`, `64KB` (1000), `1.5GiB`, or a bare whole number of bytes; `null` for anything else. */
export function parseSize(text: string | number): number | null {
  if (typeof text === "number") return Number.isSafeInteger(text) && text >= 0 ? text : null;
  const match = /^(?<number>\d+(?:\.\d+)?)\s*(?<unit>[a-z]*)$/i.exec(text);
  if (match?.groups === undefined) return null;
  const { number = "", unit = "" } = match.groups;
  const factor = unit === "" ? 1 : sizeUnits.get(unit.toUpperCase());
  if (factor === undefined) return null;
  // A fraction of a large unit is rounded to whole bytes; a fraction of a byte means nothing.
  const bytes = factor === 1 ? Number(number) : Math.round(Number(number) * factor);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** The largest binary unit that divides the size; `parseSize` reads it back. */
export function formatSize(bytes: number): string {
  const units = ["TiB", "GiB", "MiB", "KiB"] as const;
  let factor = 1024 ** 4;
  for (const unit of units) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
    factor /= 1024;
  }
  return `${bytes}B`;
}

/** For people: at most one decimal, not meant to be read back (`15.3GiB`). */
export function describeSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${Number(value.toFixed(1))}${units[index] ?? ""}`;
}
