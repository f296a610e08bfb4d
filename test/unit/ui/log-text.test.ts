/** What is found in lines, and how lines of JSON are read. */
import { describe, expect, test } from "vitest";
import { readJsonLine } from "../../../src/ui/format/json-line.ts";
import { compileSearch, matchingIndexes, rangesIn } from "../../../src/ui/format/search.ts";

const plain = { regex: false, exactCase: false };
const regex = { regex: true, exactCase: false };

describe("searching", () => {
  test("lower case finds both cases, a capital only itself, exact case only what was typed", () => {
    expect(compileSearch("error", plain).test("ERROR x")).toBe(true);
    expect(compileSearch("Error", plain).test("ERROR x")).toBe(false);
    expect(compileSearch("error", { ...plain, exactCase: true }).test("ERROR x")).toBe(false);
    expect(compileSearch("\\Sx", regex).test("AX")).toBe(true);
  });

  test("plain words are no pattern; every place is found", () => {
    expect(compileSearch("a.b", plain).ranges("a.b axb a.b")).toEqual([
      [0, 3],
      [8, 11],
    ]);
    expect(rangesIn(compileSearch("a.b", regex), "a.b axb", true)).toEqual([
      [0, 3],
      [4, 7],
    ]);
    expect(rangesIn(compileSearch("x*", regex), "axxb", true)).toEqual([[1, 3]]);
  });

  test("a wrong pattern says what is wrong with it, and finds nothing", () => {
    const search = compileSearch("(a", regex);
    expect(search.error).toBe("unterminated group");
    expect(search.test("a")).toBe(false);
    expect(rangesIn(search, "a", true)).toEqual([]);
  });

  test("a pattern that backtracks without end is stopped, not the console", () => {
    const hostile = `${"a".repeat(60)}b`;
    const search = compileSearch("(a+)+$", regex);
    expect(matchingIndexes(search, [hostile], true)).toBeNull();
    expect(rangesIn(search, hostile, true)).toEqual([]);
    expect(matchingIndexes(search, ["b", "aa"], true)).toEqual([1]);
  });
});

describe("lines of JSON", () => {
  test("level and message first, then the rest, without the time", () => {
    expect(
      readJsonLine('{"level":"warn","time":"2026-11-27","msg":"slow query","ms":812,"sql":"select 1"}'),
    ).toEqual({ text: 'WARN  slow query ms=812 sql="select 1"', level: "warn" });
    expect(readJsonLine('{"level":50,"pid":7,"msg":"boom","err":{"code":"E1"}}')).toEqual({
      text: 'ERROR boom pid=7 err={"code":"E1"}',
      level: "error",
    });
    expect(readJsonLine('{"severity":"NOTICE","message":"up"}')?.text).toBe("INFO  up");
    expect(readJsonLine('{"a":1}')).toEqual({ text: "a=1", level: "none" });
  });

  test("what is not one object stays as it is", () => {
    for (const text of ["[1]", "{broken}", "12", '{"a":1} tail', "", "null"])
      expect(readJsonLine(text)).toBeNull();
  });
});
