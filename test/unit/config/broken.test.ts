import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatProblems } from "../../../src/engine/config/format-problems.ts";
import { loadConfig } from "../../../src/engine/config/load.ts";
import { fromRoot, options } from "./machine.ts";

const folder = fromRoot("fixtures/broken");
const expected = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8")) as Record<
  string,
  [string, number, number, string][]
>;
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

describe("broken configurations", () => {
  it("has an expectation for every file", () => {
    expect(files.toSorted()).toEqual(Object.keys(expected).toSorted());
  });

  it.each(files)("%s: exactly the expected problems, each in its place", (name) => {
    const result = loadConfig(`${folder}/${name}`, options);
    const problems = result.ok ? [] : result.problems;
    const wanted = expected[name] ?? [];
    expect(problems.map(({ code, line, column }) => [code, line, column])).toEqual(
      wanted.map(([code, line, column]) => [code, line, column]),
    );
    for (const [index, [, , , part]] of wanted.entries()) expect(problems[index]?.message).toContain(part);
  });

  it.each(files)("%s: prints no secret and no control character", (name) => {
    const result = loadConfig(`${folder}/${name}`, options);
    expect(result.ok).toBe(false);
    if (result.ok) return;
    const output = formatProblems(result.problems, result.source) + JSON.stringify(result.problems);
    expect(output).not.toContain("hunter2");
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(output).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f]/);
  });
});
