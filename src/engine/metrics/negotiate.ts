/** Which format a scraper wants, by its Accept header (RFC 9110, section 12.5.1). */
import type { MetricsFormat } from "./exposition.ts";

interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** Scrapers send a few ranges; what is longer is no scraper's. */
const maxRanges = 16;

function parseRange(text: string): MediaRange {
  const [type = "", ...rest] = text.split(";").map((part) => part.trim());
  const parameters = new Map(
    rest.map((part) => {
      const [name = "", value = ""] = part.split("=", 2);
      return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, "$1")] as const;
    }),
  );
  const quality = Number(parameters.get("q") ?? 1);
  return {
    type: type.toLowerCase(),
    parameters,
    quality: quality >= 0 && quality <= 1 ? quality : 0,
  };
}

const textTypes: ReadonlySet<string> = new Set(["text/plain", "text/*", "*/*"]);

/** OpenMetrics where it is asked for by name, in a version we speak, and nothing else is wanted more. */
export function wantedFormat(accept: string | undefined): MetricsFormat {
  const ranges = (accept ?? "").split(",").slice(0, maxRanges).map(parseRange);
  const best = (matches: (range: MediaRange) => boolean): number =>
    Math.max(0, ...ranges.filter(matches).map(({ quality }) => quality));
  const openmetrics = best(
    ({ type, parameters }) =>
      type === "application/openmetrics-text" &&
      ["1.0.0", "0.0.1"].includes(parameters.get("version") ?? "1.0.0"),
  );
  return openmetrics > 0 && openmetrics >= best(({ type }) => textTypes.has(type)) ? "openmetrics" : "text";
}
