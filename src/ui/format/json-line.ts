/** Log lines that are JSON, as people read them: level, message, then the rest as key=value. */

export type LogLevel = "error" | "warn" | "info" | "debug" | "none";

export interface JsonLine {
  /** Not yet safe to draw: decoding may bring control characters back. */
  readonly text: string;
  readonly level: LogLevel;
}

const messageKeys = ["msg", "message", "event"] as const;
const levelKeys = ["level", "severity", "lvl", "levelname"] as const;
/** The line has a time of its own beside it. */
const timeKeys: ReadonlySet<string> = new Set(["time", "ts", "timestamp", "@timestamp"]);

const levelNames: readonly (readonly [LogLevel, RegExp])[] = [
  ["error", /^(?:err|error|fatal|crit|critical|panic|alert|emerg|emergency)$/i],
  ["warn", /^warn(?:ing)?$/i],
  ["info", /^(?:info|information|notice)$/i],
  ["debug", /^(?:debug|trace|verbose|silly)$/i],
];

/** Words, and the numbers of pino and bunyan (10 trace to 60 fatal). */
function levelOf(value: unknown): LogLevel {
  if (typeof value === "number") {
    return value >= 50 ? "error" : value >= 40 ? "warn" : value >= 30 ? "info" : "debug";
  }
  if (typeof value !== "string") return "none";
  return levelNames.find(([, pattern]) => pattern.test(value))?.[0] ?? "none";
}

function valueText(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value) ?? "";
  return value === "" || /[\s"=]/.test(value) ? JSON.stringify(value) : value;
}

function parseObject(text: string): Record<string, unknown> | null {
  if (!text.startsWith("{") || !text.endsWith("}")) return null;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null; // it only looks like JSON: shown as it is
  }
}

/** A line that is one JSON object; `null` for every other. */
export function readJsonLine(text: string): JsonLine | null {
  const fields = parseObject(text.trim());
  if (fields === null) return null;
  const messageKey = messageKeys.find((key) => typeof fields[key] === "string");
  const levelKey = levelKeys.find((key) => levelOf(fields[key]) !== "none");
  const level = levelKey === undefined ? "none" : levelOf(fields[levelKey]);
  const rest = Object.entries(fields)
    .filter(([key]) => key !== messageKey && key !== levelKey && !timeKeys.has(key))
    .map(([key, value]) => `${key}=${valueText(value)}`);
  const message = messageKey === undefined ? [] : [String(fields[messageKey])];
  const word = level === "none" ? [] : [level.toUpperCase().padEnd(5)];
  return { text: [...word, ...message, ...rest].join(" "), level };
}
