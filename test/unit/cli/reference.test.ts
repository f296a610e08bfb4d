import { readFileSync, writeFileSync } from "node:fs";
import { test } from "vitest";
import { cliReference } from "../../../src/commands/cli-reference.ts";
import { buildProgram } from "../../../src/commands/program.ts";

const file = new URL("../../../docs/cli.md", import.meta.url);

test("docs/cli.md is what the command line is (AETHER_UPDATE_DOCS=1 writes it anew)", ({ expect }) => {
  const text = cliReference(buildProgram());
  if (process.env["AETHER_UPDATE_DOCS"] === "1") writeFileSync(file, text);
  expect(readFileSync(file, "utf8")).toBe(text);
});
