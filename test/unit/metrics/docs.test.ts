/** docs/metrics.md and the dashboard, compared with the table of metrics. */
import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import { checkQueries } from "../../helpers/promtool.ts";
import { families } from "../../../src/engine/metrics/families.ts";

const docs = new URL("../../../docs/", import.meta.url);

/** A script, not a module with types: loaded by name so that the compiler does not look into it. */
async function generated(): Promise<string> {
  const url = new URL("../../../scripts/gen-metrics.mjs", import.meta.url).href;
  const script = (await import(url)) as { readonly metricsReference: () => string };
  return script.metricsReference();
}

test("docs/metrics.md is what scripts/gen-metrics.mjs writes", async ({ expect }) => {
  expect(readFileSync(new URL("metrics.md", docs), "utf8")).toBe(await generated());
});

test("metrics are named once, counters end in _total, units are the last word before that", ({ expect }) => {
  const names = families.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, type, unit } of families) {
    expect(name).toMatch(/^[a-z][a-z_]*[a-z]$/);
    expect(name.endsWith("_total"), name).toBe(type === "counter");
    if (unit !== undefined) expect(name.replace(/_total$/, ""), name).toMatch(new RegExp(`_${unit}$`));
  }
});

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
}

/** Words of PromQL and of this dashboard that are no metrics. */
const others: ReadonlySet<string> = new Set(
  "sum max rate increase histogram_quantile by label_values function le tier job code state port interface".split(
    " ",
  ),
);

describe("docs/grafana/aether.json", () => {
  const dashboard = JSON.parse(readFileSync(new URL("grafana/aether.json", docs), "utf8")) as Dashboard;
  const series = new Map(
    families.flatMap(({ name, type }) =>
      type === "histogram"
        ? ["_bucket", "_sum", "_count"].map((end) => [`${name}${end}`, name] as const)
        : [[name, name] as const],
    ),
  );
  const queries = [
    ...dashboard.panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr),
    ...dashboard.templating.list.flatMap(({ definition }) => definition ?? []),
  ];
  const named = queries.flatMap((query) => {
    const bare = query.replaceAll(/"[^"]*"|\[[^\]]*\]|\$\w+/g, "");
    return (bare.match(/[A-Za-z_]\w*/g) ?? []).filter((word) => !others.has(word));
  });

  test("names no metric that does not exist", ({ expect }) => {
    expect(queries.length).toBeGreaterThan(30);
    expect(named.filter((name) => !series.has(name))).toEqual([]);
  });

  test("asks nothing that is not PromQL", async ({ expect }) => {
    const asked = dashboard.panels
      .flatMap(({ targets }) => targets ?? [])
      .map(({ expr }) => expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".*"));
    const { code, output } = await checkQueries(asked);
    expect(code, output).toBe(0);
    expect((await checkQueries(["rate(up[5m"])).code).toBe(1);
  });

  test("shows every metric there is", ({ expect }) => {
    const shown = new Set(named.map((name) => series.get(name)));
    expect(families.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });

  test("panels do not overlap", ({ expect }) => {
    const boxes = (
      dashboard.panels as (Panel & { gridPos: { x: number; y: number; w: number; h: number } })[]
    ).map(({ title, gridPos }) => ({ title, ...gridPos }));
    for (const [index, a] of boxes.entries()) {
      expect(a.x + a.w, a.title).toBeLessThanOrEqual(24);
      for (const b of boxes.slice(index + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect(apart, `${a.title} and ${b.title}`).toBe(true);
      }
    }
  });
});
