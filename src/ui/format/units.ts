/** Numbers as people read them. Every function takes `null` for "not known" and shows it as a dash. */

export const unknown = "–";

const trimmed = (value: number, digits: number): string => value.toFixed(digits);

/** A measured time: `0.42 ms`, `8.4 ms`, `142 ms`, `1.24 s`, `3m 20s`. */
export function formatMs(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return unknown;
  if (ms < 1) return `${trimmed(Math.max(0, ms), 2)} ms`;
  if (ms < 99.95) return `${trimmed(ms, 1)} ms`;
  if (ms < 999.5) return `${trimmed(ms, 0)} ms`;
  if (ms < 9_995) return `${trimmed(ms / 1000, 2)} s`;
  if (ms < 59_950) return `${trimmed(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, "0")}s`;
  return `${Math.floor(seconds / 3600)}h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")}m`;
}

/** A declared time: `500 ms`, `30 s`, `5 min`, `never`. */
export function formatDeclaredMs(ms: number | null): string {
  if (ms === null) return "never";
  if (ms < 1000 || ms % 1000 !== 0) return `${ms} ms`;
  const seconds = ms / 1000;
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A size with three figures: `512 B`, `9.8 MiB`, `66.4 MiB`, `1.2 GiB`. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null || !Number.isFinite(bytes)) return unknown;
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? "B"}`;
}

/** A count: `7`, `12,400`, `1.2M`. */
export function formatCount(count: number): string {
  if (count < 100_000) return String(count).replace(/\B(?=(\d{3})+$)/, ",");
  if (count < 1_000_000) return `${Math.floor(count / 1000)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** An age, coarse so that it ticks seldom: `<1m`, `3m`, `2h`, `4d`. */
export function formatAge(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return unknown;
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return "<1m";
  if (minutes < 60) return `${minutes}m`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 1440)}d`;
}

/** A part of one processor: `0 %`, `0.4 %`, `37 %`, `180 %`. */
export function formatPercent(percent: number | null): string {
  if (percent === null || !Number.isFinite(percent)) return unknown;
  if (percent < 0.05) return "0 %";
  return `${percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

/** Microseconds: `60 µs`, `8,000 µs`. */
export function formatMicros(us: number): string {
  return `${String(Math.round(us)).replaceAll(/\B(?=(\d{3})+$)/g, ",")} µs`;
}

/** So many a second: `0`, `0.4`, `37`, `1,240`, `120k`. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null || !Number.isFinite(perSecond)) return unknown;
  if (perSecond <= 0) return "0";
  return perSecond < 9.95 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond));
}

/** Local wall clock, `14:03:22` or with milliseconds. */
export function formatClock(atMs: number, precise = false): string {
  const date = new Date(atMs);
  if (Number.isNaN(date.getTime())) return precise ? "--:--:--.---" : "--:--:--";
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return precise ? `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}` : clock;
}

/** `1 function`, `2 functions`. */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
