import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram, splitCommand } from "../../../src/engine/config/command.ts";
import { testMachine } from "./machine.ts";

const words = (text: string): readonly string[] | string => {
  const result = splitCommand(text);
  return result.ok ? result.words : result.reason;
};

describe("splitCommand", () => {
  it.each([
    ["python3 handler.py", ["python3", "handler.py"]],
    ["  a \t b\nc ", ["a", "b", "c"]],
    [`a 'b c' "d e"`, ["a", "b c", "d e"]],
    [`a'b'"c"d`, ["abcd"]],
    [`a "" ''`, ["a", "", ""]],
    [String.raw`a\ b c\"d`, ["a b", 'c"d']],
    [String.raw`"a\"b\\c\d\$e"`, [String.raw`a"b\c\d$e`]],
    [String.raw`'a\b'`, [String.raw`a\b`]],
    [`"it's"`, ["it's"]],
    ["a\\\nb", ["ab"]],
    ["~ * ? #x", ["~", "*", "?", "#x"]],
    ["", []],
  ])("splits %j", (text, expected) => {
    expect(words(text)).toEqual(expected);
  });

  it.each([
    [`a 'b`, "has an unbalanced single quote"],
    [`a "b`, "has an unbalanced double quote"],
    [String.raw`a "b\"`, "has an unbalanced double quote"],
    ["a \\", "ends in a backslash"],
  ])("refuses %j", (text, reason) => {
    expect(words(text)).toBe(reason);
  });

  it.each([
    ["a && b", "&&"],
    ["a | b", "|"],
    ["a > b", ">"],
    ["a; b", "a;"],
    ["a $PORT", "$PORT"],
    ['a "${PORT}"', "${PORT}"],
    ["a $(b)", "$("],
    ["a '&&' '$PORT' \\$PORT", null],
    ["grep ^a$ b", null],
    ["a b&c x=y", null],
  ])("notes what only a shell would act upon in %j", (text, expected) => {
    const result = splitCommand(text);
    expect(result.ok && result.shellSyntax).toBe(expected);
  });

  it("gives back any words that were quoted", () => {
    const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
    fc.assert(
      fc.property(fc.array(fc.string()), (list) => {
        expect(words(list.map(quote).join(" "))).toEqual(list);
      }),
    );
  });

  it("splits as sh does", () => {
    const pieces = fc.constantFrom("a", "b", " ", "  ", "'", '"', "\\", "\t", "c d", "\\\\", '\\"');
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 12 }), (list) => {
        const text = list.join("");
        const result = splitCommand(text);
        // What is unbalanced, sh refuses or reads on; a backslash at the end is ours alone.
        if (!result.ok) return;
        const script = `printf '%s\\0' ${text}\nprintf end`;
        const shell = execFileSync("/bin/sh", ["-c", script], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
        });
        const expected = shell.slice(0, -"end".length).split("\0").slice(0, -1);
        expect(result.words.length === 0 ? [""] : result.words).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(splitCommand(text)).toHaveProperty("ok");
      }),
    );
  });
});

describe("findProgram", () => {
  let dir = "";
  const nobody = { uid: 65_534, gid: 65_534, groups: [65_534], name: "nobody" };

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "aether-command-"));
    chmodSync(dir, 0o755);
    for (const folder of ["one", "two", "closed"]) mkdirSync(join(dir, folder), { mode: 0o755 });
    const program = (path: string, mode: number): void => {
      writeFileSync(join(dir, path), "#!/bin/sh\n");
      chmodSync(join(dir, path), mode);
    };
    program("one/data", 0o644);
    program("two/data", 0o755);
    program("one/mine", 0o700);
    program("closed/tool", 0o755);
    chmodSync(join(dir, "closed"), 0o700);
    mkdirSync(join(dir, "one", "tool"));
    symlinkSync("nowhere", join(dir, "one", "dangling"));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const find = (name: string, path: string | undefined, identity = testMachine.self): string => {
    const result = findProgram(name, { cwd: join(dir, "one"), path, identity });
    return (result.ok ? result.program : result.reason).replaceAll(dir, "");
  };

  it("passes over what cannot be executed, as execvp does", () => {
    expect(find("data", `${dir}/one:${dir}/two`)).toBe("/two/data");
    expect(find("tool", `${dir}/one:${dir}/closed`)).toBe("/closed/tool");
  });

  it("says why the only candidate does not do", () => {
    expect(find("data", `${dir}/one`)).toBe("/one/data is not executable");
    expect(find("dangling", `${dir}/one`)).toBe('no program "dangling" in PATH');
    expect(find("mine", `${dir}/one`, nobody)).toBe("/one/mine may not be executed by nobody");
    expect(find("tool", `${dir}/closed`, nobody)).toBe(
      "/closed/tool lies in /closed, which nobody cannot enter",
    );
  });

  it("resolves a path with a slash against cwd, an empty PATH entry too", () => {
    expect(find("../two/data", undefined)).toBe("/two/data");
    expect(find("./none", undefined)).toBe("/one/none does not exist");
    expect(find("mine", "")).toBe("/one/mine");
  });

  it("searches the usual folders where PATH is not set", () => {
    expect(find("sh", undefined)).toMatch(/\/bin\/sh$/);
  });
});
