import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { completionScript, shells } from "../../../src/commands/completion-scripts.ts";
import { describeProgram } from "../../../src/commands/describe-program.ts";
import { buildProgram } from "../../../src/commands/program.ts";

const program = buildProgram();
const info = describeProgram(program);

/** What bash would offer for the line, with a stand-in for aether that knows two functions. */
function complete(line: string): string[] {
  const dir = mkdtempSync(join(tmpdir(), "aether-complete-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(
    join(dir, "aether"),
    '#!/bin/sh\necho "$@" >&2\n[ "$*" = "--engine two __ids" ] && echo second || echo "hello\nother"\n',
  );
  chmodSync(join(dir, "aether"), 0o755);
  writeFileSync(join(dir, "script"), completionScript("bash", program));
  const words = line
    .split(" ")
    .map((word) => `'${word}'`)
    .join(" ");
  const count = line.split(" ").length - 1;
  const test = `. ${dir}/script; COMP_WORDS=(${words}); COMP_WORDS[0]=${dir}/aether; COMP_CWORD=${count}; _aether; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", test], { cwd: dir, encoding: "utf8" }).trim().split("\n");
}

describe("completion", () => {
  test.for(shells)("%s knows every verb and every option", (shell, { expect }) => {
    const script = completionScript(shell, program);
    for (const verb of info.verbs) {
      expect(script).toContain(verb.name);
      for (const { long } of [...info.options, ...verb.options])
        expect(script).toContain(shell === "fish" ? `-l ${long.slice(2)}` : long);
    }
    expect(script).toContain("__ids 2>/dev/null");
    expect(script).not.toContain("--log-file"); // hidden
  });

  test.for(["bash", "zsh", "fish"])("%s accepts the script", (shell, { expect, skip }) => {
    // From a file: fish does not read a script from a pipe.
    const file = join(mkdtempSync(join(tmpdir(), "aether-completion-")), "script");
    writeFileSync(file, completionScript(shell as "bash", program));
    const parsed = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    rmSync(dirname(file), { recursive: true });
    if (parsed.error !== undefined) skip(`skipped: ${shell} is not installed`);
    expect(parsed).toMatchObject({ status: 0, stderr: "" });
  });

  test("bash completes verbs, ids, choices, files and options", ({ expect }) => {
    expect(complete("aether sn")).toEqual(["snapshot"]);
    expect(complete("aether")).toEqual([""]);
    expect(complete("aether wake ")).toEqual(["hello", "other"]);
    expect(complete("aether --engine two wake ")).toEqual(["second"]);
    expect(complete("aether logs -f h")).toEqual(["hello"]);
    expect(complete("aether completion z")).toEqual(["zsh"]);
    expect(complete("aether init --language ")).toEqual(["python", "node"]);
    expect(complete("aether restore --y")).toEqual(["--yes"]);
    expect(complete("aether -c scr")).toEqual(["script"]);
    expect(complete("aether ps --j")).toEqual(["--json"]);
  });
});
