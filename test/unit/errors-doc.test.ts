import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorCodes } from "../../src/protocol/error-codes.ts";

const documented = new URL("../../docs/errors.md", import.meta.url);

/** A script, not a module with types: loaded by name so that the compiler does not look into it. */
async function generated(): Promise<string> {
  const url = new URL("../../scripts/gen-errors.mjs", import.meta.url).href;
  const script = (await import(url)) as { readonly errorReference: () => string };
  return script.errorReference();
}

describe("docs/errors.md", () => {
  it("is what scripts/gen-errors.mjs writes", async () => {
    expect(readFileSync(documented, "utf8")).toBe(await generated());
  });

  it("has every code once", async () => {
    const text = await generated();
    const rows: string[] = [...text.matchAll(/^\| `(AE_[A-Z_]+)` \|/gm)].map((match) => match[1] ?? "");
    expect(rows.toSorted()).toEqual(Object.keys(errorCodes).toSorted());
  });
});
