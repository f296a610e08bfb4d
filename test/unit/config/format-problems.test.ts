import { describe, expect, it } from "vitest";
import type { ConfigProblem } from "../../../src/protocol/config.ts";
import {
  formatProblemLine,
  formatProblems,
  validationError,
} from "../../../src/engine/config/format-problems.ts";

const problem: ConfigProblem = {
  code: "AE_CONFIG_INVALID_PORT",
  file: "/srv/app/aether.yaml",
  line: 2,
  column: 8,
  path: "functions[0].trigger_port",
  text: "99999",
  message: "trigger_port must be a port",
  hint: "Choose another.",
};

describe("formatProblems", () => {
  it("shows place, line, caret and hint", () => {
    expect(formatProblems([problem], "a: 1\nport:\t 99999 # x\n", "/srv")).toBe(
      [
        "app/aether.yaml:2:8: trigger_port must be a port (functions[0].trigger_port) [AE_CONFIG_INVALID_PORT]",
        "  2 | port:\t 99999 # x",
        "    |      \t ^^^^^",
        "  Choose another.",
      ].join("\n"),
    );
  });

  it("leaves the place out where the file as a whole is meant", () => {
    expect(formatProblemLine({ ...problem, line: 0, column: 0, path: "" })).toBe(
      "/srv/app/aether.yaml: trigger_port must be a port [AE_CONFIG_INVALID_PORT]",
    );
  });

  it("cuts a very long line around the place", () => {
    const source = `${"x".repeat(5000)}99999${"y".repeat(5000)}`;
    const output = formatProblems([{ ...problem, line: 1, column: 5001 }], source);
    expect(output.split("\n")[1]).toHaveLength("  1 | ".length + 100);
    const [, line = "", carets = ""] = output.split("\n");
    expect(line.slice(carets.indexOf("^"), carets.lastIndexOf("^") + 1)).toBe("99999");
  });

  it("obeys no escape sequence of the file", () => {
    const hostile = { ...problem, text: "\u001b[2J", message: "bad \u001b[2J\nvalue" };
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(formatProblems([hostile], "a\nx: \u001b[2J\u202e\u0007")).not.toMatch(/[\u001b\u0007\u202e]/);
  });
});

describe("validationError", () => {
  it("carries every problem as a line, under the code of the first", () => {
    const error = validationError([problem, { ...problem, line: 3, code: "AE_CONFIG_SYNTAX" }]);
    expect([error.code, error.name, error.kind]).toEqual([
      "AE_CONFIG_INVALID_PORT",
      "HardValidationError",
      "user",
    ]);
    expect(error.what).toBe("/srv/app/aether.yaml has 2 problems");
    expect(error.data["problems"]).toHaveLength(2);
    expect(structuredClone(error.toJSON())).toEqual(error.toJSON());
  });
});
