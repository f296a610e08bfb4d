/**
 * Metrics as text, in both formats that scrapers read: Prometheus' own 0.0.4 and OpenMetrics 1.0.0.
 * https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification.
 */
import { latencyBoundsMs } from "../../protocol/latency-buckets.ts";
import type { Family, HistogramSample, Labels, Scrape } from "./families.ts";

export type MetricsFormat = "text" | "openmetrics";

export const contentTypes: Readonly<Record<MetricsFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

const bucketBounds = [...latencyBoundsMs.map((ms) => String(ms / 1000)), "+Inf"] as const;

/** In help texts quotes are escaped by OpenMetrics alone. */
function escapeHelp(text: string, format: MetricsFormat): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return format === "openmetrics" ? escaped.replaceAll('"', '\\"') : escaped;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** The name in TYPE and HELP: OpenMetrics names a family without the ending of its samples. */
function familyName({ name, type }: Family, format: MetricsFormat): string {
  if (format === "text") return name;
  if (type === "counter") return name.replace(/_total$/, "");
  return type === "info" ? name.replace(/_info$/, "") : name;
}

function typeName({ type }: Family, format: MetricsFormat): string {
  return type === "info" && format === "text" ? "gauge" : type;
}

function histogramLines(name: string, { labels, counts, sumMs }: HistogramSample): string[] {
  let below = 0;
  const buckets = bucketBounds.map((le, index) => {
    below += counts[index] ?? 0;
    return `${name}_bucket${labelText({ ...labels, le })} ${below}`;
  });
  const own = labelText(labels);
  return [...buckets, `${name}_sum${own} ${sumMs / 1000}`, `${name}_count${own} ${below}`];
}

function sampleLines(family: Family, scrape: Scrape): string[] {
  if (family.type === "histogram")
    return family.samples(scrape).flatMap((sample) => histogramLines(family.name, sample));
  return family.samples(scrape).map(({ labels, value }) => `${family.name}${labelText(labels)} ${value}`);
}

/** Everything, in the order of the table; families without a value are named all the same. */
export function exposition(families: readonly Family[], scrape: Scrape, format: MetricsFormat): string {
  const lines = families.flatMap((family) => {
    const name = familyName(family, format);
    return [
      `# HELP ${name} ${escapeHelp(family.help, format)}`,
      `# TYPE ${name} ${typeName(family, format)}`,
      ...(format === "openmetrics" && family.unit !== undefined ? [`# UNIT ${name} ${family.unit}`] : []),
      ...sampleLines(family, scrape),
    ];
  });
  if (format === "openmetrics") lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}
