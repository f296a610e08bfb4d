import { readFileSync } from "node:fs";
import { test } from "vitest";

/** A script, not a module with types: loaded by name so that the compiler does not look into it. */
async function generated(): Promise<string> {
  const url = new URL("../../../scripts/gen-stats-layout.mjs", import.meta.url).href;
  const script = (await import(url)) as { readonly statsRegionReference: () => string };
  return script.statsRegionReference();
}

test("docs/stats-region.md is what scripts/gen-stats-layout.mjs writes", async ({ expect }) => {
  const text = readFileSync(new URL("../../../docs/stats-region.md", import.meta.url), "utf8");
  expect(text).toBe(await generated());
});
